import { quote } from "../../config/quote";
import {
  type AptRepository,
  type ArtifactFile,
  type ArtifactManifest,
  parseManifest,
  renderManifest,
} from "../manifest";
import { readImage } from "./image";
import { type ArchiveStream, nameOf, type OnProgress, openArchive } from "./source";
import { gunzip, type Problem, readText, Tree, type Visit } from "./tar";
import { describesCharts, readCharts } from "./wire-charts";

/**
 * The layout of Wire's `wire-server-deploy-static-<HASH>.tgz`, and the only place that knows it. In the archive lie
 * `debs-<suite>.tar` (the root of aptly: `db`, `pool`, and `public`, which is served), `binaries.tar`,
 * `containers-system.tar` and `containers-helm.tar`, each with a folder of its own name, and the folders
 * `containers-adminhost`, `charts`, `values`, `versions`, `ansible`, `bin` and `dashboards`.
 */

/** Archives in the archive. A file's path begins with the name of the one that it lies in. */
const inner = /^(debs-[a-z]+|binaries|containers-(system|helm))\.tar$/;
const required = ["binaries", "containers-system", "containers-helm"];

/** Which file of `binaries` is what. The version stands in its name, or in `versions/wire-binaries.json`. */
const binaries: readonly { name: string; file: RegExp; versionOf?: string }[] = [
  { name: "kubelet", file: /^kubelet$/, versionOf: "kube" },
  { name: "kubeadm", file: /^kubeadm$/, versionOf: "kube" },
  { name: "kubectl", file: /^kubectl$/, versionOf: "kube" },
  { name: "crictl", file: /^crictl-(v.+)-linux-amd64\.tar\.gz$/ },
  { name: "containerd", file: /^containerd-(.+)-linux-amd64\.tar\.gz$/ },
  { name: "nerdctl", file: /^nerdctl-(.+)-linux-amd64\.tar\.gz$/ },
  { name: "runc", file: /^runc\.amd64$/, versionOf: "runc" },
  { name: "etcd", file: /^etcd-(v.+)-linux-amd64\.tar\.gz$/ },
  { name: "cni-plugins", file: /^cni-plugins-linux-amd64-(v.+)\.tgz$/ },
  // The source of Calico as GitHub packs it, whose name has nothing but the version.
  { name: "calico-crds", file: /^(v\d+\.\d+\.\d+)\.tar\.gz$/ },
  { name: "calicoctl", file: /^calicoctl-linux-amd64$/, versionOf: "calico" },
  { name: "cassandra", file: /^apache-cassandra-(.+)-bin\.tar\.gz$/ },
  { name: "elasticsearch", file: /^elasticsearch-oss-(.+)\.deb$/ },
  { name: "minio", file: /^minio\.(RELEASE\..+)$/ },
  { name: "mc", file: /^mc\.(RELEASE\..+)$/ },
  { name: "jmx-prometheus-javaagent", file: /^jmx_prometheus_javaagent-(.+)\.jar$/ },
  { name: "postgres-exporter", file: /^postgres_exporter-(.+)\.linux-amd64\.tar\.gz$/ },
];
const debianPackage = /^([a-z0-9][a-z0-9+.-]*)_([^_]+)_(?:amd64|all)\.deb$/;

const imageArchive = /^containers-(system|helm|adminhost)\/[^/]+\.(tar|tgz)$/;
const release = /^(debs-[a-z]+\/public)\/dists\/([^/]+)\/Release$/;
const packageList = /^(debs-[a-z]+\/public)\/dists\/.*\/Packages(\.gz)?$/;
const versionList = "versions/wire-binaries.json";
const imageList = /^containers-[a-z]+\/index\.txt$/;
const texts = [release, packageList, imageList];

/**
 * Reads what one of Wire's artifacts holds. It is streamed once and never stored; a few minutes for 5 GB.
 * @param location path or http(s) URL of the .tgz.
 * @throws Error with everything that is wrong with it.
 */
export async function readWireArtifact(location: string, onProgress?: OnProgress): Promise<ArtifactManifest> {
  const found = new Findings();
  const archive = openArchive(location, onProgress);
  const tree = await scanWireArchive(archive, found.visit);
  const broken = tree.resolveLinks().filter(({ path }) => kindOf(path) !== "other");
  const profile = smallerProfile(tree);
  if (profile)
    throw new Error(
      `${location} is a ${profile} build of Wire's: it has neither Debian packages nor programs. Take the default ` +
        "build of the same release, wire-server-deploy-static-<HASH>.tgz",
    );
  const unusable = [
    ...broken.filter((each) => !isNoImage(each)),
    ...found.damaged,
    ...unlisted(tree, found),
  ].map(({ path, problem }) => ({ path: plainPath(path), problem }));
  const files = [...tree.files]
    .map(([path, sum]) => ({ path: plainPath(path), archive: archive.name, ...sum, ...found.describe(path) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const problems = [...broken.filter(isNoImage), ...incomplete(tree, found)];
  if (problems.length > 0)
    throw new Error(
      `${location} is not complete, or not as Wire builds it:\n` +
        problems.map(({ path, problem }) => `  ${path} ${problem}`).join("\n") +
        "\nFetch it again; if it stays so, this release cannot be used.",
    );
  return parseManifest(
    renderManifest({
      format: 1,
      name: archive.name.replace(/\.(tgz|tar\.gz)$/, ""),
      layout: "wire",
      archives: [{ name: archive.name, ...archive.checksum() }],
      apt: found.aptRepositories(),
      charts: readCharts(found.texts),
      unusable,
      files,
    }),
  );
}

/**
 * Streams one of Wire's artifacts; its links are not resolved yet.
 * @throws Error that says in which file reading broke off.
 */
export async function scanWireArchive(
  archive: ArchiveStream,
  visit: Visit,
  tree = new Tree(),
): Promise<Tree> {
  try {
    await tree.read(gunzip(onlyGzip(archive)), visit, (path) => inner.test(path));
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    // zlib's own words are "unexpected end of file", and things like "incorrect data check".
    const reasons: Record<string, string> = {
      Z_BUF_ERROR: "truncated",
      Z_DATA_ERROR: `damaged (${message})`,
    };
    const reason = code && reasons[code] ? `it is ${reasons[code]}; fetch it again` : message;
    throw new Error(`${archive.name}${tree.current ? `, in or after ${tree.current}` : ""}: ${reason}`, {
      cause: error,
    });
  }
  return tree;
}

async function* onlyGzip({ name, bytes }: ArchiveStream): AsyncGenerator<Buffer> {
  let first = true;
  for await (const chunk of bytes) {
    if (first && !(chunk[0] === 0x1f && chunk[1] === 0x8b))
      throw new Error(
        `${name} is not packed with gzip; ` +
          (chunk[0] === "<".charCodeAt(0)
            ? "it looks like a web page that was saved in its place"
            : `it begins with ${quote(chunk.subarray(0, 40).toString("latin1"))}`),
      );
    first = false;
    yield chunk;
  }
  if (first) throw new Error(`${name} is empty`);
}

/**
 * A path as the manifest has it: what a plain path cannot have is percent-encoded. Among Wire's files, only
 * dashboards and the like have such names.
 */
export const plainPath = (path: string): string =>
  path.replace(/[^A-Za-z0-9_.+~:@%=,/-]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join(""),
  );

function kindOf(path: string): ArtifactFile["kind"] {
  if (plainPath(path) !== path) return "other";
  if (/^debs-[a-z]+\/public\//.test(path)) return "apt";
  if (/^binaries\/[^/]+$/.test(path)) return "binary";
  if (imageArchive.test(path)) return "image";
  if (/^containers-[a-z]+\/index\.txt$/.test(path)) return "index";
  if (/^charts\/[^/]+\/./.test(path)) return "chart";
  return "other";
}

/** What is read out of the files on their way, beside their checksums. */
class Findings {
  /** Images that cannot be read. Whether one is needed is for the deployment to say: most artifacts have more. */
  readonly damaged: Problem[] = [];
  readonly texts = new Map<string, string>();
  private readonly images = new Map<string, Awaited<ReturnType<typeof readImage>>>();
  private versionsOfCharts: Map<string, string | undefined> | undefined;
  private named: Map<string, { name: string; version: string; sha256: string }> | undefined;

  readonly visit: Visit = async (path, content) => {
    if (path === versionList || describesCharts(path) || texts.some((pattern) => pattern.test(path)))
      this.texts.set(path, await readText(path.endsWith(".gz") ? gunzip(content) : content));
    else if (imageArchive.test(path))
      try {
        this.images.set(path, await readImage(path.endsWith(".tgz") ? gunzip(content) : content));
      } catch (error) {
        this.damaged.push({ path, problem: (error as Error).message });
      }
  };

  /** The packages of all apt repositories, by the path of their file. */
  get packages() {
    if (this.named) return this.named;
    this.named = new Map();
    for (const [path, text] of this.texts) {
      const root = packageList.exec(path)?.[1];
      if (!root) continue;
      for (const paragraph of text.split(/\n\n+/)) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1] ?? "";
        if (field("Filename"))
          this.named.set(`${root}/${field("Filename")}`, {
            name: field("Package"),
            version: field("Version"),
            sha256: field("SHA256"),
          });
      }
    }
    return this.named;
  }

  aptRepositories(): AptRepository[] {
    return [...this.texts].flatMap(([file, text]) => {
      const [, path, suite] = release.exec(file) ?? [];
      if (!path || !suite) return [];
      const words = (name: string) =>
        (new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1] ?? "").split(" ").filter(Boolean);
      return [
        {
          path,
          suite,
          components: words("Components"),
          architectures: words("Architectures").filter((name) => name !== "all" && name !== "source"),
          key: `${path}/gpg`,
        },
      ];
    });
  }

  describe(path: string): Pick<ArtifactFile, "kind" | "name" | "version" | "image"> {
    const kind = kindOf(path);
    const [folder = "", file = ""] = path.split("/");
    switch (kind) {
      case "binary":
        return { kind, ...this.identifyBinary(file) };
      case "apt": {
        const found = this.packages.get(path);
        return { kind, ...(found && { name: found.name, version: found.version }) };
      }
      case "image": {
        const found = this.images.get(path);
        if (!found) return { kind: "other" };
        // Under its tag alone, though its file may be named after a digest: a docker-archive cannot keep that.
        const { reference } = found;
        const set = folder.slice("containers-".length) as "system" | "helm" | "adminhost";
        return { kind, name: reference, image: { reference, id: found.id, format: "docker-archive", set } };
      }
      case "chart": {
        const version = this.charts.get(file);
        return { kind, name: file, ...(version && { version }) };
      }
      default:
        return { kind };
    }
  }

  /** Versions of the charts by name. */
  private get charts(): Map<string, string | undefined> {
    this.versionsOfCharts ??= new Map(readCharts(this.texts).map(({ name, version }) => [name, version]));
    return this.versionsOfCharts;
  }

  private identifyBinary(file: string): { name?: string; version?: string } {
    const [, name, version] = debianPackage.exec(file) ?? [];
    if (name) return { name, version };
    const known = binaries.find((binary) => binary.file.test(file));
    if (!known) return {};
    const stated = known.versionOf ? this.versions[known.versionOf] : known.file.exec(file)?.[1];
    return { name: known.name, ...(stated && { version: stated }) };
  }

  /** Not parsed as JSON: the list is made with sed, and one line of the kind it did not expect would void it all. */
  private get versions(): Record<string, string | undefined> {
    const entries = (this.texts.get(versionList) ?? "").matchAll(/"(\w+)":\s*{\s*"version":\s*"([^"]+)"/g);
    return Object.fromEntries([...entries].map(([, name, version]) => [name, version]));
  }
}

/** What the lists in an artifact name and the artifact does not have. */
function incomplete(tree: Tree, found: Findings): Problem[] {
  const problems: Problem[] = [];
  const folders = new Set([...tree.files.keys()].map((path) => path.split("/")[0] ?? ""));
  for (const folder of required)
    if (!folders.has(folder)) problems.push({ path: `${folder}.tar`, problem: "is missing" });
  const repositories = found.aptRepositories();
  if (repositories.length === 0)
    problems.push({ path: "debs-<suite>.tar", problem: "is missing, or has no apt repository in it" });
  for (const { key } of repositories)
    if (!tree.files.has(key))
      problems.push({ path: key, problem: "is missing: the key that has signed the packages" });
  for (const [path, { sha256 }] of found.packages) {
    const file = tree.files.get(path);
    if (!file) problems.push({ path, problem: "is missing, and the list of packages names it" });
    else if (file.sha256 !== sha256)
      problems.push({ path, problem: `has checksum ${file.sha256}, the list of packages says ${sha256}` });
  }
  return problems;
}

/** Images that a list names and the artifact does not have. */
const unlisted = (tree: Tree, { texts }: Findings): Problem[] =>
  [...texts]
    .filter(([list]) => imageList.test(list))
    .flatMap(([list, text]) =>
      text
        .split("\n")
        .filter(Boolean)
        .map((name) => ({
          path: list.replace("index.txt", name),
          problem: `is missing, and ${list} names it`,
        })),
    )
    .filter(({ path }) => !tree.files.has(path));

const isNoImage = ({ path }: Problem): boolean => !imageArchive.test(path);

/** Wire builds three profiles under names that differ in a word; two are for hosts that have packages already. */
function smallerProfile(tree: Tree): string | undefined {
  const has = (folder: string) => [...tree.files.keys()].some((path) => path.startsWith(folder));
  const missing = ["debs-", "binaries/", "containers-system/"].every((folder) => !has(folder));
  if (!missing || !has("containers-helm/")) return undefined;
  return has("bin/") ? "demo" : "min";
}

/** Whether a location looks like one of Wire's artifacts rather than a bundle's folder. */
export const isWireArtifact = (location: string): boolean => /\.(tgz|tar\.gz)$/.test(nameOf(location));
