import * as pulumi from "@pulumi/pulumi";
import { parseAllDocuments } from "yaml";
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

/** Settings of the stack's last run, by key, that the state tells of what was made with them; what was not is not there. */
export type RecordedSettings = Readonly<
  Partial<
    Record<
      | "network.cidr"
      | "network.dhcpRange"
      | "kubernetes.podCidr"
      | "kubernetes.serviceCidr"
      | "kubernetes.encryptSecrets"
      | "ssh.user"
      | "artifact"
      | "wire.federationDomain",
      string
    >
  >
>;

/** Resources of a state by URN, as the engine's builtin provider gives them. */
type Resources = Readonly<Record<string, { type: string; outputs: Readonly<Record<string, unknown>> }>>;

/**
 * Reads what the state of the stack that runs has of its machines, before this run changes anything. The engine answers
 * it in previews as well, whatever the backend.
 */
export async function readRecorded(): Promise<{
  readonly machines: readonly RecordedMachine[];
  readonly settings: RecordedSettings;
}> {
  const stackName = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
  const answer: { outputs?: Resources } = await pulumi.runtime.invoke(
    "pulumi:pulumi:readStackResourceOutputs",
    { stackName },
  );
  const resources = answer.outputs ?? {};
  return { machines: recordedMachines(resources), settings: recordedSettings(resources) };
}

/** Finds the settings in the resources of a state. */
export function recordedSettings(resources: Resources): RecordedSettings {
  const all = Object.entries(resources);
  const outputsOf = (which: (urn: string, type: string) => boolean): Readonly<Record<string, unknown>> =>
    all.find(([urn, { type }]) => which(urn, type))?.[1].outputs ?? {};
  const network = outputsOf((_, type) => /^libvirt:.*:Network$/.test(type));
  const { environment } = outputsOf((urn) => /::kubernetes-member-[^:]*$/.test(urn));
  const login = outputsOf((urn) => /VirtualMachine\$command:.*-login$/.test(urn));
  const [cidr] = Array.isArray(network.addresses) ? network.addresses : [];
  const range = /<range start="([0-9.]+)" end="([0-9.]+)"/.exec(
    JSON.stringify(network.xml ?? "").replaceAll('\\"', '"'),
  );
  const stack = outputsOf((_, type) => type === "pulumi:pulumi:Stack");
  const kubeadm = (environment as { KUBEADM_CONFIG?: unknown } | undefined)?.KUBEADM_CONFIG;
  const cluster = networkingIn(kubeadm);
  const found = {
    "network.cidr": cidr,
    "network.dhcpRange": range ? `${range[1]} to ${range[2]}` : undefined,
    "kubernetes.podCidr": cluster?.podSubnet,
    "kubernetes.serviceCidr": cluster?.serviceSubnet,
    "kubernetes.encryptSecrets": `${kubeadm}`.includes("encryption-provider-config") ? "true" : undefined,
    // Machines that exist already have users of their own.
    artifact: all.some(([, { type }]) => /^wiab:(data-services|kubernetes):/.test(type))
      ? "given"
      : undefined,
    // Versions that had no key for it gave Wire the stack's domain.
    "wire.federationDomain":
      (stack.wire as { federationDomain?: unknown } | null | undefined)?.federationDomain ??
      (stack.wire ? stack.domain : undefined),
    "ssh.user": Object.keys(login).length > 0 ? stack.sshUser : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => typeof value === "string"));
}

/** The networks of a cluster, from what kubeadm was given. */
function networkingIn(text: unknown): { podSubnet?: unknown; serviceSubnet?: unknown } | undefined {
  if (typeof text !== "string") return undefined;
  return parseAllDocuments(text)
    .map((document) => document.toJS())
    .find(({ kind }) => kind === "ClusterConfiguration")?.networking;
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
