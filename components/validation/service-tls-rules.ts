import { planArtifact } from "../artifact/plan";
import { planCassandra, tlsRefusal } from "../data-services/cassandra/plan";
import type { Problem, Sections } from "./problem";
import type { Surroundings } from "./surroundings";

/** The artifact's data services can encrypt where they shall. */
export function serviceTlsRules(
  { artifact, dataServices }: Sections<"artifact" | "dataServices">,
  { readManifest }: Surroundings,
): Problem[] {
  if (!artifact || !dataServices.tls) return [];
  try {
    const message = tlsRefusal(
      planCassandra(
        planArtifact(
          artifact.sources.map(({ manifest, location }) => ({ manifest: readManifest(manifest), location })),
        ),
      ),
    );
    return message ? [{ key: "dataServices.tls", message }] : [];
  } catch {
    // What is wrong with the artifact itself is artifactRules' to say.
    return [];
  }
}
