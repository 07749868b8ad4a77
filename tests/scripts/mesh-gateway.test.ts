import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planMesh } from "../../components/config/mesh";
import { mesh as schema } from "../../components/config/mesh-schema";
import { directories, meshInterface } from "../../components/mesh/files";
import { gatewayParameters } from "../../components/mesh/mesh";
import { systemctlProgram } from "../fixtures/machine";
import { MeshAuthority } from "../fixtures/mesh-authority";
import { meshPrograms } from "../fixtures/mesh-programs";
import { type MeshPrograms, MeshSite } from "../fixtures/mesh-site";

// What makes a machine the gateway of a site, with the programs themselves; systemd is a stand-in that runs their units.

const services = ["wiab-mesh-device", "wiab-mesh", "wiab-mesh-forward", "wiab-mesh-dns"];
const script = "components/mesh/gateway.sh";
let programs: MeshPrograms;
let gateway: MeshSite;
let identity: Record<string, string>;

const plan = (changes: object = {}) =>
  planMesh(
    schema.parse({
      ...{ site: "a", gateway: "gateway" },
      identity: { certificateFile: "-", privateKeyFile: "-", authorityFile: "-" },
      services: [{ name: "web", port: 80, target: "127.0.0.1:8080" }],
      ...changes,
    }),
    "192.0.2.1",
  );
const parameters = (changes: object = {}) => ({ ...gatewayParameters(plan(changes), programs), ...identity });
const calls = async () => {
  const text = await gateway.run("cat /run/calls 2>/dev/null; rm -f /run/calls");
  return text.split("\n").filter((line) => /^(restart|disable|.* enable) /.test(line));
};

beforeAll(async () => {
  programs = await meshPrograms();
  gateway = await MeshSite.start("gateway", programs);
  await gateway.cover("/etc", "/var/lib", "/usr/local/sbin");
  // As a machine whose operator has switched IPv6 off.
  await gateway.run("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6");
  const commands = services.map((name) => [
    name,
    `$(sed -n s/^ExecStart=//p /etc/systemd/system/${name}.service)`,
  ]);
  const program = systemctlProgram(Object.fromEntries(commands))
    .replaceAll("/var/log/systemctl", "/run/calls")
    .replaceAll("/var/log/", "/run/")
    // systemd does not hand the script's lock on to what it starts.
    .replace("</dev/null", "</dev/null 9>&-");
  await gateway.run(
    `cat >/usr/local/sbin/systemctl <<'END'\n${program}\nEND\nchmod 755 /usr/local/sbin/systemctl`,
  );
  const authority = await MeshAuthority.make("mesh");
  const { certificate, privateKey } = await authority.issue(plan().site.zone, plan().site.prefix);
  identity = {
    CERTIFICATE: certificate,
    PRIVATE_KEY: privateKey,
    AUTHORITY: authority.certificate,
    REVOCATIONS: "",
  };
}, 600_000);
afterAll(() => gateway?.stop());

const key = (text: string) => /^public key: ([A-Za-z0-9+/]{43}=)$/m.exec(text)?.[1];

describe("gateway.sh", () => {
  let publicKey: string | undefined;

  it("switches IPv6 on, starts all there is, and says what runs and its public key", async () => {
    const { code, stdout, stderr } = await gateway.script(script, parameters());
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^wireguard: (kernel|userspace)$/m);
    publicKey = key(stdout);
    expect(publicKey).toBeDefined();
    const { site, nameServer, services: offered } = plan();
    const found = await gateway.run(
      `python3 - <<'END'\nimport socket\nq = b"\\x12\\x34\\x01\\x00\\x00\\x01" + bytes(6) + b"\\x03web" + b"".join(bytes([len(l)]) + l.encode() for l in "${site.zone}".split(".")) + b"\\x00\\x00\\x1c\\x00\\x01"\ns = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\ns.settimeout(10)\ns.sendto(q, ("${nameServer}", 53))\nprint(socket.inet_ntop(socket.AF_INET6, s.recv(500).split(b"\\x00\\x1c\\x00\\x01")[2][6:22]))\nEND`,
    );
    expect(found).toBe(offered[0]?.address);
    await calls();
  });

  it("changes nothing the second time, and restarts nothing for another peer", async () => {
    const again = await gateway.script(script, parameters());
    expect(again).toMatchObject({ code: 0, stderr: "" });
    expect(key(again.stdout)).toBe(publicKey);
    expect(await calls()).toEqual([]);
    const peers = [{ site: "b", endpoint: "192.0.2.2" }];
    expect(await gateway.script(script, parameters({ peers }))).toMatchObject({ code: 0, stderr: "" });
    expect(await calls()).toEqual([]);
  });

  it("starts everything anew where it has to, with the key that it has", async () => {
    const other = await gateway.script(script, parameters({ port: 29293 }));
    expect(other).toMatchObject({ code: 0, stderr: "" });
    expect(key(other.stdout)).toBe(publicKey);
    expect(await calls()).toEqual(services.map((name) => `restart ${name}.service`));
  });

  it("keeps what is secret for root alone", async () => {
    const modes = await gateway.run(
      `stat --format '%a %n' ${directories.settings} ${directories.state} ${directories.settings}/site.key ${directories.state}/wireguard.key`,
    );
    expect(modes.split("\n").map((line) => line.split(" ")[0])).toEqual(["700", "700", "600", "600"]);
  });

  it("leaves nothing when it is taken away", async () => {
    for (let round = 0; round < 2; round++)
      expect(await gateway.script(script, parameters(), "remove")).toMatchObject({ code: 0, stderr: "" });
    const left = await gateway.run(
      [
        `ls -d ${directories.settings} ${directories.state} /etc/systemd/system/wiab-mesh* /etc/sysctl.d/*mesh* 2>/dev/null || true`,
        `ip link show ${meshInterface} 2>/dev/null || true`,
        "ip -6 -o address show dev lo | grep -v ' ::1/128 ' || true",
        "nft list tables",
        "ip -6 route show | grep fd51 || true",
      ].join("\n"),
    );
    expect(left).toBe("");
    // Nor beside the folders that it was given.
    expect(existsSync(directories.settings) || existsSync("/etc/systemd/system/wiab-mesh.service")).toBe(
      false,
    );
    expect(readFileSync("/proc/net/if_inet6", "utf8")).not.toContain("fd51");
  });
});
