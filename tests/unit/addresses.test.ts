import { describe, expect, it } from "vitest";
import type { Values } from "../stacks";
import { problemsOf } from "./refused";

/** Puts a machine of the operator's own in the place of the asset host. */
const existing = (address: string) => (c: Values) =>
  Object.assign(c.machines[0], { address, existing: { user: "admin", privateKeyFile: "~/.ssh/id" } });
const relay = (host: string) => (c: Values) => (c.mail = { relay: { host } });

const offHost = (address: string) => ({
  ...{ address, user: "keeper" },
  hostKey: `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}`,
});

/** All keys that have an address, with what puts one there. */
const addressed: Record<string, (address: string) => (c: Values) => void> = {
  "firewall.publicAddress": (address) => (c) => (c.firewall.publicAddress = address),
  "host.ssh.address": (address) => (c) => (c.host.ssh.address = address),
  "mail.relay.host": relay,
  "backup.offHost.address": (address) => (c) => (c.backup = { offHost: offHost(address) }),
  "kubernetes.api": (address) => (c) => (c.kubernetes = { api: `${address}:6443` }),
  "machines[0].address": existing,
};

/** All keys that have a network. */
const networks: Record<string, (cidr: string) => (c: Values) => void> = {
  "kubernetes.podCidr": (cidr) => (c) => (c.kubernetes = { podCidr: cidr }),
  "kubernetes.serviceCidr": (cidr) => (c) => (c.kubernetes = { serviceCidr: cidr }),
};

describe("an address", () => {
  it("of the host itself is no second place for backups", () => {
    expect(problemsOf((c) => (c.backup = { offHost: offHost(c.firewall.publicAddress) }))).toEqual([
      expect.stringMatching(/^backup\.offHost\.address: .* is the host itself/),
    ]);
    expect(problemsOf((c) => (c.backup = { offHost: offHost("198.51.100.77") }))).toEqual([]);
    const existing = (index: number) => (c: Values) => {
      Object.assign(c.machines[index], {
        address: "198.51.100.77",
        existing: { user: "admin", privateKeyFile: "/k" },
      });
      c.backup = { offHost: offHost("198.51.100.77") };
    };
    expect(problemsOf(existing(0)).filter((line) => line.startsWith("backup"))).toEqual([
      expect.stringMatching(
        /^backup\.offHost\.address: 198\.51\.100\.77 is the asset host itself \(machines\[0\]\)/,
      ),
    ]);
  });

  it.each(Object.keys(addressed))("%s is refused in every network of the cluster's", (key) => {
    for (const address of ["10.233.64.1", "10.233.127.255", "10.233.0.0", "10.233.63.255"])
      expect(problemsOf(addressed[key]?.(address) ?? (() => {})), address).toEqual([
        expect.stringMatching(new RegExp(`^${key.replace(/[[\].]/g, "\\$&")}: .*${address} is in`)),
      ]);
  });

  it.each(Object.keys(addressed))("%s is refused where no packet goes", (key) => {
    for (const address of [
      "0.0.0.0",
      "169.254.1.1",
      "224.0.0.1",
      "239.1.2.3",
      "240.0.0.1",
      "255.255.255.255",
    ])
      expect(problemsOf(addressed[key]?.(address) ?? (() => {})), address).toHaveLength(1);
  });

  it("may be the workstation's own loopback for a tunnel alone", () => {
    const accepted = (key: string) => problemsOf(addressed[key]?.("127.0.0.1") ?? (() => {})).length === 0;
    expect(Object.keys(addressed).filter(accepted)).toEqual(["host.ssh.address", "kubernetes.api"]);
  });

  it.each(["192.168.122.0", "192.168.122.1", "192.168.122.50", "192.168.122.150", "192.168.122.255"])(
    "of the machines' network is not the host's: %s",
    (address) => {
      expect(problemsOf((c) => (c.firewall.publicAddress = address))).toHaveLength(1);
      expect(problemsOf((c) => (c.host.ssh.address = address))).toHaveLength(1);
    },
  );

  it("of a mail relay may be the host's in the machines' network, and no other there", () => {
    expect(problemsOf(relay("192.168.122.1"))).toEqual([]);
    expect(problemsOf(relay("192.168.122.2"))).toHaveLength(1);
    expect(problemsOf(relay("mail.example.com"))).toEqual([]);
  });

  it("of a machine that exists already keeps to the rules of the network that it is in", () => {
    for (const address of [
      "192.168.122.1",
      "192.168.122.255",
      "192.168.122.100",
      "192.168.122.21",
      "203.0.113.10",
    ])
      expect(problemsOf(existing(address)).length, address).toBeGreaterThan(0);
    for (const address of ["192.168.122.9", "10.0.0.7", "198.51.100.9"])
      expect(problemsOf(existing(address)), address).toEqual([]);
  });

  it("that is not free is refused with one that is", () => {
    expect(problemsOf((c) => (c.machines[1].address = "192.168.122.10"))[0]).toContain(
      "free is 192.168.122.2",
    );
  });

  it.each([
    "user@mail.example.com",
    "mail.example.com:25",
    "[::1]",
    "fe80::1",
    "-oProxyCommand=x",
    "a b",
    "a..b",
  ])("of a server is a name or an IPv4 address: %s is refused", (host) => {
    expect(problemsOf(relay(host))).toHaveLength(1);
    expect(problemsOf((c) => (c.host.ssh.address = host))).toHaveLength(1);
  });
});

describe("a network", () => {
  it.each(Object.keys(networks))("%s is refused over every address and network that is there", (key) => {
    const over = (cidr: string, change: (c: Values) => void = () => {}) =>
      problemsOf((c) => {
        change(c);
        networks[key]?.(cidr)(c);
      });
    expect(over("203.0.112.0/20")).toEqual([expect.stringContaining("203.0.113.10")]);
    expect(over("198.51.96.0/20", relay("198.51.100.7"))).toEqual([expect.stringContaining("198.51.100.7")]);
    expect(over("10.9.0.0/16", existing("10.9.8.7"))).toEqual([expect.stringContaining("10.9.8.7")]);
    expect(over("192.168.0.0/16")[0]).toContain("192.168.122.0/24");
    expect(over("172.16.0.0/16")).toEqual([]);
  });

  it.each(["127.0.0.0/16", "224.0.0.0/16", "240.0.0.0/16", "169.254.0.0/16", "0.0.0.0/16"])(
    "where no packet goes is refused: %s",
    (cidr) => {
      for (const put of Object.values(networks)) expect(problemsOf(put(cidr))).toHaveLength(1);
      const found = problemsOf((c) => (c.network.cidr = cidr));
      expect(found[0]).toMatch(/^network\.cidr: .* has addresses of/);
    },
  );

  it("with host bits is refused with the one that is meant", () => {
    expect(problemsOf((c) => (c.kubernetes = { podCidr: "10.240.7.1/18" }))).toEqual([
      expect.stringContaining("as in 10.240.0.0/18"),
    ]);
  });

  it.each(["10.0.0.0/30", "10.0.0.0/31", "10.0.0.0/32"])("is refused where nothing fits: %s", (cidr) => {
    expect(problemsOf((c) => (c.network.cidr = cidr))[0]).toMatch(/is too small/);
  });

  it("gives no dynamic address that is the host's own", () => {
    expect(problemsOf((c) => (c.network.dhcpRange.start = "192.168.122.1"))[0]).toMatch(/host's own address/);
  });
});
