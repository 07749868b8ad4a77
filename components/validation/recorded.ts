import * as pulumi from "@pulumi/pulumi";
import { type Disposition, dispositions, type Role, roles } from "../config/schema";

/** A machine as the stack's last run has left it. */
export interface RecordedMachine {
  readonly name: string;
  /** Undefined for a machine that no run has come to the end of yet. */
  readonly address?: string;
  /** Undefined in states of versions that did not record it. */
  readonly role?: Role;
  /** Whether the program was let in once: what it has put on the machine is there. */
  readonly ready: boolean;
  /** Its disk; undefined for a machine that the stack did not make. */
  readonly disk?: {
    /** Path on the host. */
    readonly path: string;
    /** Name of its storage pool. */
    readonly pool: string;
    /** What was to become of it at that run. */
    readonly disposition: Disposition;
  };
}

/** Resources of a state by URN, as the engine's builtin provider gives them. */
type Resources = Readonly<Record<string, { type: string; outputs: Readonly<Record<string, unknown>> }>>;

/**
 * Reads what the state of the stack that runs has of its machines, before this run changes anything. The engine answers
 * it in previews as well, whatever the backend.
 */
export async function readRecorded(): Promise<RecordedMachine[]> {
  const stackName = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
  const answer: { outputs?: Resources } = await pulumi.runtime.invoke(
    "pulumi:pulumi:readStackResourceOutputs",
    { stackName },
  );
  return recordedMachines(answer.outputs ?? {});
}

/** Finds the machines in the resources of a state. */
export function recordedMachines(resources: Resources): RecordedMachine[] {
  const all = Object.entries(resources).map(([urn, { type, outputs }]) => ({
    name: urn.slice(urn.lastIndexOf("::") + 2),
    type,
    outputs: outputs ?? {},
  }));
  const named = (type: RegExp, name: string) =>
    all.find((resource) => type.test(resource.type) && resource.name === name);
  const withType = (type: RegExp) => all.filter((resource) => type.test(resource.type));
  const poolPaths = new Map(
    withType(/^libvirt:.*:Pool$/).map(({ outputs: { name, target } }) => [
      name,
      (target as { path?: string } | undefined)?.path,
    ]),
  );
  const component = /^wiab:.*:(VirtualMachine|ExistingMachine)$/;
  const volumes = /^libvirt:.*:Volume$/;
  const names = new Set([
    ...withType(component).map(({ name }) => name),
    ...withType(volumes).map(({ name }) => name.replace(/-disk$/, "")),
  ]);
  return [...names].map((name) => {
    const { address, role, disk } = named(component, name)?.outputs ?? {};
    const volume = named(volumes, `${name}-disk`)?.outputs;
    return {
      name,
      address: typeof address === "string" ? address : undefined,
      role: roles.find((known) => known === role),
      ready: named(/^command:/, `${name}-login`) !== undefined,
      disk: volume && {
        path: `${poolPaths.get(volume.pool) ?? volume.pool}/${volume.name}`,
        pool: String(volume.pool),
        disposition: dispositions.find((known) => known === disk) ?? "keep",
      },
    };
  });
}
