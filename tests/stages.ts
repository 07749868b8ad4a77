import { helmSource } from "../bundle/charts/helm";
import { buildGo, hasGo } from "../bundle/sources/program";
import { Workshop } from "../bundle/workshop";
import { buildLabBundle, bundleParts } from "../lab/bundle";
import { buildGuestImage, guestImageParts } from "../lab/guest/image";
import { ensurePackages, verifyPackages } from "../lab/host/packages";
import { prepareHost } from "../lab/host/prepare";
import { projectDirectory } from "../toolchain/environment";
import { findGo, goEnvironment } from "../toolchain/go";
import { installToolchain, toolchainParts } from "../toolchain/install";
import { minutesOf } from "../toolchain/progress";
import { debianSystem, hasDebianSystem } from "./fixtures/machine";
import { type Counts, succeed, vitest } from "./prove";

/** Something that has to be on the machine before a stage. All minutes are those of two cores without KVM. */
export interface Preparation {
  readonly name: string;
  /** How long it takes here, given what the cache has. */
  readonly minutes: () => number;
  readonly run: () => Promise<unknown>;
}

/** A part of the proof that can be asked for by its name: `npm test -- unit program`. */
export interface Stage {
  readonly name: string;
  readonly needs: readonly Preparation[];
  /** How long it takes, measured, with a third more. */
  readonly minutes: number;
  /** Runs it; rejects with what went wrong, if that is not a test that failed. */
  readonly run: () => Promise<Counts>;
}

/** Debian packages that the script tests use, besides those that the lab needs itself. */
const testPackages = [
  "apt-utils",
  "cryptsetup-bin",
  "ca-certificates",
  "curl",
  "debian-archive-keyring",
  "gnupg",
  "iproute2",
  "iputils-ping",
  "libvirt-clients",
  // Its user, and an emulator: without either, libvirt answers nobody.
  "libvirt-daemon-system",
  "mmdebstrap",
  "nftables",
  "openssh-client",
  "openssl",
  "qemu-system-x86",
  "shellcheck",
  "skopeo",
];

const packages: Preparation = {
  name: "packages",
  minutes: () => 1,
  run: async () => {
    if (process.getuid?.() !== 0)
      throw new Error("the tests make network namespaces and machines, which takes root: sudo npm test");
    await ensurePackages("for the tests", testPackages);
  },
};

/** Go's race detector is C. */
const compiler: Preparation = {
  name: "compiler",
  minutes: () => 1,
  run: () => ensurePackages("for Go's race detector", ["gcc", "libc6-dev"]),
};

/** In a test it would count against the test's time. */
const system: Preparation = {
  name: "system of the tests' machines",
  minutes: () => (hasDebianSystem() ? 0 : 3),
  run: () => debianSystem(),
};

const workshop = () => new Workshop(projectDirectory, false);
const helm: Preparation = {
  name: "helm",
  minutes: () => (hasGo(helmSource, workshop()) ? 0 : 3),
  run: () => buildGo(helmSource, workshop()),
};

const toolchain: Preparation = {
  name: "toolchain",
  minutes: () => minutesOf(toolchainParts()),
  run: () => installToolchain(),
};
const bundle: Preparation = {
  name: "bundle",
  minutes: () => minutesOf(bundleParts()),
  run: () => buildLabBundle(),
};
const machines: Preparation = {
  name: "machines",
  minutes: () => 1 + minutesOf(guestImageParts()),
  run: async () => {
    await prepareHost();
    await ensurePackages("for the checks", verifyPackages);
    await buildGuestImage();
  },
};

/** What comes of a stage that has no tests of its own. */
export const without: Counts = { passed: 0, wrong: [] };

/** What `npm test` runs. */
export const stages: readonly Stage[] = [
  {
    name: "lint",
    needs: [],
    minutes: 1,
    run: async () => {
      await succeed("npm", "run", "--silent", "lint");
      return without;
    },
  },
  {
    name: "docs",
    needs: [],
    minutes: 1,
    run: async () => {
      await succeed("sh", "toolchain/run.sh", "components/config/generate-docs.ts", "--check");
      return without;
    },
  },
  { name: "unit", needs: [], minutes: 2, run: () => vitest("tests/unit/") },
  {
    name: "guest",
    needs: [compiler],
    minutes: 2,
    run: async () => {
      const go = await findGo();
      const settings = Object.entries({ ...goEnvironment, CGO_ENABLED: "1" }).map(
        ([name, value]) => `${name}=${value}`,
      );
      for (const module of ["guest", "mesh", "wasimoff", "stand-in/wasimoff"]) {
        await succeed("env", ...settings, go, "-C", module, "vet", "./...");
        await succeed("env", ...settings, go, "-C", module, "test", "-race", "./...");
      }
      return without;
    },
  },
  { name: "program", needs: [], minutes: 1, run: () => vitest("tests/program/") },
  { name: "scripts", needs: [packages, helm, system], minutes: 8, run: () => vitest("tests/scripts/") },
  { name: "graph", needs: [packages, toolchain], minutes: 5, run: () => vitest("tests/graph/") },
  {
    name: "lab",
    needs: [packages, machines, toolchain, bundle],
    minutes: 15,
    run: () => vitest("tests/lab/"),
  },
];

// One file at a time: each has a cluster or a lab of its own, and a machine has cores for one.
const oneByOne = "--no-file-parallelism";

/** What takes hours and is asked for by name; `npm run test:full` runs all of it and more. */
export const furtherStages: readonly Stage[] = [
  {
    name: "services",
    needs: [packages, machines, toolchain, bundle],
    minutes: 90,
    run: () => vitest("tests/services/", oneByOne),
  },
  {
    name: "e2e",
    needs: [packages, machines, toolchain, bundle],
    minutes: 90,
    run: () => vitest("tests/e2e/", oneByOne),
  },
];
