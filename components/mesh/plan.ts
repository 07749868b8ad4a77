import { type InstallationPlan, programOf } from "../artifact/installation/installation";
import { type ArtifactPlan, findBinary } from "../artifact/plan";

const service = "mesh";

/** What a gateway runs. */
export interface MeshProgramsPlan {
  readonly installation: InstallationPlan;
  /** Paths of the gateway's own program and of its name server. */
  readonly mesh: string;
  readonly coredns: string;
}

/**
 * Finds the programs of a gateway in an artifact.
 * @throws Error naming what it lacks.
 */
export function planMeshPrograms(artifact: ArtifactPlan): MeshProgramsPlan {
  const part = (name: string) => {
    const file = findBinary(artifact, name);
    if (!file)
      throw new Error(
        `the artifact lacks the binary ${name}, which a gateway runs: add the bundle of bundle/mesh.yaml to artifact.sources (docs/mesh.md)`,
      );
    return { file, path: programOf(service, file) };
  };
  const [mesh, coredns] = [part("wiab-mesh"), part("coredns")];
  return {
    installation: {
      service,
      packages: ["iproute2", "nftables"],
      units: [],
      files: [mesh.file, coredns.file],
    },
    mesh: mesh.path,
    coredns: coredns.path,
  };
}
