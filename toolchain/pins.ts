import { arch } from "node:os";

/**
 * The one place that says which versions of Pulumi's tools are used. The Node packages in package.json
 * must have the same versions; toolchain/go/<name>/go.mod says from which sources each is built.
 */

/** What this machine's architecture is called by Pulumi and by Go. */
export const architecture =
  arch() === "arm64"
    ? ({ pulumi: "arm64", go: "arm64" } as const)
    : ({ pulumi: "x64", go: "amd64" } as const);

/** Version of the CLI and of its language host for Node. */
export const pulumiVersion = "3.259.0";

const archive = `pulumi-v${pulumiVersion}-linux-${architecture.pulumi}.tar.gz`;

/** Pulumi's own build of that version, language hosts included: the places that have it, all the same file. */
export const official = {
  urls: [
    `https://get.pulumi.com/releases/sdk/${archive}`,
    `https://github.com/pulumi/pulumi/releases/download/v${pulumiVersion}/${archive}`,
  ],
  /** As pulumi/homebrew-tap has it since commit 51fb494 (Formula/pulumi.rb). */
  sha256: {
    x64: "94ba357acac23d01474084c4b00098dc0f7bc70ce13f34c777459254a5f718e5",
    arm64: "edc8327463a72160bb36cf82cf5062da9c8a244290a706d9980988e7bf486853",
  }[architecture.pulumi],
} as const;

/** Version of Go that builds the tools; another patch release of it on PATH does as well. */
export const goVersion = "1.26.8";

/** SHA-256 of Go's toolchain as the Go module proxy serves it (golang.org/toolchain v0.0.1-go<version>.linux-<arch>). */
export const goChecksums = {
  amd64: "30c2b1bf7dcc88d3eb0a1364e47ddd9128edb3110a30e8a0ef61cd5856b31de7",
  arm64: "02b36b6787b3ac767668f630e2998df45a3b1f9ffee08d1bf3ef6487cd658d99",
} as const;

/** A tool that is built from Go modules where Pulumi's download site cannot be reached. */
export interface BuiltTool {
  /** Folder below toolchain/go. */
  readonly name: string;
  /** Path in the Pulumi home. */
  readonly path: string;
  /** Package to build. */
  readonly package: string;
  /** Values that the linker sets, by Go variable. */
  readonly variables: Readonly<Record<string, string>>;
  /** Files to copy out of a module before building: the module and the paths in it. */
  readonly copies?: { readonly module: string; readonly files: readonly string[] };
  /**
   * Modules that are built with files of ours in place of, or beside, their own, each with the folder of
   * toolchain/go/replacements that has these.
   */
  readonly replaces?: Readonly<Record<string, string>>;
  /** What is put into files of such a module, each behind a text that must be there once. */
  readonly edits?: readonly {
    readonly module: string;
    readonly file: string;
    readonly after: string;
    readonly insert: string;
  }[];
  /** Minutes that a build from nothing takes on two cores, for the one who waits. */
  readonly minutes: number;
}

const sdkVersion = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
const plugin = (name: string, version: string) =>
  `plugins/resource-${name}-v${version}/pulumi-resource-${name}`;

/** Terraform's way to fetch modules, which nobody asks here, knows Amazon's and Google's buckets (docs/adr/0032). */
const withoutBuckets = { "github.com/hashicorp/go-getter": "go-getter" };

export const builtTools: readonly BuiltTool[] = [
  {
    name: "pulumi",
    path: "bin/pulumi",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    variables: { [sdkVersion]: `v${pulumiVersion}` },
    // Without what speaks to Google and Azure and to key services (docs/adr/0032).
    replaces: {
      "github.com/pulumi/pulumi/pkg/v3": "pulumi",
      "gocloud.dev": "gocloud",
    },
    minutes: 4,
  },
  {
    name: "language-nodejs",
    path: "bin/pulumi-language-nodejs",
    package: "github.com/pulumi/pulumi/sdk/nodejs/cmd/pulumi-language-nodejs/v3",
    // The newest sources that the module proxy has (August 2025) pass on no error hooks.
    replaces: { "github.com/pulumi/pulumi/sdk/nodejs/cmd/pulumi-language-nodejs/v3": "language-nodejs" },
    variables: { [sdkVersion]: `v${pulumiVersion}` },
    minutes: 1,
  },
  {
    // Stands in for 1.2.1, which the module proxy does not have: 0.9.2 with what the program takes from the newer one.
    name: "command-with-host-keys",
    path: plugin("command", "1.2.1"),
    package: "github.com/pulumi/pulumi-command/provider/cmd/pulumi-resource-command",
    replaces: { "github.com/pulumi/pulumi-command/provider": "command" },
    edits: [
      {
        module: "github.com/pulumi/pulumi-command/provider",
        file: "pkg/provider/remote/connection.go",
        after: '`pulumi:"perDialTimeout,optional"`',
        insert: '\n\tHostKey *string `pulumi:"hostKey,optional"`',
      },
      {
        module: "github.com/pulumi/pulumi-command/provider",
        file: "pkg/provider/remote/connection.go",
        after: "Timeout:         time.Second * time.Duration(*con.PerDialTimeout),\n\t}",
        insert: "\n\tif err := con.expectHostKey(config); err != nil {\n\t\treturn nil, err\n\t}",
      },
      {
        module: "github.com/pulumi/pulumi-command/provider",
        file: "pkg/provider/remote/command.go",
        after: '`pulumi:"stdin,optional"`',
        insert: '\n\tAddPreviousOutputInEnv *bool `pulumi:"addPreviousOutputInEnv,optional"`',
      },
    ],
    variables: { "github.com/pulumi/pulumi-command/provider/pkg/version.Version": "1.2.1" },
    minutes: 0.5,
  },
  {
    // Until every stack that an earlier version of the program has made was updated once: their states name it.
    name: "command",
    path: plugin("command", "0.9.2"),
    package: "github.com/pulumi/pulumi-command/provider/cmd/pulumi-resource-command",
    variables: { "github.com/pulumi/pulumi-command/provider/pkg/version.Version": "0.9.2" },
    minutes: 0.5,
  },
  {
    name: "random",
    path: plugin("random", "4.21.2"),
    package: ".",
    variables: { "main.version": "4.21.2" },
    replaces: withoutBuckets,
    minutes: 1,
  },
  {
    name: "terraform-provider",
    path: plugin("terraform-provider", "1.1.3"),
    package: "github.com/pulumi/pulumi-terraform-bridge/v3/dynamic",
    variables: {
      "github.com/pulumi/pulumi-terraform-bridge/v3/dynamic/version.version": "v1.1.3",
      // Two of the bridge's dependencies register the same protocol buffer names.
      "google.golang.org/protobuf/reflect/protoregistry.conflictPolicy": "ignore",
    },
    replaces: withoutBuckets,
    minutes: 2,
  },
  {
    name: "libvirt",
    path: `dynamic_tf_plugins/registry.opentofu.org/dmacvicar/libvirt/0.8.3/linux_${architecture.go}/terraform-provider-libvirt_v0.8.3`,
    package: "github.com/dmacvicar/terraform-provider-libvirt",
    variables: {},
    minutes: 1,
  },
  {
    name: "kubernetes",
    path: plugin("kubernetes", "4.27.0"),
    package: ".",
    variables: { "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version": "4.27.0" },
    // Without its component resources, which link its own Go SDK (docs/adr/0032).
    replaces: { "github.com/pulumi/pulumi-kubernetes/provider/v4": "kubernetes" },
    copies: {
      module: "github.com/pulumi/pulumi-kubernetes/provider/v4",
      files: [
        "cmd/pulumi-resource-kubernetes/schema.json",
        "cmd/pulumi-resource-kubernetes/terraform-mapping.json",
      ],
    },
    minutes: 6,
  },
];

/** The Terraform provider that sdks/libvirt is generated from. */
export const libvirtProvider = {
  name: "libvirt",
  source: "registry.opentofu.org/dmacvicar/libvirt",
  version: "0.8.3",
} as const;
