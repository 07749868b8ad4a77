import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadScript, packInput } from "../../components/machine/script";
import { projectDirectory } from "../../toolchain/environment";
import { PrivateLibvirt } from "../fixtures/libvirtd";
import { labValues, type Values } from "../stacks";
import { ScratchProject } from "./project";

/**
 * The host and the asset host of a small lab, as the program of commit fa93ea5 had recorded them in a run: what libvirt has
 * whole, of scripts all but their text.
 */
const recorded: readonly Values[] = JSON.parse(
  byTodaysPlugin(readFileSync(join(projectDirectory, "tests/fixtures/recorded/host.json"), "utf8")),
);

/** Another version of the plugin runs the script again, and its output is what libvirt's provider waits for in a preview. */
function byTodaysPlugin(state: string): string {
  const { version } = JSON.parse(
    readFileSync(join(projectDirectory, "node_modules/@pulumi/command/package.json"), "utf8"),
  );
  return state
    .replaceAll("default_0_9_2", `default_${version.replaceAll(".", "_")}`)
    .replaceAll("0.9.2", version);
}

const values = labValues("small");
for (const section of ["artifact", "tls", "wire"]) delete values[section];
for (const machine of values.machines) if (machine.role !== "assethost") machine.existing = { user: "demo" };

const libvirt = new PrivateLibvirt();
const project = new ScratchProject("lab", values, libvirt.within);

beforeAll(async () => {
  await libvirt.ready();
  await project.init();
  await take(recorded);
  const waitedFor = "::host-preflight-libvirt";
  const shown = (await steps()).find(({ urn }) => urn.endsWith(waitedFor))?.newState?.inputs;
  const script = loadScript(join(projectDirectory, "components/host/preflight"), "libvirt.sh");
  const inputs = { ...shown, stdin: asSecret(packInput(script, {})) };
  await take(
    recorded.map((resource) =>
      resource.urn.endsWith(waitedFor)
        ? { ...resource, inputs, outputs: { ...resource.outputs, ...inputs } }
        : resource,
    ),
  );
}, 300_000);
afterAll(async () => {
  await libvirt.stop();
  project.remove();
});

/** How a state has a secret before its import encrypts it. */
const asSecret = (text: string) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  plaintext: JSON.stringify(text),
});

/** Gives the stack a state. The script that libvirt's provider waits for must be as it is today, or a preview asks no provider. */
async function take(resources: readonly Values[]): Promise<void> {
  const state = JSON.parse(await project.exportState());
  state.deployment.resources = resources;
  await project.importState(state);
}

/** What a preview says of each resource. */
async function steps(): Promise<{ op: string; urn: string; newState?: { inputs?: Values } }[]> {
  const { code, stdout, stderr } = await project.pulumi("preview", "--json", "--stack", "lab");
  expect(code, stdout + stderr).toBe(0);
  return JSON.parse(stdout).steps;
}

/** What a preview would do, by resource; what stays the same is left out. */
async function previewed(): Promise<Record<string, string>> {
  return Object.fromEntries(
    (await steps()).flatMap(({ op, urn }) =>
      op === "same" ? [] : [[urn.slice(urn.lastIndexOf("::") + 2), op]],
    ),
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
