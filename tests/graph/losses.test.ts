import { afterAll, expect, it } from "vitest";
import { stagingValues, type Values } from "../stacks";
import { ScratchProject } from "./project";

// That a preview knows what the state has is the engine's doing, and no mock does it. What follows from that for each
// edit is in tests/unit/losses.test.ts.

const values = stagingValues();
values.machines[0].name = "assets";
values.machines[1].address = "192.168.122.99";
const project = new ScratchProject("staging", values);
afterAll(() => project.remove());

/** What of a staging's state has a bearing on it, as it was before the program recorded what becomes of disks. */
function resourcesOfStaging(): Values[] {
  const resource = (parent: Values | undefined, type: string, name: string, more: Values): Values => ({
    urn: `urn:pulumi:staging::wiab-staging::${parent?.custom === false && parent.parent ? `${parent.type}$` : ""}${type}::${name}`,
    ...{ type, custom: !type.startsWith("wiab:"), parent: parent?.urn, ...more },
  });
  const stack = resource(undefined, "pulumi:pulumi:Stack", "wiab-staging-staging", { custom: false });
  const host = resource(stack, "wiab:host:Host", "host", {});
  const uri = { uri: "qemu:///system" };
  const provider = resource(host, "pulumi:providers:libvirt", "host-libvirt", {
    ...{ id: "one", inputs: uri, outputs: uri },
  });
  const libvirt = (parent: Values, type: string, name: string, inputs: Values) =>
    resource(parent, `libvirt:index/${type}`, name, {
      ...{ id: name, provider: `${provider.urn}::${provider.id}`, inputs, outputs: inputs },
    });
  return [
    ...[stack, host, provider],
    libvirt(host, "pool:Pool", "host-pool", { name: "wirebox", target: { path: "/pool" } }),
    ...stagingValues().machines.flatMap(({ name, address }: Values) => {
      const machine = resource(stack, "wiab:host:VirtualMachine", name, { outputs: { address } });
      return [
        machine,
        libvirt(machine, "volume:Volume", `${name}-disk`, { name: `${name}.qcow2`, pool: "wirebox" }),
        resource(machine, "command:remote:Command", `${name}-login`, { id: name }),
      ];
    }),
  ];
}

it("a preview refuses edits by what the state has, all of them at once, and plans nothing", {
  timeout: 300_000,
}, async () => {
  await project.init();
  const state = JSON.parse(await project.exportState());
  state.deployment.resources = resourcesOfStaging();
  await project.importState(state);
  const { code, diagnostics, resources } = await project.preview();
  expect(code).not.toBe(0);
  expect(diagnostics).toContain("the configuration has 8 problems, nothing was changed:");
  expect(diagnostics).toContain("  - machines: assethost is missing, and the disk /pool/assethost.qcow2");
  expect(diagnostics).toContain(
    "  - host.poolPath: the disk /pool/datanode3.qcow2 of datanode3 would be deleted",
  );
  expect(diagnostics).toContain("  - machines[1].address: kubenode1 is at 192.168.122.21");
  expect(resources.map(({ type }) => type)).toEqual(["pulumi:pulumi:Stack"]);
});
