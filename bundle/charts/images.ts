import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { normalise } from "../../components/artifact/reference";
import { containerImages } from "../../components/wire/images";
import type { Chart } from "../specification";
import type { Workshop } from "../workshop";
import { Helm } from "./helm";

/**
 * The images that rendered manifests name, as they name them.
 * @throws Error where it is not YAML.
 */
export const imagesIn = (manifests: string): string[] =>
  containerImages(
    // What Kubernetes lets pass, a key that stands twice among it, must not end the search.
    parseAllDocuments(manifests, { uniqueKeys: false }).map((document) => {
      if ("errors" in document && document.errors[0]) throw document.errors[0];
      return document.toJS();
    }),
  );

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
