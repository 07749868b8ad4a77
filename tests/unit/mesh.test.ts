import { describe, expect, it } from "vitest";
import { planMesh } from "../../components/config/mesh";
import { mesh } from "../../components/config/mesh-schema";
import { renderCorefile, renderKeySettings, renderSettings } from "../../components/mesh/files";

const identity = { certificateFile: "site.pem", privateKeyFile: "site.key", authorityFile: "authority.pem" };
const plan = (site: string, peers: string[], changes: object = {}) =>
  planMesh(
    mesh.parse({
      ...{ site, gateway: "assethost", identity },
      peers: peers.map((other) => ({ site: other, endpoint: `${other}.example.com` })),
      services: [
        { name: "Web_Server", port: 443, target: "192.168.122.21:31773" },
        { name: "Web_Server", port: 80, target: "192.168.122.21:31772", peers: ["b"] },
        { name: "time", protocol: "udp", port: 123, target: "192.168.122.1:123", peers: ["c"] },
      ],
      ...changes,
    }),
    {
      publicAddress: "203.0.113.1",
      machines: [{ name: "datanode1", address: "192.168.122.31" }],
      ingress: ["192.168.122.21", "192.168.122.22"],
    },
  );

describe("planMesh", () => {
  it("has each site see the others as they see themselves", () => {
    const a = plan("a", ["b"]);
    const b = plan("b", ["a"]);
    expect(a.peers).toEqual([{ ...b.site, endpoint: "b.example.com:29292" }]);
    expect(b.peers).toEqual([{ ...a.site, endpoint: "a.example.com:29292" }]);
    expect(a.site.endpoint).toBe("203.0.113.1:29292");
    expect(a.site.zone).toBe("a.pmd.internal");
  });

  it("takes assigned prefixes and zones as they are", () => {
    const { site, nameServer, gatewayAddress, peers } = plan("a", [], {
      prefix: "FD51:0:1:2::/64",
      peers: [
        {
          site: "iwm",
          zone: "iwm.example.org",
          prefix: "fd51:0:9:1::/64",
          endpoint: "192.0.2.7",
          port: 1194,
        },
      ],
    });
    expect(site.prefix).toBe("fd51:0:1:2::/64");
    expect([nameServer, gatewayAddress]).toEqual(["fd51:0:1:2::fe", "fd51:0:1:2::ff"]);
    expect(peers).toEqual([
      { zone: "iwm.example.org", prefix: "fd51:0:9:1::/64", endpoint: "192.0.2.7:1194" },
    ]);
  });

  it("offers a service to all peers, or to those that it names, at one address for each name", () => {
    const { services } = plan("a", ["b", "c"]);
    expect(services.map(({ label, peers }) => [label, peers])).toEqual([
      ["web-server", ["b.pmd.internal", "c.pmd.internal"]],
      ["web-server", ["b.pmd.internal"]],
      ["time", ["c.pmd.internal"]],
    ]);
    expect(new Set(services.map(({ address }) => address)).size).toBe(2);
  });
});

describe("who may use what joins by itself", () => {
  const accessOf = (access?: object[]) => plan("a", ["b", "c"], access && { access }).access;

  it("is nobody unless it is declared", () => expect(accessOf()).toEqual([]));

  it("is all peers or those that it names, by the label of the name", () => {
    expect(
      accessOf([
        { name: "_My.Box_", ports: [80] },
        { name: "*", peers: ["b"] },
      ]),
    ).toEqual([
      { label: "my-box", ports: [80], peers: ["b.pmd.internal", "c.pmd.internal"] },
      { label: "*", ports: [], peers: ["b.pmd.internal"] },
    ]);
  });

  it("is told to the gateway, and leaves its keys alone", () => {
    const access = [{ name: "box", ports: [80], peers: ["b"] }];
    expect(JSON.parse(renderSettings(plan("a", ["b"], { access }))).access).toEqual([
      { label: "box", ports: [80], peers: ["b.pmd.internal"] },
    ]);
    expect(renderKeySettings(plan("a", ["b"], { access }))).toBe(renderKeySettings(plan("a", ["b"])));
  });
});

describe("names of the site's own network", () => {
  it("are Wire's ingress on all nodes that serve, its plain port for port 80", () => {
    const { services } = plan("a", ["b"], {
      services: [
        { name: "wire", port: 443, target: "ingress" },
        { name: "wire", port: 80, target: "ingress" },
      ],
    });
    expect(services.map(({ targets }) => targets)).toEqual([
      ["192.168.122.21:31773", "192.168.122.22:31773"],
      ["192.168.122.21:31772", "192.168.122.22:31772"],
    ]);
  });

  it("are its machines where the configuration has ports of them", () => {
    const { services, names } = plan("a", ["b"], { services: [], machinePorts: [22] });
    expect(names).toMatchObject([{ claim: { source: "machine", name: "datanode1" }, label: "datanode1" }]);
    expect(services).toMatchObject([{ port: 22, targets: ["192.168.122.31:22"], peers: ["b.pmd.internal"] }]);
    expect(plan("a", ["b"], { services: [] }).services).toEqual([]);
  });
});

describe("who reaches names of other sites by IPv4", () => {
  it("is the site's machines and pods", () => {
    expect(plan("a", []).callers).toEqual(["192.168.122.31/32"]);
    const { ipv4Network, callers } = JSON.parse(
      renderSettings({ ...plan("a", [], { ipv4Network: "10.9.0.0/16" }), callers: ["10.233.64.0/18"] }),
    );
    expect([ipv4Network, callers]).toEqual(["10.9.0.0/16", ["10.233.64.0/18"]]);
  });

  it("leaves the gateway's keys alone", () => {
    const other = { ...plan("a", ["b"], { ipv4Network: "10.9.0.0/16" }), callers: [] };
    expect(renderKeySettings(other)).toBe(renderKeySettings(plan("a", ["b"])));
  });
});

describe("the files of a gateway", () => {
  it("hold no secret, and name the files that do", () => {
    const settings = JSON.parse(renderSettings(plan("a", ["b"])));
    expect(settings.keyFile).toBe("/var/lib/wiab/mesh/wireguard.key");
    expect(settings.peers).toHaveLength(1);
    expect(JSON.stringify(settings)).not.toMatch(/PRIVATE|site\.pem.*BEGIN/);
  });

  it("have each zone asked for where it is answered", () => {
    const b = plan("b", []);
    const corefile = renderCorefile(plan("a", ["b"]), "192.168.122.10");
    expect(corefile).toContain(
      `b.pmd.internal {\n  bind ${plan("a", []).nameServer}\n  errors\n  forward . ${b.nameServer}\n`,
    );
    // The site's own get the addresses by which they reach what they may use.
    expect(corefile).toContain(
      "b.pmd.internal {\n  bind 192.168.122.10\n  errors\n  hosts /var/lib/wiab/mesh/remote-hosts {",
    );
    expect(corefile).toContain(`forward . ${b.nameServer}\n`);
  });

  it("have the site's own programs asked at the gateway's IPv4 address alone for what is no site's", () => {
    const corefile = renderCorefile(plan("a", ["b"]), "192.168.122.10");
    // Unknown names of the domain end here: whoever is asked next may ask for them here.
    expect(corefile).toContain("pmd.internal {\n  bind 192.168.122.10\n  errors\n  template IN ANY . {");
    expect(corefile).toContain(
      ". {\n  bind 192.168.122.10\n  errors\n  forward . /etc/wiab/mesh/resolv.conf\n}",
    );
  });

  it("have keys made of what stays while peers come and go", () => {
    expect(renderKeySettings(plan("a", ["b"]))).toBe(renderKeySettings(plan("a", ["b", "c"])));
    expect(renderKeySettings(plan("a", []))).not.toBe(
      renderKeySettings(plan("a", [], { prefix: "fd51:1::/64" })),
    );
  });
});
