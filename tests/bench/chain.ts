/** A line of the engine's event log with the moment at which it was written. */
export interface StampedLine {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly line: string;
}

/** A resource in an exported state, as far as it says what waits for what. */
export interface StateResource {
  readonly urn: string;
  readonly parent?: string;
  /** URN and id of its provider, `<urn>::<id>`. */
  readonly provider?: string;
  readonly deletedWith?: string;
  readonly dependencies?: readonly string[];
  readonly propertyDependencies?: Readonly<Record<string, readonly string[] | null>>;
  /** Whether it is a former self that still has to be deleted after a replacement. */
  readonly delete?: boolean;
}

/** What one run of the engine spent on resources. */
export interface Timings {
  /** Seconds for each resource's URN; all steps of a replacement together. */
  readonly seconds: ReadonlyMap<string, number>;
  /** When the work on each began and ended, in milliseconds since 1970. */
  readonly spans: ReadonlyMap<string, { readonly from: number; readonly to: number }>;
  /** URNs of the resources whose step failed. */
  readonly failed: readonly string[];
  /** URNs of the resources whose step had not ended when the log did; they count until there. */
  readonly unfinished: readonly string[];
}

/** A resource on a chain. */
export interface Link {
  readonly urn: string;
  readonly seconds: number;
}

interface StepMetadata {
  readonly urn: string;
  readonly op: string;
  readonly new: { readonly custom?: boolean } | null;
  readonly old: { readonly custom?: boolean } | null;
}

interface EngineEvent {
  readonly resourcePreEvent?: { readonly metadata: StepMetadata };
  readonly resOutputsEvent?: { readonly metadata: StepMetadata };
  readonly resOpFailedEvent?: { readonly metadata: StepMetadata };
}

/**
 * Reads how long the engine worked on each resource out of its event log. A component takes no time of
 * its own: what passes between its two events is its children's.
 */
export function parseTimings(lines: readonly StampedLine[]): Timings {
  const seconds = new Map<string, number>();
  const started = new Map<string, { urn: string; at: number }>();
  const failed: string[] = [];
  const spans = new Map<string, { from: number; to: number }>();
  const add = (urn: string, from: number, to: number) => {
    seconds.set(urn, (seconds.get(urn) ?? 0) + (to - from) / 1000);
    spans.set(urn, { from: Math.min(from, spans.get(urn)?.from ?? from), to });
  };

  for (const { at, line } of lines) {
    const event: EngineEvent = JSON.parse(line);
    const metadata = (event.resourcePreEvent ?? event.resOutputsEvent ?? event.resOpFailedEvent)?.metadata;
    if (!metadata || !(metadata.new ?? metadata.old)?.custom) continue;
    // A replacement creates and deletes under one URN.
    const step = `${metadata.op} ${metadata.urn}`;
    if (event.resourcePreEvent) {
      started.set(step, { urn: metadata.urn, at });
      continue;
    }
    const start = started.get(step);
    // The engine may report outputs once more after a step has ended.
    if (start) add(metadata.urn, start.at, at);
    started.delete(step);
    if (event.resOpFailedEvent) failed.push(metadata.urn);
  }
  const end = lines.at(-1)?.at ?? 0;
  for (const { urn, at } of started.values()) add(urn, at, end);
  return { seconds, spans, failed, unfinished: [...started.values()].map(({ urn }) => urn) };
}

/** Seconds of all resources one after the other. */
export const sumOf = ({ seconds }: Timings): number =>
  [...seconds.values()].reduce((sum, value) => sum + value, 0);

/**
 * Finds the longest way through the dependencies of a state: no run can be quicker, however much it does
 * at a time. A resource waits for what it depends on, its parent, its provider and what it is deleted with.
 * @param resources in the order of the state, where everything comes after what it depends on.
 * @param timings what a run took; a resource without an entry took no time.
 * @returns the chain in the order of creation, which is the reverse of the order of deletion.
 * @throws Error if a resource depends on one that does not come before it.
 */
export function longestChain(resources: readonly StateResource[], { seconds }: Timings): Link[] {
  const best = new Map<string, { total: number; link: Link; before: string | undefined }>();
  for (const resource of resources.filter((resource) => !resource.delete)) {
    const { urn } = resource;
    let before: string | undefined;
    let total = 0;
    for (const dependency of dependenciesOf(resource)) {
      const found = best.get(dependency);
      if (!found) throw new Error(`${urn} depends on ${dependency}, which the state does not have before it`);
      if (before === undefined || found.total > total) {
        before = dependency;
        total = found.total;
      }
    }
    const link = { urn, seconds: seconds.get(urn) ?? 0 };
    best.set(urn, { total: total + link.seconds, link, before });
  }
  const chain: Link[] = [];
  let last: string | undefined;
  for (const [urn, { total }] of best)
    if (last === undefined || total > (best.get(last)?.total ?? 0)) last = urn;
  for (let urn = last; urn !== undefined; urn = best.get(urn)?.before) {
    const found = best.get(urn);
    if (found) chain.unshift(found.link);
  }
  return chain;
}

/** Seconds of a chain from end to end. */
export const lengthOf = (chain: readonly Link[]): number =>
  chain.reduce((sum, { seconds }) => sum + seconds, 0);

function dependenciesOf(resource: StateResource): Set<string> {
  const { dependencies = [], propertyDependencies = {}, parent, provider, deletedWith } = resource;
  const all = [
    ...dependencies,
    ...Object.values(propertyDependencies).flatMap((urns) => urns ?? []),
    parent,
    provider?.slice(0, provider.lastIndexOf("::")),
    deletedWith,
  ];
  return new Set(all.filter((urn): urn is string => Boolean(urn)));
}
