import { type ArtifactPlan, lackingPackages } from "../plan";

/** @throws Error naming what an asset host cannot be made without. */
export function checkAssetHost(artifact: ArtifactPlan): void {
  const [lacking] = lackingPackages(artifact, ["docker-registry", "nginx"]);
  if (lacking) throw new Error(`the artifact lacks ${lacking}: no asset host can be made of it`);
}
