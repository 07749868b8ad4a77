import { createHash } from "node:crypto";

/** Who wants a name below a site's zone: a service of the configuration, a container, a service of Kubernetes, a machine. */
export interface Claim {
  /** What it comes from, `configuration` or `container` for example. */
  readonly source: string;
  /** What the source knows it by; unique within the source. */
  readonly id: string;
  /** The name that is mapped to a label. */
  readonly name: string;
  /** When it was first seen, in milliseconds since 1970: the earliest claim keeps the label. */
  readonly created: number;
}

/** What became of a claim: the label that it has below the zone, or why it has none. */
export type Settled =
  | { readonly claim: Claim; readonly label: string }
  | { readonly claim: Claim; readonly refused: string };

/** Labels that a site has itself: its name server is `ns`, its gateway `wg`. */
export const reservedLabels: readonly string[] = ["ns", "wg"];

/** DNS takes 63 octets in a label (RFC 1035). */
const longest = 63;

/**
 * The label of a name: each run of characters that are neither Latin letters nor digits becomes one hyphen, and hyphens at
 * both ends go. Case is kept, which DNS does not look at. Nothing is normalised first: `é` as one character becomes a
 * hyphen, as a letter with an accent behind it the letter and a hyphen. Empty where no letter or digit is left.
 */
export const labelOf = (name: string): string =>
  name.replaceAll(/[^A-Za-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");

/**
 * Settles who has which label. All claims are looked at anew each time, so that the label of one that has gone belongs to
 * the next again. Of claims for the same label the earliest keeps it (by source and ID where they are of the same
 * time); a later one is refused, or gets a suffix that follows from what it is and stays whatever else comes and goes.
 */
export function settle(claims: readonly Claim[], collisions: "refuse" | "suffix"): Settled[] {
  const order = (one: Claim) => [one.source, one.id].join("/");
  const sorted = [...claims].sort((a, b) => a.created - b.created || (order(a) < order(b) ? -1 : 1));
  // What comes by its label is served before what has to take another: a suffix never pushes anybody out.
  const holders = new Map<string, Claim>();
  for (const claim of sorted) {
    const label = labelOf(claim.name).toLowerCase();
    if (problemOf(label) === undefined && !holders.has(label)) holders.set(label, claim);
  }
  return sorted.map((claim) => {
    const label = labelOf(claim.name).toLowerCase();
    const problem = problemOf(label);
    if (problem !== undefined) return { claim, refused: problem };
    const holder = holders.get(label) as Claim;
    if (holder === claim) return { claim, label };
    if (collisions === "refuse")
      return {
        claim,
        refused: `becomes ${label}, which ${holder.source} ${JSON.stringify(holder.name)} has already`,
      };
    const other = withSuffix(label, claim);
    if (holders.has(other)) return { claim, refused: `becomes ${label}, and ${other} is taken as well` };
    holders.set(other, claim);
    return { claim, label: other };
  });
}

function problemOf(label: string): string | undefined {
  if (label === "") return "has no Latin letter and no digit that a label could be made of";
  if (label.length > longest) return `becomes a label of ${label.length} characters, DNS takes ${longest}`;
  return reservedLabels.includes(label) ? `becomes ${label}, which is the site's own` : undefined;
}

function withSuffix(label: string, { source, id }: Claim): string {
  const suffix = createHash("sha256").update(`${source}/${id}`).digest("hex").slice(0, 6);
  return `${label.slice(0, longest - 7).replace(/-$/, "")}-${suffix}`;
}
