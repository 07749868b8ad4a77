import { beforeAll, describe, expect, it } from "vitest";
import { planMesh } from "../../components/config/mesh";
import { mesh as schema } from "../../components/config/mesh-schema";
import { planDeployment } from "../../components/config/plan";
import { planRuleset, renderRuleset } from "../../components/host/firewall/ruleset";
import { type Issued, MeshAuthority } from "../fixtures/mesh-authority";
import { wasimoffImages } from "../fixtures/wasimoff";
import { stagingConfiguration, type Values } from "../stacks";
import { problemsOf } from "./refused";

const nowhere = { publicAddress: "203.0.113.1", machines: [], ingress: [] };
let authority: MeshAuthority;
let own: Issued;
let files: Record<string, string>;
const values = (): Values => ({
  site: "a",
  gateway: "assethost",
  identity: { certificateFile: "site.pem", privateKeyFile: "site.key", authorityFile: "authority.pem" },
  peers: [{ site: "b", endpoint: "b.example.com" }],
  services: [{ name: "Web_Server", port: 443, target: "192.168.122.21:31773" }],
});

beforeAll(async () => {
  authority = await MeshAuthority.make("mesh");
  const { site } = planMesh(schema.parse(values()), nowhere);
  own = await authority.issue(site.zone, site.prefix);
  files = {
    "site.pem": own.certificate,
    "site.key": own.privateKey,
    "authority.pem": authority.certificate,
  };
});

/** What is said of a mesh after a change of it. */
function refusals(change: (mesh: Values, config: Values) => void, changed: Record<string, string> = {}) {
  return problemsOf(
    (config) => {
      delete config.artifact;
      config.mesh = values();
      change(config.mesh, config);
    },
    {
      readText: (path) => {
        const text = { ...files, ...changed }[path];
        if (text === undefined) throw new Error(`${path} cannot be read: ENOENT`);
        return text;
      },
    },
  );
}

describe("a mesh", () => {
  it("is accepted with what it needs", () => {
    expect(refusals(() => {})).toEqual([]);
  });

  it("is refused with the key that is wrong and why", () => {
    const cases: [RegExp, (mesh: Values, config: Values) => void][] = [
      [/^mesh.range: 2001:db8::\/32 must be a part of fc00::\/7/, (m) => (m.range = "2001:db8::/32")],
      [/^mesh.prefix: .* must be a \/64 within mesh.range/, (m) => (m.prefix = "fd52::/64")],
      [/^mesh.prefix: .* must be a \/64/, (m) => (m.prefix = "fd51:1::/48")],
      [/^mesh.prefix: must be an IPv6 network/, (m) => (m.prefix = "fd51::1/64")],
      [/^mesh.peers\[0\].prefix: /, (m) => (m.peers[0].prefix = "fe80::/64")],
      [/^mesh.gateway: .* is the name of no machine/, (m) => (m.gateway = "gateway9")],
      [/^mesh.port: 443 is the ingress'/, (m) => (m.port = 443)],
      [/^mesh.port: 40000 is one of calling's media ports/, (m) => (m.port = 40000)],
      [/^mesh.port: 29292 stays with the host/, (_, c) => (c.firewall.hostPorts = ["udp/29292"])],
      [/^mesh.mtu: /, (m) => (m.mtu = 1279)],
      [/^mesh.ipv4Network: must be an IPv4 network with the length/, (m) => (m.ipv4Network = "10.9.0.0")],
      [/^mesh.ipv4Network: .* does not name a network/, (m) => (m.ipv4Network = "10.9.0.1/16")],
      [/^mesh.ipv4Network: .* must have a prefix from \/8 to \/28/, (m) => (m.ipv4Network = "10.9.0.0/29")],
      [/^mesh.ipv4Network: .*multicast/, (m) => (m.ipv4Network = "224.0.0.0/16")],
      [
        /^mesh.ipv4Network: 198.18.0.0\/16 has addresses of 198.18.4.0\/22 \(kubernetes.podCidr\)/,
        (_, c) => (c.kubernetes = { podCidr: "198.18.4.0/22" }),
      ],
      [
        /^mesh.ipv4Network: .* has addresses of 192.168.122.0\/24 \(network.cidr\) in it/,
        (m) => (m.ipv4Network = "192.168.0.0/16"),
      ],
      [
        /^mesh.ipv4Network: .* has addresses of 198.18.0.9 \(mesh.peers\[0\].endpoint\) in it/,
        (m) => (m.peers[0].endpoint = "198.18.0.9"),
      ],
      [
        /^mesh.ipv4Network: .* has addresses of 198.18.0.9 \(mail.relay.host\) in it/,
        (_, c) => (c.mail = { relay: { host: "198.18.0.9" } }),
      ],
      [/^mesh.domain: .* has the public domain/, (m, c) => (m.domain = c.domain)],
      [/^mesh.peers\[0\].site: a is that of mesh already/, (m) => (m.peers[0].site = "a")],
      [/^mesh.peers\[0\].zone: .* lies in, or has in it/, (m) => (m.peers[0].zone = "x.a.pmd.internal")],
      [
        /^mesh.peers\[0\].endpoint: 192.168.122.7 is inside .*network.cidr/,
        (m) => (m.peers[0].endpoint = "192.168.122.7"),
      ],
      [
        /^mesh.peers\[0\].endpoint: 10.233.64.7 is inside .*podCidr/,
        (m) => (m.peers[0].endpoint = "10.233.64.7"),
      ],
      [
        /^mesh.peers\[1\].endpoint: b.example.com:29292 is that of mesh.peers\[0\] already/,
        (m) => m.peers.push({ site: "c", endpoint: "b.example.com" }),
      ],
      [
        /^mesh.peers\[1\].prefix: fd51:1:1:1::\/64 is that of mesh.peers\[0\] already/,
        (m) =>
          (m.peers = ["b", "c"].map((site) => ({
            site,
            endpoint: `${site}.example.com`,
            prefix: "fd51:1:1:1::/64",
          }))),
      ],
      [
        /^mesh.services\[1\].name: .* becomes web-server, which configuration "Web_Server" has already/,
        (m) => m.services.push({ ...m.services[0], name: "web.server" }),
      ],
      [/^mesh.services\[0\].name: .* has no Latin letter/, (m) => (m.services[0].name = "контейнер")],
      [
        /^mesh.services\[1\].port: 443\/tcp of that name is mesh.services\[0\]'s/,
        (m) => m.services.push(m.services[0]),
      ],
      [/^mesh.services\[0\].peers\[0\]: .* is no site of mesh.peers/, (m) => (m.services[0].peers = ["z"])],
      [/^mesh.access\[0\].name: .* has no Latin letter/, (m) => (m.access = [{ name: "контейнер" }])],
      [/^mesh.access\[0\].name: .* becomes ns, which is the site's/, (m) => (m.access = [{ name: "NS" }])],
      [
        /^mesh.access\[0\].name: .* is a service of mesh.services/,
        (m) => (m.access = [{ name: "web-server" }]),
      ],
      [
        /^mesh.access\[1\].name: .* is a machine, which mesh.machinePorts/,
        (m) => {
          m.machinePorts = [22];
          m.access = [{ name: "*" }, { name: "AssetHost" }];
        },
      ],
      [
        /^mesh.access\[0\].peers\[1\]: .* is no site of mesh.peers/,
        (m) => (m.access = [{ name: "*", peers: ["b", "z"] }]),
      ],
      [/^mesh.access\[0\].ports: /, (m) => (m.access = [{ name: "*", ports: [] }])],
      [/^mesh.access\[0\].port: is not a known key/, (m) => (m.access = [{ name: "*", port: 80 }])],
      [/^mesh.port: 3477 is followed by calling's/, (m) => (m.port = 3477)],
      [/^mesh.port: 29292 stays with the host/, (_, c) => (c.firewall.hostPorts = ["udp/29293"])],
      [
        /^mesh.machinePorts: the machine .* becomes assethost, which configuration "assethost" has/,
        (m) => {
          m.machinePorts = [22];
          m.services[0].name = "assethost";
        },
      ],
      [/^mesh.stacks\[0\]: must be the full name of a stack/, (m) => (m.stacks = ["b"])],
      [/^mesh.identity: must have one of .*, has none/, (m) => delete m.identity.privateKeyFile],
      [
        /^mesh.identity: must have one of .*, has zipFile and privateKeyFile/,
        (m) => (m.identity.zipFile = "site.zip"),
      ],
      [/^mesh.identity.revoked: is of no use without authorityKeyFile/, (m) => (m.identity.revoked = ["4a"])],
      [/^mesh.identity.revoked\[0\]: must be a serial number/, (m) => (m.identity.revoked = ["xyz"])],
      [
        /^mesh.services\[0\].protocol: is udp, which the ingress/,
        (m) => (m.services[0] = { ...m.services[0], protocol: "udp", target: "ingress" }),
      ],
      [/^mesh.services\[0\].target: /, (m) => (m.services[0].target = "192.168.122.21")],
    ];
    for (const [reason, change] of cases) {
      // Another zone or prefix takes another certificate.
      const others = refusals(change).filter((text) => !text.startsWith("mesh.identity.certificateFile"));
      expect(others, String(reason)).toEqual([expect.stringMatching(reason)]);
    }
  });

  it("may name sites of a stack that is not there yet", () => {
    expect(
      refusals((mesh) => {
        mesh.stacks = ["organization/wiab-staging/c"];
        mesh.services[0].peers = ["c"];
        mesh.access = [{ name: "box", peers: ["b", "c"] }];
      }),
    ).toEqual([]);
  });

  it("may have its gateway alone, with nothing beside it that takes other machines", () => {
    const alone = (change: (config: Values) => void = () => {}) =>
      refusals((_, config) => {
        config.machines = config.machines.filter(({ role }: Values) => role === "assethost");
        change(config);
      });
    expect(alone()).toEqual([]);
    expect(
      alone((config) => (config.wasimoff = { images: wasimoffImages, privateAuthority: true })),
    ).toContainEqual(
      expect.stringMatching(/^wasimoff: takes kubenodes and datanodes, and machines has the gateway/),
    );
    expect(
      alone((config) => (config.wire = { charts: { repository: "https://charts.example.com" } })),
    ).toContainEqual(
      expect.stringMatching(/^wire.charts: takes kubenodes and datanodes, and machines has the gateway/),
    );
    // Without a mesh one machine is no stack.
    expect(alone((config) => delete config.mesh)).not.toEqual([]);
  });

  it("takes two names of one label where it may add to the later", () => {
    expect(
      refusals((mesh) => {
        mesh.collisions = "suffix";
        mesh.services.push({ ...mesh.services[0], name: "web.server" });
      }),
    ).toEqual([]);
  });

  it("looks at the site's certificate before anything changes", async () => {
    const { site } = planMesh(schema.parse(values()), nowhere);
    const other = await authority.issue("b.pmd.internal", site.prefix);
    const expired = await authority.issue(site.zone, site.prefix, -60_000);
    const cases: [RegExp, Record<string, string>][] = [
      [/certificateFile: is for another key/, { "site.key": other.privateKey }],
      [
        /certificateFile: is for DNS:b.pmd.internal/,
        { "site.pem": other.certificate, "site.key": other.privateKey },
      ],
      [
        /certificateFile: has run out on/,
        { "site.pem": expired.certificate, "site.key": expired.privateKey },
      ],
      [/certificateFile: holds no certificate in PEM/, { "site.pem": "text" }],
      [/certificateFile: and privateKeyFile hold no certificate and key/, { "site.key": "text" }],
      [/authorityFile: holds no certificate/, { "authority.pem": "text" }],
      [
        /authorityFile: holds something that is not a certificate/,
        { "authority.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
      ],
      [
        /authorityFile: has run out on/,
        { "authority.pem": (await MeshAuthority.make("mesh", -60_000)).certificate },
      ],
      [/authorityFile: is no authority's/, { "authority.pem": authority.certificate + own.certificate }],
      [
        /certificateFile: is of none of the authorities/,
        { "authority.pem": (await MeshAuthority.make("another mesh")).certificate },
      ],
    ];
    for (const [reason, changed] of cases)
      expect(
        refusals(() => {}, changed),
        String(reason),
      ).toEqual([expect.stringMatching(reason)]);
    const lists: [RegExp, string][] = [
      [/holds no revocation list in PEM/, "text"],
      [/cannot be read/, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"],
      [/holds something else than/, own.privateKey],
    ];
    for (const [reason, list] of lists)
      expect(
        refusals((mesh) => (mesh.identity.revocationsFile = "list.pem"), { "list.pem": list }),
        String(reason),
      ).toEqual([expect.stringMatching(reason)]);
    expect(refusals((mesh) => (mesh.identity.revocationsFile = "none.pem"))).toEqual([
      "mesh.identity.revocationsFile: none.pem cannot be read: ENOENT",
    ]);
  });
});

describe("a gateway alone", () => {
  it("takes what goes to the gateway, and needs no names of Wire's", () => {
    const staging = stagingConfiguration();
    const config = {
      ...staging,
      machines: staging.machines.filter(({ role }) => role === "assethost"),
      mesh: schema.parse({ ...values(), endpoint: "a.example.com" }),
    };
    const plan = planDeployment(config);
    expect(plan.dnsRecords).toEqual([
      { name: "a.example.com", type: "A", value: config.firewall.publicAddress },
    ]);
    expect(plan.publicPorts.map(({ protocol, ports }) => `${protocol} ${ports}`)).toEqual([
      "tcp 29292",
      "udp 29292-29293",
    ]);
    const rules = renderRuleset(planRuleset(config, plan));
    expect(rules).toContain("th dport 29292 dnat ip to 192.168.122.10");
    expect(rules).not.toMatch(/tcp dport (80|443) dnat/);
  });
});

describe("the host's firewall", () => {
  const planned = (privateDeployment: boolean, mesh?: Values) => {
    const config = stagingConfiguration((c) => (c.firewall.privateDeployment = privateDeployment));
    const joined = mesh ? { ...config, mesh: schema.parse(mesh) } : config;
    const plan = planDeployment(joined);
    return { plan, rules: renderRuleset(planRuleset(joined, plan)) };
  };

  it("is the same as ever without a mesh", () => {
    const { plan, rules } = planned(true);
    expect(rules).not.toContain("29292");
    expect(plan.publicPorts.some(({ ports }) => ports === "29292")).toBe(false);
  });

  it("sends the port to the gateway, UDP and TCP, and says so", () => {
    const { plan, rules } = planned(false, values());
    const gateway = "192.168.122.10";
    expect(rules).toContain(`meta l4proto { tcp, udp } th dport 29292 dnat ip to ${gateway}`);
    expect(plan.publicPorts.filter(({ ports }) => ports === "29292")).toEqual([
      { protocol: "tcp", ports: "29292", target: gateway },
    ]);
    expect(plan.publicPorts).toContainEqual({ protocol: "udp", ports: "29292-29293", target: gateway });
    expect(rules).toContain(`udp dport 29293 dnat ip to ${gateway}`);
  });

  it("lets the gateway of a private deployment reach its peers, and nobody else anything", () => {
    const { rules } = planned(true, {
      ...values(),
      peers: [{ site: "b", endpoint: "b.example.com", port: 1194 }],
    });
    const allowed = /chain from-machines \{([^}]*)\}/.exec(rules)?.[1];
    expect(allowed).toMatch(/ip saddr 192\.168\.122\.10 udp sport 29292-29293 accept/);
    expect(allowed).toMatch(/ip saddr 192\.168\.122\.10 tcp dport 1194 accept/);
    expect(allowed?.trim().split("\n").at(-1)).toContain("reject");
    expect(rules).toMatch(/udp sport 29292-29293 snat ip to/);
  });
});
