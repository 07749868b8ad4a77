import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../../toolchain/cache";
import { run } from "../../toolchain/commands";
import type { MavenSource } from "../specification";
import { entriesBelow, sumOf, writeTar } from "../tar";
import { recipe, type Workshop } from "../workshop";

/** What asks the repositories: the version that this has been tried with. */
const plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1";

/**
 * Fetches an artifact from a Maven repository, or with `closure` packs it and all that it needs at run time into
 * `<title>/lib/*.jar` of a tar.gz. Mirrors, proxies and passwords are those of the operator's own settings.xml. Each
 * file is checked against the repository's checksum, and refused where there is none. @returns its path.
 * @throws CommandError with Maven's last lines; Error if it is another file than `sha256` says.
 */
export async function fetchMaven(source: MavenSource, title: string, workshop: Workshop): Promise<string> {
  const words = ["maven", source, source.closure && title, plugin, recipe(__filename)];
  const directory = await workshop.part(words, (directory) =>
    workshop.limits.maven.run(async () => {
      const work = join(directory, "work");
      mkdirSync(work);
      writeFileSync(join(work, "pom.xml"), renderPom(source));
      // A repository of our own: nobody has checked what lies in the operator's.
      const repository = join(cacheDirectory(), "bundle-maven");
      await run("mvn", [
        ...["-q", "-B", "-C", "-f", join(work, "pom.xml"), `-Dmaven.repo.local=${repository}`],
        ...[
          `${plugin}:copy-dependencies`,
          "-DincludeScope=runtime",
          `-DoutputDirectory=${join(work, "lib")}`,
        ],
        `-DexcludeTransitive=${!source.closure}`,
      ]);
      const files = readdirSync(join(work, "lib"));
      const target = join(directory, "file");
      if (source.closure) {
        await writeTar(`${target}.gz`, entriesBelow(join(work, "lib"), join(title, "lib")));
      } else {
        const [file, ...others] = files;
        if (!file || others.length > 0)
          throw new Error(`Maven gives ${files.length} files for it instead of one`);
        const { sha256 } = await sumOf(join(work, "lib", file));
        if (source.sha256 && sha256 !== source.sha256)
          throw new Error(`${source.coordinates} has checksum ${sha256}, expected ${source.sha256}`);
        copyFileSync(join(work, "lib", file), target);
      }
      rmSync(work, { recursive: true });
    }),
  );
  return join(directory, source.closure ? "file.gz" : "file");
}

/** A project that depends on the artifact and is nothing else. */
export function renderPom({ coordinates, repository }: MavenSource): string {
  const [group = "", artifact = "", version = "", ...rest] = coordinates.split(":");
  const type = rest.at(-1) ?? "jar";
  const classifier = rest.length > 1 ? rest[0] : undefined;
  const element = (name: string, text: string) =>
    `<${name}>${text.replace(/[<&]/g, (sign) => (sign === "<" ? "&lt;" : "&amp;"))}</${name}>`;
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0">',
    "<modelVersion>4.0.0</modelVersion>",
    element("groupId", "bundle") + element("artifactId", "bundle") + element("version", "1"),
    element("packaging", "pom"),
    repository &&
      `<repositories><repository><id>bundle</id>${element("url", repository)}</repository></repositories>`,
    "<dependencies><dependency>",
    element("groupId", group) + element("artifactId", artifact) + element("version", version),
    element("type", type) + (classifier ? element("classifier", classifier) : ""),
    "</dependency></dependencies>",
    "</project>",
    "",
  ]
    .filter((line) => line !== undefined)
    .join("\n");
}
