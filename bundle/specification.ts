import { z } from "zod";

/**
 * The file that lists what goes into a bundle, such as lab/bundle.yaml. Paths in it are relative to it.
 * Everything is pinned: a URL has its checksum, a Go module its go.sum, Maven coordinates their version.
 */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 checksum: 64 hexadecimal digits");

/** A program built from Go modules. */
const goSource = z.strictObject({
  /** Folder with the go.mod and go.sum of the build. */
  module: z.string(),
  /** Package to build, for example `k8s.io/kubernetes/cmd/kubelet`. */
  package: z.string(),
  /** Variables to set in it (`-X`), `import/path.name: value`. */
  variables: z.record(z.string(), z.string()).default({}),
  tags: z.array(z.string()).default([]),
  /** Whether C is compiled with it; the result is linked statically all the same. */
  cgo: z.boolean().default(false),
});

/** A program compiled from one C file of a Go module: Kubernetes' pause. */
const cSource = z.strictObject({
  /** Folder with the go.mod and go.sum that pin the module. */
  module: z.string(),
  /** The module that has the file, for example `k8s.io/kubernetes`. */
  of: z.string(),
  /** Path of the file in it. */
  file: z.string(),
  /** Arguments for the compiler besides `-static -Os`. */
  flags: z.array(z.string()).default([]),
});

const mavenSource = z.strictObject({
  /** `group:artifact:version[:classifier]:extension`. */
  coordinates: z.string().regex(/^[^:]+:[^:]+:[^:]+(:[^:]+)?:[^:]+$/),
  /** Of which repository. @default Maven Central, or what the operator's own settings put in its place */
  repository: z.url().optional(),
  /** SHA-256 of the file. Not with `closure`, where every file is checked against the repository's own checksum. */
  sha256: sha256.optional(),
  /** Packs the artifact with all that it needs at run time into `<name>-<version>/lib/*.jar` of a tar.gz. */
  closure: z.boolean().default(false),
});

const one = "must have exactly one source";

/** Where one file comes from: exactly one of these. */
const fileSource = {
  go: goSource.optional(),
  c: cSource.optional(),
  maven: mavenSource.optional(),
  /** `https://` (or `http://`) with a checksum. */
  url: z.url().optional(),
  /** A file of a Debian package, `package:/path/in/it`, with the package from `apt`. */
  deb: z
    .string()
    .regex(/^[a-z0-9][a-z0-9+.-]*:\/.+$/)
    .optional(),
  /** Required with `url`. */
  sha256: sha256.optional(),
};
const sourceNames = ["go", "c", "maven", "url", "deb"] as const;
const hasOne = (value: Record<string, unknown>, names: readonly string[]) =>
  names.filter((name) => value[name] !== undefined).length === 1;

/** Programs that are packed together as their maker packs them. */
const packed = z.record(
  z.string().regex(/^[A-Za-z0-9]/, "must be a path in the archive"),
  z.strictObject(fileSource).refine((value) => hasOne(value, sourceNames), one),
);

const binary = z
  .strictObject({
    /** Name by which the program asks for it. */
    name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
    version: z.string(),
    /** SPDX expression. */
    licence: z.string(),
    /** Name of the file under `binaries/`. @default `name` */
    file: z
      .string()
      .regex(/^[A-Za-z0-9_.+-]+$/)
      .optional(),
    ...fileSource,
    /** A tar.gz of programs by their paths in it, in place of one file. */
    archive: packed.optional(),
  })
  .refine((value) => hasOne(value, [...sourceNames, "archive"]), one)
  .refine((value) => value.url === undefined || value.sha256 !== undefined, "a URL needs its sha256");

/** Files by their path in an image, or in an archive. */
const imageFiles = z.record(
  z.string().regex(/^\//),
  z
    .strictObject({
      /** Takes a binary of this file's list by its name … */
      binary: z.string().optional(),
      /** … or a file beside this list … */
      path: z.string().optional(),
      /** … or one of these. */
      ...fileSource,
      /** Octal. @default "0755" */
      mode: z.string().default("0755"),
    })
    .refine((value) => hasOne(value, ["binary", "path", ...sourceNames]), one),
);

const imageConfiguration = {
  /** Numeric `uid[:gid]`, or a name that the image knows. @default root, as where the real image runs so */
  user: z.string().optional(),
  entrypoint: z.array(z.string()).default([]),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  workingDirectory: z.string().optional(),
  ports: z.array(z.string().regex(/^\d+\/(tcp|udp)$/)).default([]),
};

const image = z
  .strictObject({
    /** As charts name it. Without a registry it is Docker Hub's, without a tag `latest`; the builder says so. */
    reference: z.string(),
    set: z.enum(["system", "helm"]),
    licence: z.string().optional(),
    /** From a registry: `docker://…`. @default `docker://<reference>` where nothing else is given */
    docker: z
      .string()
      .regex(/^docker:\/\//)
      .optional(),
    /** From scratch: files by their path in the image. */
    scratch: z
      .strictObject({
        files: imageFiles,
        /** Empty folders, with owner `uid:gid` and mode. */
        directories: z
          .record(
            z.string(),
            z.strictObject({ owner: z.string().default("0:0"), mode: z.string().default("0755") }),
          )
          .default({}),
        ...imageConfiguration,
      })
      .optional(),
    /** A minimal root file system of Debian packages of `apt`'s suite, without documentation and apt's lists. */
    debian: z
      .strictObject({
        packages: z.array(z.string()).min(1),
        /** Files to add, by their path in the image. */
        files: imageFiles.default({}),
        directories: z
          .record(
            z.string(),
            z.strictObject({ owner: z.string().default("0:0"), mode: z.string().default("0755") }),
          )
          .default({}),
        ...imageConfiguration,
      })
      .optional(),
  })
  .refine(
    (value) => ["docker", "scratch", "debian"].filter((key) => key in value).length <= 1,
    "must have one source at most",
  );

const chart = z
  .strictObject({
    name: z.string(),
    /** A chart's folder … */
    path: z.string().optional(),
    /** … or a Helm repository and the version in it. */
    repository: z.url().optional(),
    version: z.string().optional(),
    /** Values files to render it with when its images are looked for. */
    values: z.array(z.string()).default([]),
    /** Images that rendering does not show: those named in operators' arguments. */
    images: z.array(z.string()).default([]),
  })
  .refine((value) => hasOne(value, ["path", "repository"]), "must have either path or repository")
  .refine(
    (value) => value.repository === undefined || value.version !== undefined,
    "a repository needs a version",
  );

export const specification = z.strictObject({
  /** Name of the bundle. */
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/),
  apt: z
    .strictObject({
      /** Code name of the guests' distribution. */
      suite: z.string(),
      /** Folder of the repository, for a bundle beside another artifact that has one. @default `debs-<suite>` */
      folder: z
        .string()
        .regex(/^debs-[a-z0-9-]+$/)
        .optional(),
      /** Packages that are installed by name; what they depend on comes along. */
      packages: z.array(z.string()).min(1),
      /**
       * Where they come from, as lines of sources.list(5) with `signed-by`.
       * @default Debian's archive, through the builder's own mirrors where the builder is this Debian itself
       */
      sources: z.array(z.string()).optional(),
      /**
       * Packages, as apt_preferences(5) names them, that come from another release than `suite` by its code name, which
       * one of `sources` has. Nothing else does.
       */
      pins: z.record(z.string().regex(/^[a-z]+$/), z.array(z.string()).min(1)).default({}),
      /** Packages whose files lie among the binaries; only what they depend on is in the repository. */
      files: z.array(z.string()).default([]),
    })
    .optional(),
  binaries: z.array(binary).default([]),
  images: z.array(image).default([]),
  charts: z.array(chart).default([]),
});

export type Specification = z.output<typeof specification>;
export type Apt = NonNullable<Specification["apt"]>;
export type Binary = Specification["binaries"][number];
export type Image = Specification["images"][number];
export type Chart = Specification["charts"][number];
export type GoSource = z.output<typeof goSource>;
export type CSource = z.output<typeof cSource>;
export type MavenSource = z.output<typeof mavenSource>;
/** The source of a file; exactly one is set, or none where the file has another origin. */
export type FileSource = Partial<Pick<Binary, (typeof sourceNames)[number] | "sha256">>;
