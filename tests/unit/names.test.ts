import { describe, expect, it } from "vitest";
import type { Values } from "../stacks";
import { problemsOf } from "./refused";

/** A machine of the role under another name. */
const renamed = (name: string) => (c: Values) => (c.machines[4].name = name);

describe("a name that is taken", () => {
  it.each([
    "default",
    "all",
    "lo",
    "virbr0",
    "virbr7",
    "vnet0",
    "docker0",
    "eth0",
    "eno1",
    "enp3s0",
    "bond0",
    "cni0",
  ])("by kernel, libvirt or container engines is none for a network: %s", (name) => {
    expect(problemsOf((c) => (c.network.name = name))).toEqual([
      expect.stringMatching(`^network.name: this name is taken: `),
    ]);
  });

  it.each(["ip", "table", "queue", "map", "vlan", "tcp", "flush", "set"])(
    "by nft's language is none for a network: %s",
    (name) => {
      expect(problemsOf((c) => (c.network.name = name))[0]).toContain("a word of nft's language");
    },
  );

  it.each(["all", "default", "lo", "virbr1", "eth1", "wirebox"])("is none for an interface: %s", (name) => {
    expect(problemsOf((c) => (c.firewall.publicInterface = name))).toHaveLength(1);
  });

  it.each([
    "ready",
    "founder",
    "member",
    "member-a",
    "prepare-x",
    "programs-x",
    "a-kept",
    "localhost",
    "base-0123",
  ])("by the program's own resources is none for a machine: %s", (name) => {
    expect(problemsOf(renamed(name))).toEqual([
      expect.stringMatching(`^machines\\[4\\].name: this name is taken: `),
    ]);
  });

  it.each([
    "root",
    "postgres",
    "cassandra",
    "minio",
    "rabbitmq",
    "daemon",
    "sudo",
    "www-data",
    "systemd-network",
    "_apt",
  ])("by a user or group of the machines is none for ssh.user: %s", (user) => {
    expect(problemsOf((c) => (c.ssh = { user }))).toEqual([
      expect.stringMatching(`^ssh.user: this name is taken: `),
    ]);
  });

  it("is not what merely looks like one", () => {
    for (const name of ["wire", "wirebox2", "staging", "all-wire", "tables1", "ethereal", "wiab-lab"])
      expect(
        problemsOf((c) => (c.network.name = name)),
        name,
      ).toEqual([]);
    for (const name of ["node", "node1", "data-1", "already", "kept", "db-node"])
      expect(problemsOf(renamed(name)), name).toEqual([]);
    for (const user of ["demo", "ubuntu", "wire", "rooty"])
      expect(
        problemsOf((c) => (c.ssh = { user })),
        user,
      ).toEqual([]);
  });

  it("is too long once everything stands before it", () => {
    const label = "a".repeat(63);
    expect(problemsOf((c) => (c.domain = `${label}.${label}.${label}.${"b".repeat(50)}.example`))[0]).toMatch(
      /^domain: is too long: .* has \d+ characters, DNS takes 253/,
    );
  });
});

describe("a rule that is broken", () => {
  it.each([
    ["a digit first", (c: Values) => (c.machines[4].name = "1node"), "a letter first"],
    ["a hyphen last", (c: Values) => (c.machines[4].name = "node-"), "no hyphen last"],
    ["too long", (c: Values) => (c.machines[4].name = "n".repeat(64)), "at most 63"],
    ["a network too long", (c: Values) => (c.network.name = "n".repeat(16)), "at most 15"],
    ["a network with a digit first", (c: Values) => (c.network.name = "1n"), "a letter first"],
    ["an interface in upper case", (c: Values) => (c.firewall.publicInterface = "Pub"), "lower-case letters"],
    ["a user with a digit first", (c: Values) => (c.ssh = { user: "1demo" }), "no digit or hyphen first"],
    [
      "a domain with a trailing dot",
      (c: Values) => (c.domain = "wire.example.com."),
      "without a trailing dot",
    ],
    ["a domain of one label", (c: Values) => (c.domain = "localhost"), "two labels or more"],
    ["a login like an option", (c: Values) => (c.host.ssh.user = "-oX"), "a letter or underscore first"],
  ])("is said: %s", (_name, change, rule) => {
    expect(problemsOf(change)).toEqual([expect.stringContaining(rule)]);
  });
});

describe("the host's SSH port", () => {
  it.each([80, 443, 3478])("cannot be %i, which goes to the machines", (port) => {
    expect(problemsOf((c) => (c.host.ssh.port = port))).toEqual([
      expect.stringMatching(`^host.ssh.port: ${port} is forwarded to the machines \\(80, 443, 3478 are\\)`),
    ]);
  });

  it("may be TURN's where there is no calling", () => {
    expect(
      problemsOf((c) => {
        c.host.ssh.port = 3478;
        c.calling = { enabled: false };
      }),
    ).toEqual([]);
  });
});
