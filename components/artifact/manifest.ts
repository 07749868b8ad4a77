import { createHash } from "node:crypto";
import { z } from "zod";

/**
 * What an offline artifact holds, whatever its layout: the one description that the program, the asset
 * host and the builder share. `npm run bundle` writes it as `manifest.json` beside the archives of a bundle;
 * for an artifact of Wire's, `npm run artifact -- manifest` reads it out of the archive.
 */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const size = z.int().nonnegative();

/** A path below the root of the asset host: no `..`, no absolute path, nothing that a shell could trip over. */
const path = z
  .string()
  .regex(
    /^(?!.*(^|\/)\.\.?(\/|$))[A-Za-z0-9_.+~:@%=,-]+(\/[A-Za-z0-9_.+~:@%=,-]+)*$/,
    "must be a plain relative path",
  );

/** What a file is for; `other` is carried but neither served nor installed (ansible, dashboards, …). */
export const fileKinds = ["apt", "binary", "image", "index", "chart", "other"] as const;

const file = z.strictObject({
  /** Where it is served, for example `binaries/kubelet`. */
  path,
  /** Name of the archive that carries it. */
  archive: z.string(),
  sha256,
  /** Bytes. */
  size,
  kind: z.enum(fileKinds),
  /** Name by which the program asks for it: `kubelet`, a Debian package, an image reference, a chart. */
  name: z.string().optional(),
  /** Version in its maker's own spelling, for example `v1.36.3`. */
  version: z.string().optional(),
  /** Where it came from: a URL, a Go package, Maven coordinates, an image reference. */
  source: z.string().optional(),
  /** SPDX expression. */
  licence: z.string().optional(),
  image: z
    .strictObject({
      /** Reference with registry and tag, or digest, for example `registry.k8s.io/pause:3.10.1`. */
      reference: z.string(),
      /** Digest of its configuration, by which two copies of an image are told to be the same. */
      id: z.string().regex(/^sha256:[0-9a-f]{64}$/),
      /** `oci-archive` where the reference has a digest, which a docker-archive cannot keep. */
      format: z.enum(["docker-archive", "oci-archive"]),
      /** Whether the system (Kubernetes itself) or a Helm release runs it. */
      set: z.enum(["system", "helm", "adminhost"]),
    })
    .optional(),
});

const aptRepository = z.strictObject({
  /** Path of the repository below the root, for example `debs-bookworm/public`. */
  path,
  /** Distribution, for example `bookworm`. */
  suite: z.string(),
  components: z.array(z.string()).min(1),
  architectures: z.array(z.string()).min(1),
  /** Path of the key that has signed it, in ASCII armour. */
  key: path,
});

/** A chart, and what the artifact's builder knows of its images. */
const chart = z.strictObject({
  name: z.string(),
  version: z.string().optional(),
  /** The images that it was rendered to when the artifact was built; what other values switch on is not among them. */
  images: z.array(z.string()),
  /** The values that name those images where the chart itself names others; nothing but images is in them. */
  values: z.record(z.string(), z.unknown()),
});

/** Something that an artifact lists and that cannot be used. */
const unusable = z.strictObject({ path, problem: z.string() });

const manifest = z.strictObject({
  /** Version of this format. */
  format: z.literal(1),
  name: z.string().min(1),
  layout: z.enum(["wire", "bundle"]),
  /** The files that are carried, as they lie at the source. */
  archives: z.array(z.strictObject({ name: z.string().regex(/^[A-Za-z0-9_.+-]+$/), sha256, size })).min(1),
  apt: z.array(aptRepository),
  /** Charts of Wire's; a bundle has none here, since its charts name their images themselves. */
  charts: z.array(chart).optional(),
  /** Images that are damaged or missing; they are neither served nor pushed. */
  unusable: z.array(unusable).optional(),
  /** Every file, sorted by path. */
  files: z.array(file),
});

/** Whether the system (Kubernetes itself), a Helm release or an operator's own machine runs an image. */
export type ImageSet = NonNullable<ArtifactFile["image"]>["set"];
export type ArtifactFile = z.output<typeof file>;
export type AptRepository = z.output<typeof aptRepository>;
export type ArtifactChart = z.output<typeof chart>;
export type ArtifactManifest = z.output<typeof manifest>;

/**
 * Reads a manifest as text.
 * @throws Error with every place where it is not one.
 */
export function parseManifest(text: string): ArtifactManifest {
  const parsed = manifest.safeParse(parseJson(text));
  if (!parsed.success) {
    const found = [...new Set(parsed.error.issues.map(describe))];
    const others = found.length - 3;
    throw new Error(found.slice(0, 3).join(", ") + (others > 0 ? `, and ${others} more` : ""));
  }
  return parsed.data;
}

/** Without names of keys that are not known, for the same reason as below. */
const describe = ({ code, path }: z.core.$ZodIssue): string =>
  `${path.join(".") || "it"} ${code === "unrecognized_keys" ? "has a key that is not known" : "is missing or has another form"}`;

/** Without the parser's own words, which have some of the text: it may be another file altogether, a key for one. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
}

/** A manifest as text: the same manifest gives the same bytes. */
export function renderManifest(value: ArtifactManifest): string {
  const ordered = { ...value, files: [...value.files].sort((a, b) => (a.path < b.path ? -1 : 1)) };
  return `${JSON.stringify(manifest.parse(ordered), null, 1)}\n`;
}

/** A short name for a set of files that follows from their content alone. */
export function digestOf(files: readonly Pick<ArtifactFile, "path" | "sha256">[]): string {
  const lines = files.map((entry) => `${entry.sha256}  ${entry.path}\n`).sort();
  return createHash("sha256").update(lines.join("")).digest("hex").slice(0, 16);
}
