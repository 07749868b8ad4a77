import { describe, expect, it } from "vitest";
import { planDeployment } from "../../components/config/plan";
import type { Configuration } from "../../components/config/schema";
import { planRuleset, renderRuleset } from "../../components/host/firewall/ruleset";
import { validate } from "../../components/validation/validate";
import { renderPorts } from "../../components/wickr/ports";
import { stagingValues, surroundings, type Values } from "../stacks";
import { problemsOf } from "./refused";

const machine = (changes: Values = {}): Values => ({
  ...{ name: "wickr", role: "wickr", address: "192.168.122.41", memoryGiB: 8, vcpus: 2, diskGB: 200 },
  ...changes,
});
const section = (): Values => ({
  hostname: "wickr.example.com",
  publicAddress: "203.0.113.11",
  adminRanges: ["198.51.100.0/24"],
  internalRanges: ["192.0.2.0/24"],
  disk: { serial: "wickr-data" },
});
type Change = (wickr: Values, machine: Values, config: Values) => void;

/** A stack with Wire and Wickr. */
const beside =
  (change: Change = () => {}) =>
  (config: Values) => {
    config.wickr = section();
    const own = machine();
    config.machines = [...config.machines, own];
    if (config.host.capacity) delete config.host.capacity;
    change(config.wickr, own, config);
  };
/** A stack with Wickr and nothing else. */
const alone = (change: Change = () => {}) =>
  beside((wickr, own, config) => {
    delete wickr.publicAddress;
    config.machines = [own];
    for (const key of ["artifact", "tls", "wire"]) delete config[key];
    change(wickr, own, config);
  });

const existing = { user: "root" };
function accepted(change: (config: Values) => void): Configuration {
  const values = stagingValues();
  change(values);
  return validate(values, surroundings).config;
}

describe("a stack with Wickr", () => {
  it.each([
    ["beside Wire", beside()],
    ["alone", alone()],
    ["alone, on a machine that is there", alone((_, m) => Object.assign(m, { existing, memoryGiB: 1 }))],
  ])("is accepted %s", (_, change) => {
    expect(problemsOf(change)).toEqual([]);
  });

  it.each<[RegExp, (config: Values) => void]>([
    [/^wickr: no machine has the role wickr/, beside((_, __, c) => c.machines.pop())],
    [/^machines\[7\].role: is wickr, and there is no section/, beside((_, __, c) => delete c.wickr)],
    [
      /^machines\[8\].role: is wickr, as that of machines\[7\]/,
      beside((_, __, c) => c.machines.push(machine({ name: "two", address: "192.168.122.42" }))),
    ],
    [/^machines\[7\].retiring: /, beside((_, m) => (m.retiring = true))],
    [/^wickr.publicAddress: must be another address/, beside((w) => delete w.publicAddress)],
    [/^wickr.publicAddress: is for a machine that the stack/, beside((_, m) => (m.existing = existing))],
    [/^wickr.hostname: 203.0.113.12 is not where clients/, beside((w) => (w.hostname = "203.0.113.12"))],
    [/^wickr.hostname: must be a name in lower case/, beside((w) => (w.hostname = "wickr.example.com:443"))],
    [/^wickr.adminRanges\[0\]: 0.0.0.0\/0 is everybody/, beside((w) => (w.adminRanges = ["0.0.0.0/0"]))],
    [
      /^wickr.internalRanges\[0\]: .* does not name a network/,
      beside((w) => (w.internalRanges = ["192.0.2.1/24"])),
    ],
    [/^wickr.adminRanges\[1\]: .* is there twice/, beside((w) => w.adminRanges.push(w.adminRanges[0]))],
    [/^wickr.disk.serial: must be a serial number/, beside((w) => (w.disk.serial = "/dev/sdb"))],
    [
      /^machines\[7\].memoryGiB: 4 is too little .*\(wickr.waive: memory\)$/,
      beside((_, m) => (m.memoryGiB = 4)),
    ],
    [/^machines\[7\].diskGB: 60 is too little .*rootSpace/, beside((_, m) => (m.diskGB = 60))],
    [/^wickr.disk.sizeGB: 100 is too little .*diskSpace/, beside((w) => (w.disk.sizeGB = 100))],
    [/^wickr.waive\[1\]: memory is there twice/, beside((w) => (w.waive = ["memory", "memory"]))],
    [/^artifact: is for machines of Wire's/, alone((_, __, c) => (c.artifact = stagingArtifact))],
  ])("is refused: %s", (message, change) => {
    expect(problemsOf(change)).toEqual([expect.stringMatching(message)]);
  });

  it("never lets all rules be waived", () => {
    const all = [
      "system",
      "processors",
      "memory",
      "rootSpace",
      "diskSpace",
      "accessControl",
      "dockerVersion",
    ];
    expect(problemsOf(beside((w) => (w.waive = all.slice(1))))).toEqual([]);
    expect(problemsOf(beside((w) => (w.waive = all)))).toEqual([
      expect.stringMatching(/^wickr.waive: names all rules/),
    ]);
    expect(problemsOf(beside((w) => (w.waive = ["everything"])))).toHaveLength(1);
  });

  it("keeps the guide's password and salt encrypted, and has none in what it says", () => {
    const guideKey = { password: "correct horse", salt: "battery staple battery staple!!" };
    const said = problemsOf(beside((w) => (w.disk.guideKey = guideKey)));
    expect(said).toEqual([
      expect.stringMatching(/^wickr.disk.guideKey.salt: has 31 bytes/),
      expect.stringMatching(/^wickr.disk.guideKey.password: is a password in plain text; store it encrypted/),
      expect.stringMatching(/^wickr.disk.guideKey.salt: is a password in plain text; store it encrypted/),
    ]);
    expect(said.join()).not.toMatch(/horse|staple/);
    const encrypted = [["wickr", "disk", "guideKey"]];
    const typed = problemsOf(
      beside((w) => (w.disk.guideKey = { password: "a\nb", salt: "salt" })),
      { encrypted },
    );
    expect(typed).toContainEqual(expect.stringMatching(/^wickr.disk.guideKey.password: has a line break/));
  });
});

/** Where any artifact would be; that there is one is what is refused. */
const stagingArtifact = {
  sources: [{ manifest: "tests/fixtures/bundle/manifest.json", location: "/bundle" }],
};

describe("what follows for the host", () => {
  const rulesOf = (change: (config: Values) => void) => {
    const config = accepted(change);
    return renderRuleset(planRuleset(config, planDeployment(config)));
  };

  it("is that Wickr's address goes to its machine, by the guide's table of ports", () => {
    const rules = rulesOf(beside());
    expect(rules).toContain("ip daddr 203.0.113.11 jump wickr");
    expect(rules).toContain("tcp dport { 443 } dnat ip to 192.168.122.41");
    expect(rules).toContain("ip saddr { 198.51.100.0/24 } tcp dport { 22, 8800 } dnat ip to 192.168.122.41");
    expect(rules).toContain("ip saddr { 192.0.2.0/24 } tcp dport 9870-9881 dnat ip to 192.168.122.41");
  });

  it("is that alone it has the host's own address, but for SSH", () => {
    const rules = rulesOf(alone());
    expect(rules).not.toContain("dport 80 ");
    expect(rules).toContain("ip saddr { 198.51.100.0/24 } tcp dport { 8800 } dnat ip to 192.168.122.41");
    expect(planDeployment(accepted(alone())).dnsRecords).toEqual([
      { name: "wickr.example.com", type: "A", value: accepted(alone()).firewall.publicAddress },
    ]);
  });

  it("is nothing for a machine that is there already", () => {
    const rules = rulesOf(
      beside((w, m) => {
        delete w.publicAddress;
        m.existing = existing;
      }),
    );
    expect(rules).not.toContain("wickr");
    expect(rules).toBe(rulesOf(() => {}));
  });

  it("is a second disk to reckon with", () => {
    const bytes = (change: (config: Values) => void) => planDeployment(accepted(change)).demand.diskBytes;
    expect(bytes(beside()) - bytes((c) => delete c.host.capacity)).toBe(320e9);
  });
});

describe("the machine's own rules", () => {
  const plan = { adminRanges: ["198.51.100.0/24"], internalRanges: [] };

  it("close what is in no range, and let its host log in and no more", () => {
    const rules = renderPorts({ plan, sshPort: 2222, host: "192.168.122.1" });
    expect(rules).toContain("policy drop;");
    expect(rules).toContain("ip saddr { 198.51.100.0/24, 192.168.122.1/32 } tcp dport 2222 accept");
    expect(rules).toContain("ip saddr { 198.51.100.0/24 } tcp dport { 8800 } accept");
    expect(rules).not.toContain("9870");
  });
});
