import type { Configuration } from "../config/schema";
import { covers, leavesOf, type Path } from "./encrypted";
import type { Problem } from "./problem";
import type { Surroundings } from "./surroundings";

/** Values that are secrets, whatever they look like. */
const passwords: readonly Path[] = [
  ["mail", "relay", "password"],
  ["artifact", "registry", "push", "password"],
  ["artifact", "registry", "pull", "password"],
  // What opens Wickr's disk.
  ["wickr", "disk", "guideKey", "password"],
  ["wickr", "disk", "guideKey", "salt"],
];

/** Where values may be stored encrypted: what is made of them stays a secret. */
const keepable: readonly Path[] = [...passwords, ["wire", "values"]];

/** Keys of charts that hold secrets, whatever the chart: at the end, since a `secretName` or `tokenTimeout` is none. */
const secretKey =
  /(passw(or)?d|passphrase|secret|token|credentials?|(private|secret|access|api)[-_]?key|basic[-_]?auth)s?$/i;

/** What stands beside secrets in a chart's section `secrets` and is none itself. */
const publicKey = /(public\w*|cert(ificate)?|ca|id|user(name)?|enabled)$/i;

/** Forms of values that are secrets wherever they stand. */
const secretForms: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, "a private key"],
  [/^[a-z][a-z0-9+.-]*:\/\/[^/\s:@]+:[^/\s@]+@/i, "a URL with a password"],
  [/\b(gh[opsu]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{16,}/, "an access token"],
  [/\bAKIA[0-9A-Z]{16}\b/, "an access key"],
  [/\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\./, "an access token"],
  [/[?&; ](password|passwd|secret|token|sig(nature)?|x-amz-signature)=[^&\s]/i, "a password or token"],
];

/**
 * Secrets are stored encrypted, and what is stored encrypted can be kept secret.
 * @param config - As much of it as could be read.
 */
export function secretRules(config: Partial<Configuration>, { encrypted }: Surroundings): Problem[] {
  const plain = leavesOf(config).filter(({ path }) => !covers(encrypted, path));
  const lost = encrypted.filter((place) =>
    place.length > 1 ? !covers(keepable, place) : !keepable.some(([section]) => section === place[0]),
  );
  return [
    ...plain.flatMap(({ path, value }) => {
      const kind = kindOfSecret(path, value, config);
      return kind === undefined ? [] : [{ key: written(path), message: complaint(path, kind) }];
    }),
    ...lost.map((place) => ({
      key: written(place),
      message:
        "is stored encrypted, and cannot be kept secret: it is part of names, commands and previews. " +
        `If people may see it: pulumi config set --plaintext --path '${written(place)}'`,
    })),
  ];
}

const complaint = (path: Path, kind: string): string =>
  covers(keepable, path)
    ? `is ${kind} in plain text; store it encrypted: pulumi config set --secret --path '${written(path)}'`
    : `has ${kind} in it, which would stand in plain text in the state and in previews; give a value without it`;

/** What secret a value is, by its form or its key; undefined if it is none. */
function kindOfSecret(path: Path, value: unknown, config: Partial<Configuration>): string | undefined {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  if (value === "") return undefined;
  const form = secretForms.find(([pattern]) => pattern.test(String(value)));
  if (form) return form[1];
  if (covers(passwords, path)) return "a password";
  return covers([["wire", "values"]], path) && isSecretKey(path.slice(2), config) ? "a secret" : undefined;
}

/** Whether the keys that lead to a value of a chart say that it is a secret. */
function isSecretKey(path: Path, { wire }: Partial<Configuration>): boolean {
  const keys = path.filter((part) => typeof part === "string");
  const last = keys.at(-1) ?? "";
  // An environment variable as Kubernetes has it: { name: DB_PASSWORD, value: … }.
  if (last === "value") {
    const entry = path
      .slice(0, -1)
      .reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], wire?.values);
    const { name } = entry as { name?: unknown };
    if (typeof name === "string" && secretKey.test(name)) return true;
  }
  return secretKey.test(last) || (keys.slice(0, -1).includes("secrets") && !publicKey.test(last));
}

/** A place as `pulumi config set --path` takes it. Keys of charts are free, and one that looks like no word is cut. */
const written = (path: Path): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    if (/^[A-Za-z_]\w{0,39}$/.test(part) && !/\d.*\d.*\d/.test(part)) return text ? `${text}.${part}` : part;
    return `${text}["${/^[a-z][a-z.-]{0,39}$/i.test(part) ? part : `${part.slice(0, 3)}…`}"]`;
  }, "");
