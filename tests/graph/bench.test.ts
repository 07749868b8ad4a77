import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { installToolchain } from "../../toolchain/install";
import { lengthOf } from "../bench/chain";
import { measure } from "../bench/measure";
import type { Row } from "../bench/report";
import { createScratchProject, type ScratchProject } from "../bench/scratch";
import { measureStack } from "../bench/session";

// Two branches behind "first": three seconds through a component, and nothing to speak of beside it.
const program = `
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
const sleep = (name: string, seconds: number, options?: pulumi.CustomResourceOptions, after: pulumi.Input<string>[] = []) =>
  new local.Command(name, { create: "sleep " + seconds + "; echo done", delete: "sleep " + seconds, triggers: after }, options);
const first = sleep("first", 1);
const group = new pulumi.ComponentResource("test:index:Group", "group", {}, { dependsOn: [first] });
const slow = sleep("slow", 3, { parent: group });
sleep("quick", 0, {}, [first.stdout]);
sleep("last", 0.5, { dependsOn: [group] });
`;

let project: ScratchProject;
let rows: Row[];

const rowOf = (operation: string): Row => {
  const row = rows.find((row) => row.operation === operation);
  if (!row) throw new Error(`${operation} was not measured`);
  return row;
};

/** Names of the commands on an operation's chain; how long a provider takes is a matter of the machine's load. */
const namesOf = (operation: string) =>
  rowOf(operation)
    .chain.filter(({ urn }) => urn.includes("command:local:Command"))
    .map(({ urn }) => urn.split("::").at(-1));

beforeAll(async () => {
  project = await createScratchProject((await installToolchain()).env, program);
  ({ rows } = await measureStack({ ...project, repetitions: 1, show: false }));
}, 300_000);

afterAll(() => {
  vi.unstubAllEnvs();
  project?.remove();
});

describe("the bench, on a stack of sleeping commands", () => {
  it("finds the chain of an up, through the component", () => {
    expect(namesOf("up from nothing")).toEqual(["first", "slow", "last"]);
  });

  it("finds the chain of a destroy, the other way round", () => {
    expect(namesOf("destroy")).toEqual(["last", "slow", "first"]);
  });

  it("measures what the commands slept at least, and no more than the run took", () => {
    for (const { chain, sumSeconds, wallSeconds } of [rowOf("up from nothing"), rowOf("destroy")]) {
      // The commands of the chain sleep for 4.5 s; whoever stamps the log is woken a little late.
      expect(lengthOf(chain)).toBeGreaterThan(4);
      expect(lengthOf(chain)).toBeLessThan(wallSeconds);
      // Sums of the same times in another order can differ in their last digits.
      expect(sumSeconds).toBeGreaterThan(lengthOf(chain) - 0.001);
    }
  });

  it("finds next to nothing to wait for where nothing has changed", () => {
    for (const operation of ["no-op up", "preview"]) {
      const { sumSeconds, wallSeconds, emptyPreviews } = rowOf(operation);
      expect(sumSeconds).toBeLessThan(wallSeconds / 2);
      expect(emptyPreviews).toBeCloseTo(wallSeconds / rowOf("preview of an empty program").wallSeconds);
    }
  });

  it("sees the memory of the engine and of what it starts", () => {
    // The CLI alone takes more than 50 MiB, Node with the SDK as much again.
    for (const { peakMiB } of rows) expect(peakMiB).toBeGreaterThan(100);
  });

  it("refuses a command that fails, and leaves no log behind", async () => {
    const { env, directory } = project;
    vi.stubEnv("TMPDIR", directory);
    const before = readdirSync(directory);
    await expect(
      measure({ env, directory, command: ["preview", "--stack", "no-such-stack"], show: false }),
    ).rejects.toThrow(/pulumi preview --stack no-such-stack ended with \d+: nothing was measured/);
    expect(readdirSync(directory)).toEqual(before);
  });
});
