import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stepScript } from "../../components/kubernetes/version/version";
import { loadScript, renderInput } from "../../components/machine/script";
import { ended, Machine } from "../fixtures/machine";

// Which Kubernetes a node may become, by what it knows of itself.

let machine: Machine;

beforeAll(async () => {
  machine = await Machine.start("kubenode1");
});
afterAll(() => machine?.stop());

const ask = async (version: string, files: Readonly<Record<string, string>>) => {
  await machine.run("rm -rf /etc/wiab/kubernetes");
  for (const [name, text] of Object.entries(files)) machine.write(`/etc/wiab/kubernetes/${name}`, text);
  const script = loadScript("components/kubernetes/version", "version.sh", stepScript);
  return ended(machine.spawn("-s", "--", "apply"), renderInput(script, { VERSION: version }));
};

describe("a node", () => {
  it.each([
    ["that is none yet", "v1.36.3", {}],
    ["that has the version", "v1.36.3", { member: "v1.36.3 0123\n" }],
    ["from before there were digests", "v1.36.3", { member: "v1.36.3" }],
    ["of an earlier patch", "v1.36.10", { member: "v1.36.9 0123\n" }],
    ["one minor version below", "v1.36.3", { member: "v1.35.4 0123\n" }],
    ["that is on its way", "v1.36.3", { member: "v1.35.4 0123\n", change: "v1.36.3" }],
    ["that is on its way to an earlier patch", "v1.36.5", { member: "v1.35.4 0123\n", change: "v1.36.3" }],
  ])("%s may become %s", async (_, version, files) => {
    expect(await ask(version, files)).toEqual({
      code: 0,
      stdout: `kubenode1 may run Kubernetes ${version}\n`,
      stderr: "",
    });
  });

  it.each([
    [
      "is later",
      "v1.36.3",
      { member: "v1.36.10 0123\n" },
      /come to v1\.36\.10 and cannot go back to v1\.36\.3/,
    ],
    [
      "is on its way to a later one",
      "v1.35.4",
      { member: "v1.35.4 0123\n", change: "v1.36.3" },
      /come to v1\.36\.3/,
    ],
    ["is too far away", "v1.36.3", { member: "v1.34.1 0123\n" }, /take an artifact with v1\.35 first/],
    [
      "is too far from where it came from",
      "v1.37.2",
      { member: "v1.35.4 0123\n", change: "v1.36.3" },
      /with v1\.36 first/,
    ],
  ])("that %s may not become %s", async (_, version, files, reason) => {
    expect(await ask(version, files)).toMatchObject({ code: 1, stderr: expect.stringMatching(reason) });
  });
});
