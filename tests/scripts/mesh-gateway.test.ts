import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planMesh } from "../../components/config/mesh";
import { mesh as schema } from "../../components/config/mesh-schema";
import { directories, meshInterfaces, renderKeySettings } from "../../components/mesh/files";
import { issueCertificate } from "../../components/mesh/issue";
import { gatewayParameters } from "../../components/mesh/mesh";
import { Box } from "../acceptance/mesh/box";
import type { MeshPrograms } from "../acceptance/mesh/site";
import { until } from "../fixtures/machine";
import { MeshAuthority } from "../fixtures/mesh-authority";
import { meshPrograms } from "../fixtures/mesh-programs";

// What makes a machine the gateway of a site, with the programs themselves; systemd is a stand-in that runs their units.

const services = ["wiab-mesh-device", "wiab-mesh", "wiab-mesh-names", "wiab-mesh-forward", "wiab-mesh-dns"];
const gatewayScript = "components/mesh/gateway.sh";
let programs: MeshPrograms;
let gateway: Box;
let identity: Record<string, string>;

const plan = (changes: object = {}) =>
  planMesh(
    schema.parse({
      ...{ site: "a", gateway: "gateway", identity: {} },
      services: [{ name: "web", port: 80, target: "127.0.0.1:8080" }],
      ...changes,
    }),
    { publicAddress: "192.0.2.1", machines: [], ingress: [] },
  );
const parameters = (changes: object = {}) => ({
  ...gatewayParameters(plan(changes), programs, "127.0.0.2"),
  ...identity,
});
/** The processes of the services: another one where it was started anew. */
const processes = () =>
  gateway.run(`cd /run/units && cat ${services.map((name) => `${name}.service.pid`).join(" ")}`);
const ask = (server: string, family: string) =>
  gateway.run(
    `python3 - <<'END'\nimport socket\nq = b"\\x12\\x34\\x01\\x00\\x00\\x01" + bytes(6) + b"\\x03web" + b"".join(bytes([len(l)]) + l.encode() for l in "${plan().site.zone}".split(".")) + b"\\x00\\x00\\x1c\\x00\\x01"\ns = socket.socket(socket.${family}, socket.SOCK_DGRAM)\nfor attempt in range(30):\n    s.settimeout(1)\n    s.sendto(q, ("${server}", 53))\n    try:\n        print(socket.inet_ntop(socket.AF_INET6, s.recv(500).split(b"\\x00\\x1c\\x00\\x01")[2][6:22]))\n        break\n    except (OSError, IndexError):\n        pass\nEND`,
  );

beforeAll(async () => {
  programs = await meshPrograms();
  gateway = await Box.start("gateway");
  // As a machine whose operator has switched IPv6 off.
  gateway.network.set("net/ipv6/conf/all/disable_ipv6", 1);
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

const keys = async () =>
  JSON.parse(await gateway.run(`${programs.mesh} keys ${directories.settings}/mesh.json`)).publicKeys;

const ipv6IsOff = () => gateway.run("cat /proc/sys/net/ipv6/conf/{all,default,lo}/disable_ipv6");

describe("gateway.sh", () => {
  let publicKeys: string[];

  it("refuses a prefix that another network of the machine has, before anything changes", async () => {
    await gateway.run(
      `ip link add dev other type bridge && echo 0 >/proc/sys/net/ipv6/conf/other/disable_ipv6 && ip address add ${plan().nameServer}/64 dev other`,
    );
    const { code, stderr } = await gateway.script(gatewayScript, parameters());
    expect(code).not.toBe(0);
    expect(stderr).toContain(`another network with addresses of ${plan().site.prefix}: other has`);
    await gateway.run("ip address replace 198.18.7.7/24 dev other && ip -6 address flush dev other");
    const again = await gateway.script(gatewayScript, parameters());
    expect(again.code).not.toBe(0);
    expect(again.stderr).toContain(
      "addresses of 198.18.0.0/16: other has 198.18.7.7/24; choose another mesh.ipv4Network",
    );
    expect(await gateway.run(`ls -d ${directories.settings} ${directories.state} || true`)).toBe("");
    await gateway.run("ip link delete dev other");
  });

  it("switches IPv6 on, starts all there is, and says what runs", async () => {
    expect(await ipv6IsOff()).toBe("1\n1\n1");
    const { code, stdout, stderr } = await gateway.script(gatewayScript, parameters());
    expect(await ipv6IsOff()).toBe("0\n0\n0");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^wireguard: (kernel|userspace)$/m);
    publicKeys = await keys();
    expect(publicKeys).toHaveLength(2);
    // Other sites ask by IPv6, the site's own machines by IPv4.
    const { nameServer, services: offered } = plan();
    expect(await ask(nameServer, "AF_INET6")).toBe(offered[0]?.address);
    expect(await ask("127.0.0.2", "AF_INET")).toBe(offered[0]?.address);
  });

  it("has the addresses of other sites' names, and those of another network instead after a change", async () => {
    const own = () => gateway.run("ip -4 route show table local proto 92");
    const changed = "10.9.0.0/16";
    for (const [changes, wanted] of [
      [{}, "198.18.0.0/16"],
      [{ ipv4Network: changed }, changed],
      [{}, "198.18.0.0/16"],
    ] as const) {
      expect(await gateway.script(gatewayScript, parameters(changes))).toMatchObject({ code: 0 });
      await until(
        `${wanted} is its own`,
        async () => (await own()).trim() === `local ${wanted} dev lo scope host`,
      );
    }
  });

  it("changes nothing the second time, and restarts nothing for another peer", async () => {
    const before = await processes();
    for (const changes of [{}, { peers: [{ site: "b", endpoint: "192.0.2.2" }] }]) {
      expect(await gateway.script(gatewayScript, parameters(changes))).toMatchObject({ code: 0, stderr: "" });
      expect(await processes()).toBe(before);
    }
    expect(await keys()).toEqual(publicKeys);
  });

  it("starts everything anew where it has to, with the keys that it has", async () => {
    const before = (await processes()).match(/\d+/g);
    const other = await gateway.script(gatewayScript, parameters({ port: 29300 }));
    expect(other).toMatchObject({ code: 0, stderr: "" });
    expect((await processes()).match(/\d+/g)?.filter((pid) => before?.includes(pid))).toEqual([]);
    expect(await keys()).toEqual(publicKeys);
  });

  it("keeps what is secret for root alone", async () => {
    const files = [`${directories.settings}/site.key`, `${directories.state}/wireguard.key`];
    const modes = await gateway.run(
      `stat --format '%a' ${directories.settings} ${directories.state} ${files.join(" ")} ${directories.state}/wireguard.key2`,
    );
    expect(modes.split("\n")).toEqual(["700", "700", "600", "600", "600"]);
  });

  it("leaves nothing when it is taken away", async () => {
    for (let round = 0; round < 2; round++)
      expect(await gateway.script(gatewayScript, parameters(), "remove")).toMatchObject({
        code: 0,
        stderr: "",
      });
    const left = await gateway.run(
      [
        `ls -d ${directories.settings} ${directories.state} /etc/systemd/system/wiab-mesh* /etc/sysctl.d/*mesh* 2>/dev/null || true`,
        ...meshInterfaces.map((name) => `ip link show ${name} 2>/dev/null || true`),
        "ip -6 -o address show dev lo | grep -v ' ::1/128 ' || true",
        "nft list tables",
        "ip -6 route show | grep fd51 || true",
        "ip -4 route show table all proto 92",
      ].join("\n"),
    );
    expect(left).toBe("");
    expect(await ipv6IsOff()).toBe("1\n1\n1");
    // Nor beside the folders that it was given.
    expect(existsSync(directories.settings) || existsSync("/etc/systemd/system/wiab-mesh.service")).toBe(
      false,
    );
    expect(readFileSync("/proc/net/if_inet6", "utf8")).not.toContain("fd51");
  });
});

describe("keys.sh", () => {
  const script = "components/mesh/keys.sh";

  it("makes keys that outlive a replacement of the gateway, and takes them away after it", async () => {
    const own = {
      MESH: programs.mesh,
      SETTINGS: renderKeySettings(plan()),
      DIRECTORY: directories.settings,
      STATE: directories.state,
    };
    const made = await gateway.script(script, own);
    const { request, publicKeys } = JSON.parse(made.stdout);
    const authority = await MeshAuthority.make("mesh");
    const signs = { certificate: authority.certificate, privateKey: await authority.privateKey() };
    const given = {
      ...parameters(),
      CERTIFICATE: await issueCertificate(request, plan().site, signs, new Date()),
      PRIVATE_KEY: "",
      AUTHORITY: authority.certificate,
    };
    for (const verb of ["apply", "remove", "apply"] as const)
      expect(await gateway.script(gatewayScript, given, verb)).toMatchObject({ code: 0, stderr: "" });
    expect(await keys()).toEqual(publicKeys);
    // Taken away on its own it leaves a gateway that runs.
    expect(await gateway.script(script, own, "remove")).toMatchObject({ code: 0, stderr: "" });
    expect(await keys()).toEqual(publicKeys);
    expect(await gateway.script(gatewayScript, given, "remove")).toMatchObject({ code: 0, stderr: "" });
    expect(await gateway.script(script, own, "remove")).toMatchObject({ code: 0, stderr: "" });
    expect(await gateway.run(`ls -d ${directories.settings} ${directories.state} || true`)).toBe("");
  });
});

describe("resolve.sh", () => {
  const script = "components/mesh/resolve.sh";
  const asks = { DOMAIN: "pmd.internal", GATEWAY: "192.168.122.10", NETWORK: "198.18.0.0/16" };
  /** The network of the site, with nobody else in it. */
  const network = () =>
    gateway.run(
      "ip link delete dev site 2>/dev/null; ip link add dev site type bridge && ip address add 192.168.122.7/24 dev site && ip link set site up",
    );
  const routes = async () =>
    (await gateway.run("ip -4 route show proto 92")).replace(/ *\n?( linkdown)? *$/, "");

  it("has a machine ask the gateway first, once, and gives back what was there", async () => {
    await network();
    const before = await gateway.run("cat /etc/resolv.conf");
    for (let round = 0; round < 2; round++) {
      expect(await gateway.script(script, asks)).toMatchObject({ code: 0, stderr: "" });
      expect(await gateway.run("cat /etc/resolv.conf")).toBe(
        `nameserver 192.168.122.10 # the gateway of the mesh\n${before}`,
      );
      expect(await routes()).toBe("198.18.0.0/16 via 192.168.122.10 dev site");
      // Whatever has taken it away, the next run has it there again.
      await gateway.run("ip -4 route flush proto 92");
    }
    expect(await gateway.script(script, asks, "remove")).toMatchObject({ code: 0, stderr: "" });
    expect(await gateway.run("cat /etc/resolv.conf")).toBe(before);
    expect(await routes()).toBe("");
    expect(await gateway.run("ls /etc/systemd/system | grep mesh || true")).toBe("");
  });

  it("has no route on the gateway itself, nor to one behind a router, which is said", async () => {
    await network();
    expect(await gateway.script(script, asks)).toMatchObject({ code: 0 });
    await gateway.run("ip address add 192.168.122.10/32 dev site");
    expect(await gateway.script(script, asks)).toMatchObject({ code: 0, stderr: "" });
    expect(await routes()).toBe("");
    await gateway.run("ip address delete 192.168.122.10/32 dev site");
    await gateway.run("ip route add 10.77.0.0/16 via 192.168.122.1");
    const beyond = await gateway.script(script, { ...asks, GATEWAY: "10.77.0.1" });
    expect(beyond).toMatchObject({ code: 0, stderr: "" });
    expect(beyond.stdout).toContain("is behind a router");
    expect(await routes()).toBe("");
    expect(await gateway.script(script, asks, "remove")).toMatchObject({ code: 0 });
  });

  it("refuses a network that the machine is in already", async () => {
    await network();
    await gateway.run("ip address add 198.18.9.1/24 dev site");
    const refused = await gateway.script(script, asks);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("site has 198.18.9.1/24; choose another mesh.ipv4Network");
  });
});
