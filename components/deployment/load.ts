import type { ArtifactPlan } from "../artifact/plan";
import type { Mirror } from "../artifact/registry/registry";
import { type Plan, planDeployment } from "../config/plan";
import type { Configuration } from "../config/schema";
import type { MeshIdentity } from "../mesh/mesh";
import {
  loadArtifact,
  loadConfiguration,
  loadMesh,
  loadRegistry,
  loadWasimoff,
  loadWire,
  type WirePlan,
} from "../validation/load";
import type { WasimoffCertificate } from "../wasimoff/wasimoff";

/** Everything that a run is told, and what follows from it. What is optional is decided here: it is there or undefined. */
export interface Deployment {
  readonly config: Configuration;
  readonly plan: Plan;
  /** Undefined where machines are made and nothing is put on them. */
  readonly artifact: ArtifactPlan | undefined;
  /** The registry that is there already; undefined where the asset host's is taken. */
  readonly registry: Mirror | undefined;
  /** Who the site is in a mesh; undefined where it is on its own. */
  readonly mesh: MeshIdentity | undefined;
  /** The certificate of Wasimoff's public name; undefined where it has none. */
  readonly wasimoff: WasimoffCertificate | undefined;
  /** Undefined where nothing of Wire is installed; never there without an artifact. */
  readonly wire: WirePlan | undefined;
}

/**
 * Reads the stack's configuration and the files that it names.
 * @throws RunError with all problems: whatever may still fail does so here, before the first resource exists.
 */
export function loadDeployment(): Deployment {
  const config = loadConfiguration();
  const artifact = loadArtifact(config);
  const plan = planDeployment(config);
  return {
    config,
    plan,
    artifact,
    registry: loadRegistry(config),
    mesh: loadMesh(config),
    wasimoff: loadWasimoff(config),
    wire: artifact && loadWire(config, plan, artifact),
  };
}
