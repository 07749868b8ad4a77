import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { localDependencies } from "../bundle/charts/dependencies";
import { renderManifest } from "../components/artifact/manifest";
import { readManifest } from "../components/artifact/reader/bundle";
import { fileNameOf } from "../components/artifact/reference";
import type { Configuration } from "../components/config/schema";
import type { Surroundings } from "../components/validation/surroundings";
import { validate } from "../components/validation/validate";
import { ofBundle } from "../lab/artifact";
import { certificateIn, type LabCertificate } from "../lab/certificate";
import { type LabSize, labConfiguration } from "../lab/stack";
import { projectDirectory } from "../toolchain/environment";

/** The values of a stack's configuration by key, without the project's name before them. */
export type Values = Record<string, any>;

/** What `Pulumi.staging.yaml` says. */
export function stagingValues(): Values {
  const { config } = parse(readFileSync(join(projectDirectory, "Pulumi.staging.yaml"), "utf8"));
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key.replace("wiab-staging:", ""), value]),
  );
}

/** Folder of a bundle of which there is the manifest alone, enough to plan with. */
export const fixtureBundle = join(projectDirectory, "tests/fixtures/bundle");

/** What `npm run lab` (with `existing`, `npm run lab -- --existing`) would write on a machine of eight cores without hardware virtualization that has its image. */
export const labValues = (size: LabSize, existing = false): Values =>
  labConfiguration({
    existing,
    stack: "lab",
    size,
    facts: {
      cpus: 8,
      memoryMiB: 24_000,
      availableMemoryMiB: 20_000,
      freeDiskGB: 100,
      kvm: false,
      systemd: false,
      os: "Debian GNU/Linux 12 (bookworm)",
    },
    image: {
      disk: "/cache/guest/disk.qcow2",
      kernel: "/cache/guest/vmlinuz",
      initrd: "/cache/guest/initrd",
      commandLine: "root=/dev/vda rw console=ttyS0 quiet",
      sha256: "0123456789abcdef".repeat(4),
      virtualSizeBytes: 2_000_000_000,
    },
    artifact: ofBundle(fixtureLabBundle()),
    charts: fixtureCharts(),
    certificate: fixtureCertificate(),
    containerKey: "/lab/key",
  });

/** A folder that goes when the tests are through. */
function scratchFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), name));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let labBundle: string | undefined;

/** That bundle with the images that the lab's list has for Helm releases, as they are now; made once. */
function fixtureLabBundle(): string {
  if (labBundle) return labBundle;
  labBundle = scratchFolder("wiab-bundle-");
  const manifest = readManifest(join(fixtureBundle, "manifest.json"));
  const { images }: { images: { reference: string; set: string }[] } = parse(
    readFileSync(join(projectDirectory, "lab/bundle.yaml"), "utf8"),
  );
  const there = new Set(manifest.files.map(({ name }) => name));
  const digest = (text: string) => createHash("sha256").update(text).digest("hex");
  const added = images
    .filter(({ reference, set }) => set === "helm" && !there.has(reference))
    .map(({ reference }) => ({
      ...{ path: `containers-helm/${fileNameOf(reference)}`, archive: "containers-helm.tar", size: 45_000 },
      ...{ sha256: digest(`archive of ${reference}`), kind: "image" as const, name: reference },
      image: {
        ...{ reference, id: `sha256:${digest(reference)}` },
        ...{ format: "docker-archive" as const, set: "helm" as const },
      },
    }));
  writeFileSync(
    join(labBundle, "manifest.json"),
    renderManifest({ ...manifest, files: [...manifest.files, ...added] }),
  );
  return labBundle;
}

let charts: string | undefined;

/** The lab's charts as a bundle has them, each with those that it depends on inside; made once. */
function fixtureCharts(): string {
  if (charts) return charts;
  charts = scratchFolder("wiab-charts-");
  const sources = join(projectDirectory, "stand-in/charts");
  cpSync(sources, charts, { recursive: true });
  for (const name of readdirSync(sources))
    for (const dependency of localDependencies(join(sources, name)))
      cpSync(join(sources, name, dependency), join(charts, name, "charts", basename(dependency)), {
        recursive: true,
      });
  return charts;
}

let made: LabCertificate | undefined;

/** A certificate of the lab's domain, made once. */
function fixtureCertificate(): LabCertificate {
  if (made) return made;
  made = certificateIn(scratchFolder("wiab-certificate-"));
  const { certificateFile, privateKeyFile } = made;
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "30"],
      ...["-subj", "/CN=*.lab.wiab.test", "-addext", "subjectAltName=DNS:*.lab.wiab.test"],
      ...[
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        privateKeyFile,
        "-out",
        certificateFile,
      ],
    ],
    { stdio: "pipe" },
  );
  return made;
}

/** An operator's workstation on which every key file can be used and every secret is marked as one. */
export const surroundings: Surroundings = {
  keyFileProblem: () => undefined,
  readSecret: () => new Uint8Array(),
  readText: (path) => readFileSync(path, "utf8"),
  encrypted: [["mail"], ["wire"]],
  readManifest,
};

/** The staging configuration, changed and checked. */
export function stagingConfiguration(change: (values: Values) => void = () => {}): Configuration {
  const values = stagingValues();
  change(values);
  return validate(values, surroundings).config;
}
