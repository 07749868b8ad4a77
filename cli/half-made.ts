/** A resource as far as it is read here from an exported state. */
export interface RecordedResource {
  readonly type: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
}

/** An operation that the engine noted before it began it, and whose end it never noted. */
export interface PendingOperation {
  readonly type: string;
  readonly resource: RecordedResource;
}

/** An object of libvirt's that an engine was making when it was killed. */
export interface HalfMade {
  readonly kind: "domain" | "network" | "pool";
  readonly name: string;
}

/** What {@link findHalfMade} has found on the host. */
export interface Findings {
  /** What may be taken away, in the order in which that has to be done. */
  readonly halfMade: readonly HalfMade[];
  /** What an operation names too but somebody uses, and why it stays: a line each. */
  readonly kept: readonly string[];
}

/** Runs virsh on the host and gives what it prints. */
export type Virsh = (...args: readonly string[]) => Promise<string>;

/**
 * What the next run could not make while something of the name is there. Volumes are not among them: the provider takes up
 * one that it finds, so that no disk has to be deleted, ever.
 */
const kinds: Readonly<Record<string, HalfMade["kind"]>> = {
  "libvirt:index/domain:Domain": "domain",
  "libvirt:index/network:Network": "network",
  "libvirt:index/pool:Pool": "pool",
};

/** Nothing goes before what uses it. */
const order: readonly HalfMade["kind"][] = ["domain", "network", "pool"];

/** Writes an object as people call it. */
export const nameOf = ({ kind, name }: HalfMade): string => `${kind} ${name}`;

/**
 * Finds what operations that never ended have left on the host. What they do not name is not looked at, whatever it is
 * called: the state may be older than the host, or another checkout's. What they name stays if it is in use: a network that
 * a domain is in, a pool that has volumes.
 */
export async function findHalfMade(
  virsh: Virsh,
  pending: readonly PendingOperation[],
  resources: readonly RecordedResource[],
): Promise<Findings> {
  const recorded = new Set(resources.flatMap(libvirtObject).map(nameOf));
  const named = pending
    .flatMap(({ type, resource }) => (type === "creating" ? libvirtObject(resource) : []))
    .filter((object) => !recorded.has(nameOf(object)))
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  const halfMade: HalfMade[] = [];
  const kept: string[] = [];
  for (const object of named) {
    if (!(await exists(virsh, object))) continue;
    const use = await useOf(virsh, object);
    if (use === undefined) halfMade.push(object);
    else kept.push(`${nameOf(object)} stays: ${use}`);
  }
  return { halfMade, kept };
}

/** Takes a half-made object off the host. The disks of a domain stay, and so do the files of a pool. */
export async function takeAway(virsh: Virsh, { kind, name }: HalfMade): Promise<void> {
  const prefix = { domain: "", network: "net-", pool: "pool-" }[kind];
  await virsh(`${prefix}destroy`, name).catch(() => "it is not active");
  await virsh(`${prefix}undefine`, name, ...(kind === "domain" ? ["--nvram", "--managed-save"] : []));
}

function libvirtObject({ type, inputs }: RecordedResource): HalfMade[] {
  const kind = kinds[type];
  return kind !== undefined && typeof inputs?.name === "string" ? [{ kind, name: inputs.name }] : [];
}

const exists = (virsh: Virsh, { kind, name }: HalfMade): Promise<boolean> =>
  virsh({ domain: "dominfo", network: "net-info", pool: "pool-info" }[kind], name).then(
    () => true,
    () => false,
  );

/** Why an object is more than half-made; undefined if nothing speaks for that. */
async function useOf(virsh: Virsh, { kind, name }: HalfMade): Promise<string | undefined> {
  if (kind === "network")
    for (const domain of linesOf(await virsh("list", "--all", "--name")))
      if ((await virsh("dumpxml", domain)).includes(`network='${name}'`)) return `domain ${domain} is in it`;
  if (kind === "pool") {
    const volumes = linesOf(await virsh("vol-list", name).catch(() => "")).slice(2).length;
    if (volumes > 0) return `it has ${volumes} volumes`;
  }
  return undefined;
}

const linesOf = (text: string): string[] => text.split("\n").filter((line) => line.trim() !== "");
