import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Document, parseDocument } from "yaml";
import { readManifest } from "../components/artifact/reader/bundle";
import { readArtifact } from "../components/artifact/reader/read";
import { run, runMain } from "../toolchain/commands";
import { releasesDirectory, systemFacts } from "./release-facts";
import { askedPackages, dockerPackages, fetchedBinaries, inArtifact, inImage } from "./release-sources";

const usage = `usage:
  npm run releases -- --release 5.33 --checkout DIR       facts of a release, from a checkout of wire-server-deploy at it
  npm run releases -- --release 5.33 --artifact LOCATION  besides, all packages and programs: from Wire's archive or its manifest
  npm run releases -- --image-manifest FILE               whether Ubuntu's cloud image has what is assumed of it`;

/** `npm run releases`: renews what is known of Wire's releases, in the folder `releases`. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      release: { type: "string" },
      checkout: { type: "string" },
      artifact: { type: "string" },
      "image-manifest": { type: "string" },
    },
  });
  const { release, checkout, artifact } = values;
  if (values["image-manifest"]) return checkImage(asTyped(values["image-manifest"]));
  if (!release || !/^\d+(\.\d+)+$/.test(release) || (!checkout && !artifact)) throw new Error(usage);
  mkdirSync(join(releasesDirectory, release), { recursive: true });
  if (checkout) await fromCheckout(release, asTyped(checkout));
  if (artifact) await fromArtifact(release, artifact);
  return 0;
}

/** A path as it was typed: npm runs commands in the project's folder and keeps the one it was called in here. */
const asTyped = (path: string) => (/^https?:/.test(path) ? path : resolve(process.env.INIT_CWD ?? ".", path));

async function fromCheckout(release: string, checkout: string): Promise<void> {
  const commit = (await run("git", ["-C", checkout, "rev-parse", "--short=8", "HEAD"])).trim();
  const script = readFileSync(join(checkout, "nix/scripts/mirror-apt-jammy.sh"), "utf8");
  const { files, versions } = fetchedBinaries(
    readFileSync(join(checkout, "nix/pkgs/wire-binaries.nix"), "utf8"),
  );
  edit(release, "packages.yaml", (facts) => {
    facts.setIn(["apt", "source"], `wire-server-deploy ${commit}, nix/scripts/mirror-apt-jammy.sh`);
    facts.setIn(["apt", "asked"], askedPackages(script));
    facts.setIn(["apt", "docker"], dockerPackages(script));
    if (!facts.hasIn(["apt", "brought"])) facts.setIn(["apt", "brought"], {});
  });
  edit(release, "binaries.yaml", (facts) => {
    facts.set("source", `wire-server-deploy ${commit}, nix/pkgs/wire-binaries.nix`);
    facts.set("files", files);
    facts.set("versions", versions);
  });
}

async function fromArtifact(release: string, location: string): Promise<void> {
  const manifest = location.endsWith(".json")
    ? readManifest(asTyped(location))
    : await readArtifact(asTyped(location));
  const { packages, binaries } = inArtifact(manifest);
  edit(release, "packages.yaml", (facts) => facts.setIn(["apt", "closure"], packages));
  edit(release, "binaries.yaml", (facts) => {
    facts.set("source", manifest.name);
    facts.set("files", binaries);
  });
}

function edit(release: string, name: string, change: (facts: Document) => void): void {
  const file = join(releasesDirectory, release, name);
  const facts = existsSync(file) ? parseDocument(readFileSync(file, "utf8")) : new Document({});
  change(facts);
  writeFileSync(file, facts.toString({ lineWidth: 0 }));
  console.log(`wrote releases/${release}/${name}`);
}

function checkImage(file: string): number {
  const there = inImage(readFileSync(file, "utf8"));
  const lacking = systemFacts().cloudImage.packages.filter((name) => !there.has(name));
  console.log(
    lacking.length > 0
      ? `the image lacks ${lacking.join(", ")}, which releases/jammy.yaml assumes of it`
      : `the image has all that releases/jammy.yaml assumes of it, and ${there.size} packages in all`,
  );
  return lacking.length > 0 ? 1 : 0;
}

runMain(main, usage);
