import { join } from "node:path";
import { makeParts } from "../../bundle/make";
import { readSpecification } from "../../bundle/read";
import { type Specification, specification } from "../../bundle/specification";
import { Workshop } from "../../bundle/workshop";
import { installBuilders } from "../bundle";
import type { RemoteMachine } from "../verify/machine";
import { kubernetesSources } from "./programs";

/** Folder that the paths below are relative to. */
const directory = join(__dirname, "..");

/** What the tests call in their images, of which most have Alpine Linux or busybox beneath where they are made. */
const packages = ["bind9-dnsutils", "curl", "iproute2", "netcat-openbsd", "nginx-light", "wget"];

/**
 * The images that the tests ask for, under the names by which they do. Programs are compiled from the modules of that
 * Kubernetes; beneath them is Debian, the same root file system for all, so that a node stores it once.
 * @param lab the lab's own list, which has the archive that packages are from, and kubectl.
 * @param sources folder with Kubernetes' sources.
 */
export function testSupplies(lab: Specification, sources: string): Specification {
  const go = (name: string) => ({ go: { module: "kubernetes-conformance/go", package: name } });
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
    "busybox:1.37.0-1": { debian: { packages, command: ["sh"] } },
    "glibc-dns-testing:2.0.0": { debian: { packages } },
    "nonroot:1.5": { debian: { packages, user: "1234" } },
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
  /** Files of images by their names. */
  readonly images: ReadonlyMap<string, string>;
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
    images: new Map([...parts.images].map(([reference, { file }]) => [reference, file])),
  };
}

/** Puts images on a node, which finds them there and does not ask its registry, where they are not. */
export async function importImages(node: RemoteMachine, images: ReadonlyMap<string, string>): Promise<void> {
  for (const file of images.values()) await node.feed(file, "sudo ctr --namespace k8s.io images import -");
}

/** Takes them off the node again. */
export async function removeImages(node: RemoteMachine, images: ReadonlyMap<string, string>): Promise<void> {
  await node.run(`sudo crictl rmi ${[...images.keys()].join(" ")} >/dev/null 2>&1 || true`);
}
