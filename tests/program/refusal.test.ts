import { describe, expect, it } from "vitest";
import { judge, mutated, valuesOf } from "../fuzz/stack-files";
import { labValues, stagingValues, type Values } from "../stacks";
import { type Registered, runProgram } from "./program";

/** One mistake of each kind, in a stack that has all parts. */
const mistakes: readonly [string, (c: Values) => void, RegExp][] = [
  [
    "crash",
    (c) => (c.host.ssh = { address: "kvm.example.com", port: 443 }),
    /host\.ssh\.port: 443 is forwarded/,
  ],
  ["numbers", (c) => (c.machines[0].vcpus = 1.5), /machines\[0\]\.vcpus: must be a whole number/],
  ["addresses", (c) => (c.kubernetes = { podCidr: "224.0.0.0/18" }), /kubernetes\.podCidr: .*multicast/],
  ["names", (c) => (c.network.name = "flush"), /network\.name: .*nft's language/],
  ["users", (c) => (c.ssh = { user: "postgres" }), /ssh\.user: .*a service on the machines has it/],
  [
    "keys",
    (c) => (c.ssh = { authorizedKeys: ["ssh-dss AAAAB3NzaC1kc3M="] }),
    /authorizedKeys\[0\]: is a DSA key/,
  ],
  [
    "certificates",
    (c) => (c.tls.certificateFile = "/etc/hostname"),
    /tls\.certificateFile: .*certificate in PEM/,
  ],
  ["late failures", (c) => (c.backup = { schedule: "0 3 * * *" }), /backup\.schedule: is a schedule of cron/],
  ["words", (c) => (c.netwrok = {}), /netwrok: is not a known key; did you mean network\?/],
  ["services that cannot", (c) => (c.wire.values = { "wire-sever": {} }), /did you mean wire-server\?/],
];

describe("a refusal", () => {
  it.each(mistakes)(
    "comes before the first resource, without a stack trace: %s",
    async (_kind, change, message) => {
      const values = labValues("small");
      change(values);
      const registered: Registered[] = [];
      const error = await runProgram("lab", values, [], registered).then(
        () => undefined,
        (reason: Error) => reason,
      );
      expect(error?.message).toMatch(message);
      expect(error?.message).toMatch(/^the configuration has .* nothing was changed:/);
      // The engine shows errors of this kind without their stack.
      expect(error).toHaveProperty("__pulumiRunError", true);
      expect(registered).toEqual([]);
    },
  );

  // What the loader takes and refuses is npm run fuzz's to say, of 10,000 files; here the whole program has some of them.
  it("of a mutated file comes before the first resource, and one that is taken is registered to its end", async () => {
    const [taken, refused]: [string[], string[]] = [[], []];
    for (const text of mutated(400, 20261130)) {
      (judge(text).refusal === undefined ? taken : refused).push(text);
      if (taken.length === 3) break;
    }
    expect(taken).toHaveLength(3);
    const counts: number[] = [];
    for (const text of [...taken, ...refused.slice(0, 6)]) {
      const registered: Registered[] = [];
      const error = await runProgram("fuzz", valuesOf(text), [], registered).then(
        () => undefined,
        (reason: Error) => reason,
      );
      // Without its text the program does not see what is wrong with that.
      if (error) expect(error, text).toHaveProperty("__pulumiRunError", true);
      if (error) expect(registered, text).toEqual([]);
      else counts.push(registered.length);
    }
    expect(counts.length).toBeGreaterThanOrEqual(3);
    expect(Math.min(...counts)).toBeGreaterThan(40);
    // Ten runs of the whole program.
  }, 600_000);

  it("is what registers nothing: the same stack without a mistake registers everything", async () => {
    const registered: Registered[] = [];
    await runProgram("staging", stagingValues(), [], registered);
    expect(registered.length).toBeGreaterThan(80);
  });
});
