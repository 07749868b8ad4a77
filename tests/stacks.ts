import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { readManifest } from "../components/artifact/reader/bundle";
import type { Configuration } from "../components/config/schema";
import type { Surroundings } from "../components/validation/surroundings";
import { validate } from "../components/validation/validate";
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

/** What `npm run lab` would write on a machine of eight cores without hardware virtualization that has its image. */
export const labValues = (size: LabSize): Values =>
  labConfiguration({
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
    bundle: fixtureBundle,
    charts: join(projectDirectory, "stand-in/charts"),
    certificate: fixtureCertificate(),
    containerKey: "/lab/key",
  });

let made: LabCertificate | undefined;

/** A certificate of the lab's domain, made once. */
function fixtureCertificate(): LabCertificate {
  if (made) return made;
  const folder = mkdtempSync(join(tmpdir(), "wiab-certificate-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  made = certificateIn(folder);
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
