import type { ArtifactFile } from "../../artifact/manifest";
import { type ArtifactPlan, findBinary } from "../../artifact/plan";

/** Programs of a container runtime; whichever an artifact has not as a binary comes as a Debian package. */
const programs = [
  { binary: "containerd", required: true },
  { binary: "containerd-shim-runc-v2" },
  { binary: "ctr" },
  { binary: "runc", package: "runc" },
  { binary: "crictl", required: true },
] as const;

/** What a node's container runtime is made of. */
export interface RuntimePlan {
  readonly binaries: readonly ArtifactFile[];
  /** Debian packages. */
  readonly packages: readonly string[];
  /** Reference of the image that holds a pod's namespaces. */
  readonly sandboxImage: string;
}

/**
 * Finds the parts of a container runtime in an artifact.
 * @throws Error naming what it lacks.
 */
export function planRuntime(artifact: ArtifactPlan): RuntimePlan {
  const binaries = programs.flatMap(({ binary }) => findBinary(artifact, binary) ?? []);
  const has = (name: string) => binaries.some((file) => file.name === name);
  const lacking = programs.filter((program) => "required" in program && !has(program.binary));
  const sandbox = artifact.images.find(({ image }) => /\/pause:/.test(image?.reference ?? ""));
  if (lacking.length > 0 || !sandbox?.image) {
    const names = [
      ...lacking.map(({ binary }) => `the binary ${binary}`),
      ...(sandbox ? [] : ["the image pause"]),
    ];
    throw new Error(`the artifact lacks ${names.join(", ")}: no Kubernetes node can be made of it`);
  }
  return {
    binaries,
    packages: programs.flatMap((program) =>
      "package" in program && !has(program.binary) ? [program.package] : [],
    ),
    sandboxImage: sandbox.image.reference,
  };
}
