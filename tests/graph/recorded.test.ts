import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadScript, renderInput } from "../../components/machine/script";
import { projectDirectory } from "../../toolchain/environment";
import { PrivateLibvirt } from "../fixtures/libvirtd";
import { labValues, type Values } from "../stacks";
import { ScratchProject } from "./project";

/**
 * The host and the asset host of a small lab, as the program of commit fa93ea5 had recorded them in a run: what libvirt has
 * whole, of scripts all but their text.
 */
const recorded: readonly Values[] = JSON.parse(
  readFileSync(join(projectDirectory, "tests/fixtures/recorded/host.json"), "utf8"),
);

const values = labValues("small");
for (const section of ["artifact", "tls", "wire"]) delete values[section];
for (const machine of values.machines) if (machine.role !== "assethost") machine.existing = { user: "demo" };

const libvirt = new PrivateLibvirt();
const project = new ScratchProject("lab", values, libvirt.within);

beforeAll(async () => {
  await libvirt.ready();
  await project.init();
  const state = JSON.parse(await project.exportState());
  state.deployment.resources = recorded.map((resource) =>
    resource.urn.endsWith("::host-preflight-libvirt") ? withInput(resource) : resource,
  );
  await project.importState(state);
}, 300_000);
afterAll(async () => {
  await libvirt.stop();
  project.remove();
});

/** The script whose output the provider waits for must be the same, or the provider is not asked in a preview. */
function withInput(resource: Values): Values {
  const folder = join(projectDirectory, "components/host/preflight");
  const stdin = renderInput(loadScript(folder, "libvirt.sh"), {});
  return { ...resource, inputs: { ...resource.inputs, stdin }, outputs: { ...resource.outputs, stdin } };
}

/** What a preview would do, by resource; what stays the same is left out. */
async function previewed(): Promise<Record<string, string>> {
  const { code, stdout, stderr } = await project.pulumi("preview", "--json", "--stack", "lab");
  expect(code, stdout + stderr).toBe(0);
  const steps: { op: string; urn: string }[] = JSON.parse(stdout).steps;
  return Object.fromEntries(
    steps.flatMap(({ op, urn }) => (op === "same" ? [] : [[urn.slice(urn.lastIndexOf("::") + 2), op]])),
  );
}

it("a deployment of the last version is taken over: nothing of libvirt's changes, and nothing is replaced or deleted", {
  timeout: 600_000,
}, async () => {
  const operations = await previewed();
  expect(Object.values(operations).filter((op) => /replace|delete/.test(op))).toEqual([]);
  const ofLibvirt = recorded.filter(({ type }) => type.startsWith("libvirt:"));
  const names = ofLibvirt.map(({ urn }) => urn.split("::").at(-1));
  expect(names.sort()).toEqual(["assethost-disk", "assethost-domain", "host-network", "host-pool"]);
  expect(Object.keys(operations).filter((name) => names.includes(name))).toEqual([]);

  // The provider was asked: an edit that takes a new domain shows one, around the same disk.
  const edit = ["config", "set", "--path", "wiab-staging:machines[0].memoryGiB", "2", "--stack", "lab"];
  expect(await project.pulumi(...edit)).toMatchObject({ code: 0 });
  const edited = await previewed();
  expect(edited["assethost-domain"]).toMatch(/replace/);
  expect(edited["assethost-disk"]).toBeUndefined();
});
