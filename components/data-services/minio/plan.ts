import { directoryOf, type InstallationPlan } from "../../artifact/installation/installation";
import { type ArtifactPlan, findBinary } from "../../artifact/plan";
import type { Node } from "../node";

export const service = "minio";

/** What MinIO is made of. */
export interface MinioPlan {
  /** Such as `RELEASE.2023-07-07T07-13-57Z`. */
  readonly version: string;
  readonly installation: InstallationPlan;
  /** Paths of the server and of its administrator's tool. */
  readonly minio: string;
  readonly mc: string;
}

/**
 * Finds MinIO in an artifact.
 * @throws Error naming what it lacks.
 */
export function planMinio(artifact: ArtifactPlan): MinioPlan {
  const part = (name: string) => {
    const file = findBinary(artifact, name);
    if (!file) throw new Error(`the artifact lacks the binary ${name}`);
    return { file, path: `${directoryOf(service, file)}/${file.path.slice(file.path.lastIndexOf("/") + 1)}` };
  };
  const [minio, mc] = [part("minio"), part("mc")];
  const version = minio.file.version ?? "";
  // Versions are told apart by their time.
  if (!/^[A-Z]+\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/.test(version))
    throw new Error(`the artifact's MinIO has ${version ? `the version ${version}` : "no version"}`);
  return {
    version,
    installation: { service, packages: ["nftables"], units: [], files: [minio.file, mc.file] },
    minio: minio.path,
    mc: mc.path,
  };
}

/** How much memory the server tries to keep to, in MiB: an eighth of the machine's, between 192 MiB and 2 GiB. */
export const memoryMiB = ({ memoryGiB }: Pick<Node, "memoryGiB">): number =>
  Math.min(2048, Math.max(192, memoryGiB * 128));
