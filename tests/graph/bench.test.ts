import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { run } from "../../lab/host/commands";
import { installToolchain } from "../../toolchain/install";
import { lengthOf, sumOf } from "../bench/chain";
import { type Measurement, measure } from "../bench/measure";
import { makeRow } from "../bench/report";
import { createScratchProject, type ScratchProject } from "../bench/scratch";

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
const measured: Record<string, Measurement> = {};
let resources: any[];

beforeAll(async () => {
  const { env } = await installToolchain();
  project = await createScratchProject(env, program);
  const { directory } = project;
  const inProject = (...command: string[]) =>
    measure({ env: project.env, directory, command: [...command, "--stack", project.stack], show: false });
  measured.up = await inProject("up", "--yes", "--skip-preview");
  const state = await run("pulumi", ["stack", "export", "--stack", project.stack], {
    env: project.env,
    cwd: directory,
  });
  resources = JSON.parse(state).deployment.resources;
  measured.preview = await inProject("preview", "--expect-no-changes");
  measured.destroy = await inProject("destroy", "--yes", "--skip-preview");
}, 300_000);

afterAll(() => {
  vi.unstubAllEnvs();
  project?.remove();
});

const chainOf = (operation: string) =>
  makeRow(operation, measured[operation] as Measurement, resources).chain;
const namesOf = (operation: string) =>
  chainOf(operation)
    .filter(({ seconds }) => seconds >= 0.4)
    .map(({ urn }) => urn.split("::").at(-1));

describe("the bench, on a stack of sleeping commands", () => {
  it("finds the chain of an up, through the component", () => {
    expect(namesOf("up")).toEqual(["first", "slow", "last"]);
  });

  it("finds the chain of a destroy, the other way round", () => {
    expect(namesOf("destroy")).toEqual(["last", "slow", "first"]);
  });

  it("measures what the commands slept at least, and no more than the run took", () => {
    for (const operation of ["up", "destroy"]) {
      const { wallSeconds, timings } = measured[operation] as Measurement;
      const length = lengthOf(chainOf(operation));
      // The clock that the log is stamped with ticks in milliseconds; its reader is woken a little late.
      expect(length).toBeGreaterThan(4.4);
      expect(length).toBeLessThan(wallSeconds);
      expect(sumOf(timings)).toBeGreaterThan(length);
      expect([timings.failed, timings.unfinished]).toEqual([[], []]);
    }
  });

  it("finds next to nothing to wait for in a preview without changes", () => {
    const { timings, wallSeconds } = measured.preview as Measurement;
    expect(timings.seconds.size).toBe(resources.filter(({ custom }) => custom).length);
    expect(sumOf(timings)).toBeLessThan(wallSeconds / 2);
  });

  it("sees the memory of the engine and of what it starts", async () => {
    // The CLI alone takes more than 50 MiB, Node with the SDK as much again.
    for (const { peakMiB } of Object.values(measured)) expect(peakMiB).toBeGreaterThan(100);
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
