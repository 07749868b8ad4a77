import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { normalise } from "../reference";
import type { Chart } from "../specification";
import type { Workshop } from "../workshop";
import { Helm } from "./helm";

const containerLists = ["containers", "initContainers", "ephemeralContainers"];

/**
 * The images that rendered manifests name, as they name them: those of every list of containers at any depth, so
 * that hooks, jobs and whatever other objects have a pod's template are seen like deployments.
 * @throws Error where it is not YAML.
 */
export function imagesIn(manifests: string): string[] {
  const found = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      if (containerLists.includes(key) && Array.isArray(child))
        for (const container of child) if (typeof container?.image === "string") found.add(container.image);
      walk(child);
    }
  };
  // What Kubernetes lets pass, a key that stands twice among it, must not end the search.
  for (const document of parseAllDocuments(manifests, { uniqueKeys: false })) {
    if ("errors" in document && document.errors[0]) throw document.errors[0];
    walk(document.toJS());
  }
  return [...found].sort();
}

/**
 * The images that a chart needs with its values files applied one after the other, and those it lists itself.
 * References are in full.
 * @param tree folder of the chart with its dependencies.
 * @param note told of each reference that left something out.
 * @throws Error if it cannot be rendered, or names something that is no image.
 */
export async function imagesOf(
  chart: Chart,
  tree: string,
  workshop: Workshop,
  note: (text: string) => void,
): Promise<string[]> {
  const home = mkdtempSync(join(tmpdir(), "wiab-helm-"));
  try {
    const helm = await Helm.open(workshop, home);
    const values = chart.values.flatMap((file) => ["--values", resolve(workshop.directory, file)]);
    const manifests = await helm.run("template", chart.name, tree, ...values);
    const rendered = imagesIn(manifests).map((reference) => {
      const full = normalise(reference);
      if (full !== reference) note(`chart ${chart.name}: ${reference} is taken as ${full}`);
      return full;
    });
    return [...new Set([...rendered, ...chart.images])].sort();
  } finally {
    rmSync(home, { recursive: true });
  }
}
