import { type ChildProcess, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { makeCertificate } from "../../lab/certificate";
import { Namespace } from "../acceptance/verify/namespace";
import { ended, onHost, scriptInput } from "../fixtures/machine";

// The scripts of Wire's room, in a network of their own.

let folder: string;
let network: Namespace;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wiab-wire-scripts-"));
  network = new Namespace("kubenode1");
});
afterAll(() => {
  network.remove();
  rmSync(folder, { recursive: true });
});

describe("front.sh", () => {
  const script = "components/wire/front/front.sh";
  const names = ["webapp.wire.test", "teams.wire.test"];
  let fingerprint: string;
  let server: ChildProcess | undefined;

  /** Serves on port 443: each name what it answers, with a certificate for `*.domain`. */
  async function serve(domain: string, statuses: Readonly<Record<string, number>>): Promise<void> {
    const { certificateFile, privateKeyFile } = await makeCertificate(join(folder, domain), domain);
    const program = `
      const { readFileSync } = require("node:fs");
      const [certificate, key, statuses] = process.argv.slice(1);
      require("node:https")
        .createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) =>
          response.writeHead(JSON.parse(statuses)[request.headers.host] ?? 404).end())
        .listen(443, "127.0.0.1", () => console.log("listens"));`;
    server = spawn(
      "ip",
      [
        ...["netns", "exec", network.name, process.execPath, "-e", program],
        ...[certificateFile, privateKeyFile, JSON.stringify(statuses)],
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    await new Promise((resolve) =>
      createInterface({ input: server?.stdout as NodeJS.ReadableStream }).once("line", resolve),
    );
  }

  beforeAll(async () => {
    const { certificateFile } = await makeCertificate(join(folder, "wire.test"), "wire.test");
    fingerprint = new X509Certificate(readFileSync(certificateFile)).fingerprint256;
  });
  afterEach(async () => {
    const gone = server && new Promise((resolve) => server?.once("close", resolve));
    server?.kill();
    await gone;
    server = undefined;
  });

  const look = (wanted: string, seconds = 1) =>
    ended(
      onHost({ network }),
      scriptInput(script, {
        ADDRESS: "127.0.0.1",
        NAMES: names.join(" "),
        FINGERPRINT: wanted,
        SECONDS_TO_WAIT: `${seconds}`,
      }),
    );
  const complaint = /^error: gave up after 1 s waiting for every public name to answer: ([\s\S]*)\n$/;
  const complaints = async (wanted: string) => {
    const { code, stderr } = await look(wanted);
    expect(code).toBe(1);
    return complaint.exec(stderr)?.[1]?.split("\n");
  };

  it("is content where every name has the certificate and an answer, be it that there is no such page", async () => {
    await serve("wire.test", { "webapp.wire.test": 200 });
    expect(await look(fingerprint)).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await look("")).toMatchObject({ code: 0 });
  });

  it("names the one behind which nobody is ready", async () => {
    await serve("wire.test", { "webapp.wire.test": 200, "teams.wire.test": 503 });
    expect(await complaints(fingerprint)).toEqual(["teams.wire.test: answers 503"]);
  });

  it("does not take another certificate for the operator's own", async () => {
    await serve("wire.test", {});
    const other = fingerprint.replace(/^../, (first) => (first === "00" ? "01" : "00"));
    expect(await complaints(other)).toEqual(
      names.map((name) => `${name}: shows another certificate, subject=CN = *.wire.test`),
    );
  });

  it("does not take the ingress controller's own certificate for Let's Encrypt's", async () => {
    await serve("fake.test", {});
    expect(await complaints("")).toEqual(
      names.map((name) => `${name}: its certificate is not for it, subject=CN = *.fake.test`),
    );
  });

  it("waits for what begins to listen, for as long as it may", async () => {
    expect(await complaints(fingerprint)).toEqual(
      names.map((name) => `${name}: no TLS on 127.0.0.1 port 443`),
    );
    const looking = look(fingerprint, 60);
    await serve("wire.test", {});
    expect(await looking).toMatchObject({ code: 0 });
  });
});

describe("ports.sh", () => {
  const script = "components/wire/calling/ports.sh";
  const key = "/proc/sys/net/ipv4/ip_local_port_range";
  const keeper = readFileSync("components/wire/calling/keep.py", "utf8");
  const parameters = { FIRST: "32768", LAST: "49151", KEPT: "", KEEPER: keeper };
  /** What would reach this machine itself: its systemd, and the folders that the script writes to. */
  const setting = () => [
    `mkdir -p ${folder}/units ${folder}/opt /opt && touch ${folder}/calls`,
    "mount -t tmpfs tmpfs /usr/local/sbin && mount -t tmpfs tmpfs /run",
    `printf '#!/bin/sh\\necho "$*" >>${folder}/calls\\n' >/usr/local/sbin/systemctl`,
    "chmod 755 /usr/local/sbin/systemctl",
    `mount --bind ${folder}/units /etc/systemd/system && mount --bind ${folder}/opt /opt`,
    `mount --bind ${folder} /etc/sysctl.d`,
  ];
  const run = (verb: "apply" | "remove", given = parameters) =>
    ended(onHost({ verb, network, setting: setting() }), scriptInput(script, given));
  const range = () => network.run("cat", key).trim().split("\t");
  const file = () => join(folder, "60-wiab-calling.conf");

  it("has the kernel give out the ports that the relay leaves, now and at boots, until it is taken away", async () => {
    network.run("sh", "-c", `echo 20000 60999 >${key}`);
    for (const _ of ["first", "second"]) {
      expect(await run("apply")).toMatchObject({ code: 0, stderr: "" });
      expect(range()).toEqual(["32768", "49151"]);
      expect(readFileSync(file(), "utf8")).toBe("net.ipv4.ip_local_port_range = 32768 49151");
    }
    // Somebody has changed it by hand.
    writeFileSync(file(), "");
    network.run("sh", "-c", `echo 20000 60999 >${key}`);
    expect(await run("apply")).toMatchObject({ code: 0 });
    expect(range()).toEqual(["32768", "49151"]);

    expect(await run("remove")).toMatchObject({ code: 0, stderr: "" });
    expect(range()).toEqual(["32768", "60999"]);
    expect(existsSync(file())).toBe(false);
  });

  it("has a service hold what stays with the host, until nothing does", async () => {
    const unit = join(folder, "units/wiab-calling-ports.service");
    const calls = () => readFileSync(join(folder, "calls"), "utf8");
    writeFileSync(join(folder, "calls"), "");
    expect(await run("apply", { ...parameters, KEPT: "40000 51820" })).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(unit, "utf8")).toContain(
      "ExecStart=/usr/bin/python3 /opt/wiab/calling/keep 40000 51820\n",
    );
    expect(readFileSync(join(folder, "opt/wiab/calling/keep"), "utf8")).toBe(keeper);
    expect(calls()).toMatch(/restart wiab-calling-ports\.service/);
    writeFileSync(join(folder, "calls"), "");
    expect(await run("apply", { ...parameters, KEPT: "40000 51820" })).toMatchObject({ code: 0, stderr: "" });
    expect(calls()).not.toContain("restart");
    expect(await run("apply")).toMatchObject({ code: 0, stderr: "" });
    expect(calls()).toContain("--quiet disable --now wiab-calling-ports.service");
    expect(existsSync(unit)).toBe(false);
  });

  it("holds them from kernel and relay, one that is taken as soon as it is free", async () => {
    network.run("sh", "-c", `echo 40000 40001 >${key}`);
    const bind = (port: number) =>
      `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    s.bind(("127.0.0.1", ${port}))
    print(s.getsockname()[1])
except OSError as error:
    print(error.errno)
`;
    const got = (port: number) => network.run("python3", "-c", bind(port)).trim();
    const start = (program: string, ...ports: string[]) =>
      spawn("ip", ["netns", "exec", network.name, "python3", "-c", program, ...ports], {
        stdio: ["pipe", "pipe", "inherit"],
      });
    const call = start(`${bind(51820)}import sys\nsys.stdout.flush()\nsys.stdin.read()`);
    await once(call.stdout, "data");
    const keeping = start(keeper, "40000", "51820");
    try {
      call.stdin.end();
      await once(call, "exit");
      const [said] = await once(createInterface({ input: keeping.stdout }), "line");
      expect(said).toBe("holds 40000 51820");
      expect(got(51820)).toBe("98");
      for (let turn = 0; turn < 10; turn++) expect(got(0)).toBe("40001");
      expect(got(51821)).toBe("51821");
    } finally {
      keeping.kill();
    }
  });

  it("fails where the kernel refuses the range", async () => {
    expect(await run("apply")).toMatchObject({ code: 0 });
    expect(await run("apply", { ...parameters, FIRST: "49151", LAST: "32768" })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("Invalid argument"),
    });
    expect(range()).toEqual(["32768", "49151"]);
  });
});
