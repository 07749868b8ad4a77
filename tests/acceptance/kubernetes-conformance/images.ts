import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeParts } from "../../../bundle/make";
import { readSpecification } from "../../../bundle/read";
import { type Specification, specification } from "../../../bundle/specification";
import { Workshop } from "../../../bundle/workshop";
import { installBuilders } from "../../../lab/bundle";
import { cached, contentKey } from "../../../toolchain/cache";
import { run } from "../../../toolchain/commands";
import { projectDirectory } from "../../../toolchain/environment";
import type { RemoteMachine } from "../verify/machine";
import { kubernetesSources } from "./programs";

/** Folder that the paths below are relative to. */
const directory = join(projectDirectory, "lab");

/** What the tests call in their images, of which most have Alpine Linux or busybox beneath where they are made. */
const packages = [
  "bind9-dnsutils",
  "bsdextrautils",
  "curl",
  "iproute2",
  "netcat-openbsd",
  "nginx-light",
  "wget",
];

/**
 * The images that the tests ask for, under the names by which they do. Programs are compiled from the modules of that
 * Kubernetes; beneath them is Debian, the same root file system for all, so that a node stores it once.
 * @param lab the lab's own list, which has the archive that packages are from, and kubectl.
 * @param sources folder with Kubernetes' sources.
 */
export function testSupplies(lab: Specification, sources: string): Specification {
  const go = (name: string) => ({
    go: { module: "../tests/acceptance/kubernetes-conformance/go", package: name },
  });
  const program = go("k8s.io/kubernetes/test/images/agnhost");
  const source = (path: string) => ({ path: join(sources, "test/images", path), mode: "0644" });
  const agnhost = {
    packages,
    files: {
      "/agnhost": program,
      // By this name tests know which of two entry points has run.
      "/agnhost-2": program,
      "/localhost.crt": source("agnhost/porter/localhost.crt"),
      "/localhost.key": source("agnhost/porter/localhost.key"),
    },
    directories: { "/uploads": {} },
    entrypoint: ["/agnhost"],
    command: ["pause"],
  };
  // By the names and versions that the tests ask for.
  const images = {
    "agnhost:2.63.0": { debian: agnhost },
    // What tests update to the one above; the program is the same.
    "agnhost:2.55": { debian: agnhost },
    "nautilus:1.8": {
      debian: {
        ...agnhost,
        files: {
          ...agnhost.files,
          "/data.json": source("nautilus/html/data.json"),
          "/nautilus.jpg": source("nautilus/html/nautilus.jpg"),
        },
        command: ["test-webserver"],
      },
    },
    "busybox:1.37.0-1": {
      debian: {
        packages,
        // Debian's own sh, and that of its busybox, lose variables that are none for a shell, such as `data-1`.
        files: { "/usr/bin/sh": { deb: "bash:/bin/bash" } },
        command: ["sh"],
      },
    },
    "glibc-dns-testing:2.0.0": { debian: { packages } },
    "nginx:1.15-4": { debian: { packages, command: ["nginx", "-g", "daemon off;"], ports: ["80/tcp"] } },
    // Compiled from this Kubernetes' module, whatever its name says.
    "sample-apiserver:1.29.2": {
      scratch: {
        files: { "/sample-apiserver": go("k8s.io/sample-apiserver") },
        entrypoint: ["/sample-apiserver"],
      },
    },
  };
  return specification.parse({
    name: "kubernetes-conformance",
    apt: lab.apt,
    binaries: [
      lab.binaries.find(({ name }) => name === "kubectl"),
      { name: "ginkgo", version: "v2.28.1", licence: "MIT", ...go("github.com/onsi/ginkgo/v2/ginkgo") },
    ],
    images: Object.entries(images).map(([name, made]) => ({
      reference: `registry.k8s.io/e2e-test-images/${name}`,
      set: "helm",
      ...made,
    })),
  });
}

/** What {@link makeSupplies} gives. */
export interface Supplies {
  /** Paths of programs. */
  readonly kubectl: string;
  readonly ginkgo: string;
  /** Version of Kubernetes, such as `v1.36.3`, and the variables that say so in its programs. */
  readonly version: string;
  readonly variables: Readonly<Record<string, string>>;
  /** Names of images, and the archive that has them all. */
  readonly images: readonly string[];
  readonly archive: string;
}

/** Makes the programs and images that the cache does not have, a quarter of an hour the first time. */
export async function makeSupplies(): Promise<Supplies> {
  const lab = readSpecification(join(directory, "bundle.yaml")).specification;
  const wanted = testSupplies(lab, await kubernetesSources());
  await installBuilders(wanted);
  const parts = await makeParts(
    { specification: wanted, directory, notes: [] },
    new Workshop(directory, false),
  );
  const [kubectl, ginkgo] = wanted.binaries as [Specification["binaries"][0], Specification["binaries"][0]];
  return {
    kubectl: parts.binaries.get(kubectl) as string,
    ginkgo: parts.binaries.get(ginkgo) as string,
    version: kubectl.version,
    variables: kubectl.go?.variables ?? {},
    images: [...parts.images.keys()],
    archive: await packTogether([...parts.images.values()].map(({ file }) => file)),
  };
}

/**
 * Packs docker-archives into one that has each layer once: the nodes get a quarter of the bytes.
 * @returns its path in the cache.
 */
export async function packTogether(archives: readonly string[]): Promise<string> {
  // Their paths say what is in them.
  const made = await cached("kubernetes-test-images", contentKey([...archives].sort()), async (folder) => {
    const contents = join(folder, "contents");
    mkdirSync(contents);
    const images: object[] = [];
    for (const archive of archives) {
      await run("tar", ["--extract", "--file", archive, "--directory", contents]);
      images.push(...JSON.parse(readFileSync(join(contents, "manifest.json"), "utf8")));
    }
    writeFileSync(join(contents, "manifest.json"), JSON.stringify(images));
    const files = readdirSync(contents);
    await run("tar", ["--create", "--file", join(folder, "images.tar"), "--directory", contents, ...files]);
    rmSync(contents, { recursive: true });
  });
  return join(made, "images.tar");
}

/** Puts an archive's images on a node, which finds them there and does not ask its registry, where they are not. */
export const importImages = (node: RemoteMachine, archive: string): Promise<void> =>
  node.feed(archive, "sudo ctr --namespace k8s.io images import -");

/** Takes images off a node again. */
export async function removeImages(node: RemoteMachine, images: readonly string[]): Promise<void> {
  await node.run(`sudo crictl rmi ${images.join(" ")} >/dev/null 2>&1 || true`);
}
