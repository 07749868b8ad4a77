import { parse } from "yaml";
import type { ArtifactChart } from "../manifest";

/**
 * What Wire's artifact says of the images of its charts. Its builder renders each chart with
 * `values/<chart>/prod-values.example.yaml`, or `demo-values.example.yaml` where there is none, packs the images that
 * come out, and lists them in `versions/helm_image_tree.json`.
 */

const tree = "versions/helm_image_tree.json";
const chartFile = /^charts\/([^/]+)\/Chart\.yaml$/;
const valuesFile = (chart: string, kind: string) => `values/${chart}/${kind}-values.example.yaml`;

/** Whether a file has to be read to describe the charts. */
export const describesCharts = (path: string): boolean =>
  path === tree || chartFile.test(path) || /^values\/[^/]+\/(prod|demo)-values\.example\.yaml$/.test(path);

/**
 * The charts of an artifact, sorted by name.
 * @param texts - The files that {@link describesCharts} tells, by path.
 * @throws Error naming the file that cannot be read.
 */
export function readCharts(texts: ReadonlyMap<string, string>): ArtifactChart[] {
  const images = imagesByChart(texts.get(tree));
  return [...texts]
    .flatMap(([path, text]): ArtifactChart[] => {
      const [, name] = chartFile.exec(path) ?? [];
      if (!name) return [];
      const version = yaml(path, text)?.version;
      const values = ["prod", "demo"].map((kind) => valuesFile(name, kind)).find((file) => texts.has(file));
      return [
        {
          name,
          ...(version !== undefined && { version: `${version}` }),
          images: images.get(name) ?? [],
          values: values ? imageValues(yaml(values, texts.get(values) ?? "")) : {},
        },
      ];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function yaml(path: string, text: string): Record<string, unknown> {
  try {
    return parse(text) ?? {};
  } catch (error) {
    throw new Error(`${path} is not YAML: ${(error as Error).message}`, { cause: error });
  }
}

/** Not parsed as JSON: lines are taken out of the list with sed, and what is left need not be JSON any more. */
function imagesByChart(text = ""): Map<string, string[]> {
  const images = new Map<string, string[]>();
  for (const [, chart = "", list = ""] of text.matchAll(/"chart":\s*"([^"]+)",\s*"images":\s*\[([^\]]*)\]/g))
    images.set(
      chart,
      [...list.matchAll(/"([^"]+)"/g)].map(([, image = ""]) => image),
    );
  return images;
}

/**
 * The part of a chart's values that says which images it takes: what stands under a key that ends in `image` or
 * `images`, whatever it is, without how they are pulled.
 */
export function imageValues(values: unknown): Record<string, unknown> {
  if (!isSection(values)) return {};
  const found: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(values)) {
    const chosen = /images?$/i.test(key) ? withoutPolicy(value) : imageValues(value);
    if (!isSection(chosen) || Object.keys(chosen).length > 0) found[key] = chosen;
  }
  return found;
}

const withoutPolicy = (value: unknown): unknown =>
  isSection(value)
    ? Object.fromEntries(
        Object.entries(value).flatMap(([key, inner]) =>
          /^(imageP|p)ull(Policy|Secrets)$/.test(key) ? [] : [[key, withoutPolicy(inner)]],
        ),
      )
    : value;

const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
