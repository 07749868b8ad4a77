import { type ChildProcess, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
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
  const parameters = { FIRST: "32768", LAST: "49151" };
  const run = (verb: "apply" | "remove", given = parameters) =>
    ended(
      onHost({ verb, network, setting: [`mount --bind ${folder} /etc/sysctl.d`] }),
      scriptInput(script, given),
    );
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

  it("fails where the kernel refuses the range", async () => {
    expect(await run("apply")).toMatchObject({ code: 0 });
    expect(await run("apply", { FIRST: "49151", LAST: "32768" })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("Invalid argument"),
    });
    expect(range()).toEqual(["32768", "49151"]);
  });
});
