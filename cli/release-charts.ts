import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { Helm } from "../bundle/charts/helm";
import { imagesIn } from "../bundle/charts/images";
import { Workshop } from "../bundle/workshop";
import { readManifest } from "../components/artifact/reader/bundle";
import { describesCharts, readCharts } from "../components/artifact/reader/wire-charts";
import { chartFacts, differences } from "../components/wire/facts";
import { run, runMain } from "../toolchain/commands";
import { projectDirectory } from "../toolchain/environment";

const usage = `usage:
  npm run releases:charts -- RELEASE --artifact MANIFEST
      from an artifact of Wire's, as "npm run artifact -- manifest" has described it
  npm run releases:charts -- RELEASE --builds DIR[@REF] --deploy DIR[@REF] [--charts DIR --note "where they are from"]
      from checkouts of wireapp/wire-builds and wireapp/wire-server-deploy, and what charts are to be had: images of
      charts that are not there stay unknown

Writes releases/RELEASE/charts.yaml and images.yaml. Values that charts do not take are kept as they are: charts:check
finds them.`;

/** What is to be written down of a release. */
interface Found {
  readonly source: string;
  /** Versions by name. */
  readonly charts: Readonly<Record<string, string>>;
  /** Images of Kubernetes itself. */
  readonly system: readonly string[];
  /** Images by chart. */
  readonly helm: Readonly<Record<string, readonly string[]>>;
  /** The values that name images, by chart. */
  readonly values: Readonly<Record<string, unknown>>;
}

const sorted = <T>(entries: Iterable<readonly [string, T]>): Record<string, T> =>
  Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));

/** `npm run releases:charts`: renews what is known of a release of Wire. */
async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { artifact: text, builds: text, deploy: text, charts: text, note: text },
  });
  const [release, ...others] = positionals;
  const { artifact, builds, deploy, charts, note } = values;
  if (!release || !/^\d+\.\d+$/.test(release) || others.length > 0) throw new Error(usage);
  const found = artifact
    ? fromArtifact(artifact)
    : builds && deploy
      ? await fromCheckouts(builds, deploy, charts)
      : undefined;
  if (!found) throw new Error(usage);
  const former = chartFacts(release);
  for (const line of former ? differences(new Map(Object.entries(found.charts)), former) : [])
    console.log(line);
  const source = note ? `${found.source}; charts: ${note}` : found.source;
  write(release, { ...found, source }, former?.unknown ?? {});
  return 0;
}

function fromArtifact(file: string): Found {
  const { name, charts = [], files } = readManifest(file);
  return {
    source: `artifact ${name}`,
    charts: sorted(charts.map(({ name, version = "unknown" }) => [name, version])),
    system: files.flatMap(({ image }) => (image?.set === "system" ? [image.reference] : [])).sort(),
    helm: sorted(charts.map(({ name, images }) => [name, images])),
    values: sorted(
      charts.flatMap(({ name, values }) => (Object.keys(values).length > 0 ? [[name, values]] : [])),
    ),
  };
}

async function fromCheckouts(builds: string, deploy: string, folder: string | undefined): Promise<Found> {
  const [build, site] = [new Checkout(builds), new Checkout(deploy)];
  const { helmCharts }: { helmCharts: Record<string, { version: string }> } = JSON.parse(
    await build.read("build.json"),
  );
  const script = await site.read("offline/default-build/build.sh");
  const excluded = /HELM_CHART_EXCLUDE_LIST="([^"]*)"/.exec(script)?.[1]?.split(",") ?? [];
  const charts = sorted(
    Object.entries(helmCharts).flatMap(([name, { version }]) =>
      excluded.includes(name) ? [] : [[name, version]],
    ),
  );
  const system = /<<EOF\n(.*?)\nEOF/s.exec(await site.read("offline/tasks/proc_system_containers.sh"))?.[1];
  const texts = new Map(Object.keys(charts).map((name) => [`charts/${name}/Chart.yaml`, ""]));
  for (const path of await site.list("values"))
    if (describesCharts(path)) texts.set(path, await site.read(path));
  return {
    source: `wire-builds ${await build.commit()}, wire-server-deploy ${await site.commit()}`,
    charts,
    system: (system ?? "").split("\n").sort(),
    helm: folder ? await render(charts, site, folder) : {},
    values: sorted(
      readCharts(texts).flatMap(({ name, values }) =>
        Object.keys(values).length > 0 ? [[name, values]] : [],
      ),
    ),
  };
}

/** The images of the charts of a folder, with the values that Wire's builder renders them with. */
async function render(
  charts: Found["charts"],
  site: Checkout,
  folder: string,
): Promise<Record<string, string[]>> {
  const scratch = mkdtempSync(join(tmpdir(), "wiab-facts-"));
  try {
    const helm = await Helm.open(new Workshop(projectDirectory, false), join(scratch, "helm"));
    const images: [string, string[]][] = [];
    for (const name of Object.keys(charts).filter((each) => existsSync(join(folder, each)))) {
      const values: string[] = [];
      for (const kind of ["values", "secrets"])
        for (const profile of ["prod", "demo"]) {
          const path = `values/${name}/${profile}-${kind}.example.yaml`;
          if (values.some((file) => file.endsWith(`${kind}.yaml`)) || !(await site.has(path))) continue;
          const file = join(scratch, `${name}-${kind}.yaml`);
          writeFileSync(file, withFederation(name, await site.read(path)));
          values.push("--values", file);
        }
      if (name === "wire-server") values.push("--set", "federator.tls.useSharedFederatorSecret=true");
      const manifests = await helm
        .run("template", name, join(folder, name), ...values)
        .catch((error: Error) => {
          console.error(`${name} does not render, its images stay unknown: ${error.message}`);
          return undefined;
        });
      if (manifests === undefined) continue;
      // What Wire's builder leaves out: tests of Wire's own, and images of no particular version.
      images.push([
        name,
        imagesIn(manifests).filter((image) => !/-integration:|:latest$|^[^:@]+$/.test(image)),
      ]);
    }
    return sorted(images);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** Wire's builder switches federation on for as long as it looks for images. */
const withFederation = (chart: string, values: string): string =>
  chart === "wire-server" ? values.replace(/federation: false/g, "federation: true") : values;

/** A commit of a repository on this machine. */
class Checkout {
  private readonly directory: string;
  private readonly ref: string;

  /** @param location - `DIR` or `DIR@REF`. */
  constructor(location: string) {
    const [directory = "", ref = "HEAD"] = location.split("@");
    this.directory = directory;
    this.ref = ref;
  }

  read(path: string): Promise<string> {
    return this.git("show", `${this.ref}:${path}`);
  }

  async list(folder: string): Promise<string[]> {
    return (await this.git("ls-tree", "-r", "--name-only", this.ref, `${folder}/`)).trim().split("\n");
  }

  async has(path: string): Promise<boolean> {
    return (await this.git("ls-tree", "--name-only", this.ref, path)).trim() !== "";
  }

  async commit(): Promise<string> {
    return (await this.git("rev-parse", "--short=8", this.ref)).trim();
  }

  private git(...args: string[]): Promise<string> {
    return run("git", ["-C", this.directory, ...args]);
  }
}

function write(release: string, found: Found, unknown: object): void {
  const { source, charts, system, helm, values } = found;
  const folder = join(projectDirectory, "releases", release);
  mkdirSync(folder, { recursive: true });
  const put = (name: string, title: string, content: object) =>
    writeFileSync(
      join(folder, name),
      `# ${title} of Wire's release ${release}. Written by npm run releases:charts.\n\n${stringify(content, { lineWidth: 110 })}`,
    );
  put("charts.yaml", "Charts", { source, charts, unknown });
  put("images.yaml", "Images", { source, system, values, helm });
}

runMain(main, usage);
