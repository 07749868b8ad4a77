import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseManifest } from "../../components/artifact/manifest";
import { Builder, contentOf, debianArchive, Site, sh, unpack, write } from "./bundle-site";

let root: string;
let site: Site;
let builder: Builder;
const at = (...path: string[]) => join(root, ...path);
/** The bundle of the list, made once for all tests. */
let first: Record<string, string>;

const list = (url: string) => `
name: small
apt:
  suite: bookworm
  packages: [wiab-hello]
  sources: ["deb [signed-by=key.asc] ${url} bookworm main"]
binaries:
  - { name: tiny, version: v1, licence: MIT, go: { module: tiny, package: ., variables: { main.greeting: good day } } }
  - { name: still, version: v1, licence: MIT, file: still-1, deb: "wiab-lib:/usr/share/wiab-lib/file" }
images:
  - reference: example.com/tiny:1
    set: helm
    scratch:
      files: { /tiny: { binary: tiny }, /etc/motd: { path: motd, mode: "0444" } }
      directories: { /data: { owner: "5:6", mode: "0750" } }
      entrypoint: [/tiny]
  - reference: tiny
    set: system
    scratch: { files: { /tiny: { binary: tiny } } }
charts:
  - { name: chart, path: chart }
`;

/** As the lab's list of Wire's versions has it: packages of two releases, some as files, and programs packed together. */
const pinned = (url: string) => `
name: pinned
apt:
  suite: bookworm
  packages: [wiab-hello]
  files: [wiab-java]
  pins: { sid: [wiab-java] }
  sources:
    - "deb [signed-by=key.asc] ${url} bookworm main"
    - "deb [signed-by=key.asc] ${url} sid main"
binaries:
  - name: programs
    version: v1
    licence: MIT
    file: programs-1.tar.gz
    archive:
      bin/tiny: { go: { module: tiny, package: ., variables: { main.greeting: good day } } }
      still: { deb: "wiab-lib:/usr/share/wiab-lib/file" }
`;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "wiab-bundle-"));
  mkdirSync(at("archive"));
  const key = debianArchive(at("archive"));
  site = await new Site(at("archive")).start();
  write(root, {
    "list/bundle.yaml": list(site.url),
    "list/smaller.yaml": list(site.url).replace("[wiab-hello]", "[wiab-lib]"),
    "list/pinned.yaml": pinned(site.url),
    "list/key.asc": key,
    "list/motd": "hello\n",
    "list/tiny/go.mod": "module example.com/tiny\n\ngo 1.26\n",
    "list/tiny/main.go": 'package main\n\nvar greeting = "none"\n\nfunc main() { print(greeting) }\n',
    "list/chart/Chart.yaml":
      "apiVersion: v2\nname: chart\nversion: 0.1.0\ndependencies: [{name: part, version: 0.1.0, repository: file://../part}]\n",
    "list/chart/templates/pod.yaml":
      "kind: Pod\nspec: {containers: [{name: a, image: 'example.com/tiny:1'}]}\n",
    "list/part/Chart.yaml": "apiVersion: v2\nname: part\nversion: 0.1.0\n",
    "list/part/templates/job.yaml":
      "kind: Job\nspec: {template: {spec: {containers: [{name: a, image: tiny}]}}}\n",
  });
  builder = new Builder(root);
  for (const cache of ["cache1", "cache2", "cache3"]) await builder.withHelm(cache);
  const run = await builder.run("cache1", [at("list/bundle.yaml"), "-o", at("first")]);
  expect(run.stderr).toContain("tiny is taken as docker.io/library/tiny:latest");
  expect(run).toMatchObject({ code: 0, stdout: `${at("first")} is made\n` });
  first = contentOf(at("first"));
}, 900_000);

afterAll(async () => {
  await site?.stop();
  rmSync(root, { recursive: true });
});

describe("a bundle", () => {
  it("has what its list names, each where its manifest says", () => {
    expect(Object.keys(first)).toEqual(
      ["SHA256SUMS", "manifest.json", "load-and-push-images.sh"]
        .concat(
          ["binaries", "charts", "containers-helm", "containers-system", "debs-bookworm"].map(
            (name) => `${name}.tar`,
          ),
        )
        .sort(),
    );
    sh("sha256sum --check --strict SHA256SUMS", at("first"));
    expect(readFileSync(at("first/SHA256SUMS"), "utf8").trimEnd().split("\n")).toHaveLength(7);
    unpack(at("first"), at("unpacked"));
    const manifest = parseManifest(readFileSync(at("first/manifest.json"), "utf8"));
    const unpacked = contentOf(at("unpacked"));
    expect(Object.fromEntries(manifest.files.map(({ path, sha256 }) => [path, sha256]))).toEqual(
      Object.fromEntries(Object.entries(unpacked).map(([path, content]) => [path, content.split(" ")[1]])),
    );
    const debs = manifest.files.filter(({ path }) => path.endsWith(".deb"));
    expect(debs.map(({ name, version, source }) => [name, version, source])).toEqual([
      ["wiab-hello", "1.0", `${site.url}/pool/wiab-hello.deb`],
      ["wiab-lib", "1:2.0+b1", `${site.url}/pool/wiab-lib.deb`],
    ]);
    expect(manifest.apt).toMatchObject([{ path: "debs-bookworm/public", key: "debs-bookworm/public/gpg" }]);
    expect(manifest.files.find(({ name }) => name === "tiny")).toMatchObject({
      path: "binaries/tiny",
      source: "example.com/tiny",
      licence: "MIT",
    });
    expect(sh(`${at("unpacked/binaries/tiny")} 2>&1`)).toBe("good day");
    expect(readFileSync(at("unpacked/binaries/still-1"), "utf8")).toBe("wiab-lib\n");
    expect(readFileSync(at("unpacked/containers-system/index.txt"), "utf8")).toBe(
      "docker.io_library_tiny_latest.tar\n",
    );
    expect(unpacked).toHaveProperty(["charts/chart/charts/part/templates/job.yaml"]);
  });

  it("takes from another release what is pinned to it alone, has packages as files and programs packed", async () => {
    const run = await builder.run("cache1", [at("list/pinned.yaml"), "-o", at("pinned")]);
    expect(run.stdout).toBe(`${at("pinned")} is made\n`);
    const { files } = parseManifest(readFileSync(at("pinned/manifest.json"), "utf8"));
    const named = files.flatMap(({ path, kind, name, version }) =>
      name === undefined ? [] : [[kind, name, version, path]],
    );
    expect(named).toEqual([
      ["binary", "programs", "v1", "binaries/programs-1.tar.gz"],
      ["binary", "wiab-java", "8u1", "binaries/wiab-java_8u1_amd64.deb"],
      ["apt", "wiab-hello", "1.0", "debs-bookworm/public/pool/main/w/wiab-hello/wiab-hello_1.0_amd64.deb"],
      ["apt", "wiab-lib", "1:2.0+b1", "debs-bookworm/public/pool/main/w/wiab-lib/wiab-lib_2.0+b1_amd64.deb"],
    ]);
    expect(
      sh(
        "tar -xOf pinned/binaries.tar binaries/programs-1.tar.gz | tar -xz && bin/tiny 2>&1; cat still",
        root,
      ),
    ).toBe("good daywiab-lib\n");
  }, 300_000);

  it("has images that skopeo takes, with files, folders and owners as listed", () => {
    const file = at("unpacked/containers-helm/example.com_tiny_1.tar");
    const inspect = (...args: string[]) =>
      JSON.parse(
        execFileSync("skopeo", ["inspect", ...args, `docker-archive:${file}`], { encoding: "utf8" }),
      );
    expect(inspect("--config").config).toMatchObject({ Entrypoint: ["/tiny"] });
    const [layer] = JSON.parse(sh(`tar -xOf ${file} manifest.json`))[0].Layers;
    expect(
      sh(`tar -xOf ${file} ${layer} | tar --numeric-owner -tv | awk '{print $1, $2, $6}'`).trim().split("\n"),
    ).toEqual([
      "drwxr-x--- 5/6 data/",
      "drwxr-xr-x 0/0 etc/",
      "-r--r--r-- 0/0 etc/motd",
      "-rwxr-xr-x 0/0 tiny",
    ]);
    const { image } = parseManifest(readFileSync(at("first/manifest.json"), "utf8")).files.find(
      ({ name }) => name === "example.com/tiny:1",
    ) as { image?: { id: string } };
    const digest = sh(
      `skopeo inspect --config --raw docker-archive:${file} | sha256sum | cut -d ' ' -f 1`,
    ).trim();
    expect(image).toMatchObject({ id: `sha256:${digest}`, format: "docker-archive", set: "helm" });
  });

  it("has the same bytes from another empty cache", async () => {
    mkdirSync(at("second"));
    const run = await builder.run("cache2", [at("list/bundle.yaml"), "--output", at("second")]);
    expect(run.code).toBe(0);
    expect(contentOf(at("second"))).toEqual(first);
  });

  it("transfers nothing and touches nothing the second time, and asks again when told to", async () => {
    const { ino, mtimeMs } = statSync(at("first"));
    const before = site.requests.length;
    const run = await builder.run("cache1", [at("list/bundle.yaml"), "-o", at("first")]);
    expect(run).toMatchObject({ code: 0, stdout: `${at("first")} was so already\n` });
    expect(site.requests.length).toBe(before);
    expect(statSync(at("first"))).toMatchObject({ ino, mtimeMs });
    await builder.run("cache1", [at("list/bundle.yaml"), "-o", at("first"), "--refresh"]);
    expect(site.requests.slice(before)).toContain("/dists/bookworm/InRelease");
    // What has not changed is not sent again.
    expect(site.requests.slice(before).filter((path) => path.startsWith("/pool/"))).toEqual([]);
    expect(contentOf(at("first"))).toEqual(first);
  });
});

describe("a builder that is killed", () => {
  it("leaves no half bundle, and the next one goes on where it was", async () => {
    site.stalled.add("/pool/wiab-lib.deb");
    const before = site.requests.length;
    const { child, ended } = builder.start("cache3", [at("list/bundle.yaml"), "-o", at("killed")]);
    await expect.poll(() => site.requests.slice(before), { timeout: 30_000 }).toContain("/pool/wiab-lib.deb");
    // All that does not need that package.
    await expect
      .poll(
        () =>
          existsSync(at("cache3/bundle-part")) &&
          readdirSync(at("cache3/bundle-part")).filter((name) => !name.includes(".")).length,
        { timeout: 30_000 },
      )
      .toBeGreaterThanOrEqual(4);
    process.kill(-(child.pid as number), "SIGKILL");
    await ended;
    expect(existsSync(at("killed"))).toBe(false);
    site.stalled.clear();
    const programs = () => Object.keys(contentOf(at("cache3"))).filter((path) => path.endsWith("/program"));
    const built = programs().map((path) => statSync(at("cache3", path)).mtimeMs);
    const run = await builder.run("cache3", [at("list/bundle.yaml"), "-o", at("killed")]);
    expect(run).toMatchObject({ code: 0, stdout: `${at("killed")} is made\n` });
    expect(contentOf(at("killed"))).toEqual(first);
    expect(programs().map((path) => statSync(at("cache3", path)).mtimeMs)).toEqual(built);
    expect(readdirSync(root).filter((name) => name.includes(".building"))).toEqual([]);
  });
});

describe("the folder of a bundle", () => {
  it("is replaced when it holds another bundle or a damaged one", async () => {
    sh(`cp -r first other && echo x >>other/charts.tar`, root);
    const run = await builder.run("cache1", [at("list/bundle.yaml"), "-o", at("other")]);
    expect(run).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("has taken the former bundle's place"),
    });
    expect(contentOf(at("other"))).toEqual(first);
  });

  it("keeps a signature that fits", async () => {
    sh("cp -r first signed && echo signature >signed/SHA256SUMS.asc", root);
    const run = await builder.run("cache1", [at("list/bundle.yaml"), "-o", at("signed")]);
    expect(run.stdout).toContain("was so already");
    expect(readFileSync(at("signed/SHA256SUMS.asc"), "utf8")).toBe("signature\n");
  });

  it("is left alone when it holds something else", async () => {
    write(root, { "precious/thesis.txt": "mine\n" });
    const run = await builder.run("cache1", [at("list/bundle.yaml"), "-o", at("precious")]);
    expect(run).toMatchObject({ code: 1, stderr: expect.stringContaining("exists and is no bundle") });
    expect(readdirSync(at("precious"))).toEqual(["thesis.txt"]);
  });

  it("is not begun on a disk that is too small for it", async () => {
    mkdirSync(at("disk"));
    const script = `mount -t tmpfs -o size=1m tmpfs '${at("disk")}'; "$@"; code=$?; ls '${at("disk")}'; exit $code`;
    const prefix = ["unshare", "--mount", "sh", "-c", script, "sh"];
    const run = await builder.run("cache1", [at("list/bundle.yaml"), "-o", at("disk/bundle")], prefix);
    expect(run).toMatchObject({ code: 1, stdout: "" });
    expect(run.stderr).toMatch(/the bundle takes \d+ MB, and \S+\/disk has \d MB left: make room there/);
  });
});

describe("a cache on a disk that is full", () => {
  it("is said to be the one that needs room", async () => {
    mkdirSync(at("cache4"));
    const script = `mount -t tmpfs -o size=300k tmpfs '${at("cache4")}'; exec "$@"`;
    const run = await builder.run(
      "cache4",
      [at("list/smaller.yaml"), "-o", at("none")],
      ["unshare", "--mount", "sh", "-c", script, "sh"],
    );
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`A disk is full: make room in ${at("cache4")}`);
    expect(existsSync(at("none"))).toBe(false);
  });
});

/** A system without packages, whose apt and dpkg know nothing but one repository. */
function emptySystem(name: string, repository: string): (command: string) => string {
  const system = at(name);
  sh(
    `mkdir -p '${system}'/{etc,lists/partial,cache/archives/partial,root/var/lib/dpkg/{info,updates}}
     touch '${system}/root/var/lib/dpkg/status'`,
  );
  const key = join(repository, "gpg");
  writeFileSync(
    join(system, "etc/sources.list"),
    `deb [signed-by=${key}] file:${repository} bookworm main\n`,
  );
  const options = {
    "Dir::Etc::sourcelist": join(system, "etc/sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::trusted": "/dev/null",
    "Dir::Etc::trustedparts": "/dev/null",
    "Dir::State::lists": join(system, "lists"),
    "Dir::State::status": join(system, "root/var/lib/dpkg/status"),
    "Dir::State::extended_states": join(system, "extended_states"),
    "Dir::Cache": join(system, "cache"),
    "Dir::Log": system,
    "DPkg::Options::": `--root=${system}/root`,
    "APT::Sandbox::User": "root",
  };
  const given = Object.entries(options)
    .map(([option, value]) => `-o '${option}=${value}'`)
    .join(" ");
  return (command) => sh(`apt-get -qq -y ${given} ${command}`);
}

describe("the packages of a bundle", () => {
  const repository = (name: string) => at(name, "debs-bookworm/public");
  const copy = (name: string) => {
    unpack(at("first"), at(name));
    return repository(name);
  };

  it("are installed by an apt that trusts the bundle's key alone", () => {
    const apt = emptySystem("apt1", copy("repository1"));
    apt("update");
    apt("install wiab-hello");
    expect(readFileSync(at("apt1/root/usr/share/wiab-lib/file"), "utf8")).toBe("wiab-lib\n");
    expect(existsSync(at("apt1/root/usr/share/wiab-extra"))).toBe(false);
    expect(() => apt("install wiab-extra")).toThrow("no installation candidate");
  });

  it("are taken anew by an apt that has seen a former bundle", async () => {
    const run = await builder.run("cache1", [at("list/smaller.yaml"), "-o", at("smaller")]);
    expect(run.code).toBe(0);
    const folder = copy("repository2");
    const apt = emptySystem("apt2", folder);
    apt("update");
    expect(apt("install --dry-run wiab-hello")).toContain("Inst wiab-hello");
    unpack(at("smaller"), at("unpacked-smaller"));
    rmSync(folder, { recursive: true });
    renameSync(repository("unpacked-smaller"), folder);
    apt("update");
    expect(() => apt("install --dry-run wiab-hello")).toThrow(/Unable to locate package wiab-hello/);
    expect(apt("install --dry-run wiab-lib")).toContain("Inst wiab-lib");
  });

  it("are refused when one is not as it was", () => {
    const folder = copy("repository3");
    const deb = sh("find pool -name 'wiab-lib_*.deb'", folder).trim();
    expect(deb).toBe("pool/main/w/wiab-lib/wiab-lib_2.0+b1_amd64.deb");
    sh(`printf x | dd of='${join(folder, deb)}' bs=1 seek=100 conv=notrunc status=none`);
    const apt = emptySystem("apt3", folder);
    apt("update");
    expect(() => apt("install wiab-hello")).toThrow(/Hash Sum mismatch|unexpected/i);
    expect(existsSync(at("apt3/root/usr/share/wiab-lib"))).toBe(false);
  });

  it.each([
    ["index", "dists/bookworm/main/binary-amd64/Packages.gz", /Hash Sum mismatch|unexpected size/i],
    ["list of indices", "dists/bookworm/InRelease", /not signed|signatures? (were|was) invalid|isn't/i],
  ])("are refused when their %s is not as it was", (name, file, message) => {
    const folder = copy(`repository-${name.length}`);
    if (file.endsWith(".gz")) rmSync(join(folder, file.slice(0, -3)));
    if (file.endsWith(".gz")) appendFileSync(join(folder, file), "x");
    else
      writeFileSync(
        join(folder, file),
        readFileSync(join(folder, file), "utf8").replace("Suite: ", "Suite: x"),
      );
    rmSync(join(folder, "dists/bookworm/Release.gpg"));
    const apt = emptySystem(`apt-${name.length}`, folder);
    expect(() => {
      apt("update --error-on=any");
    }).toThrow(message);
  });

  it("are taken from nobody but whom the list trusts", async () => {
    mkdirSync(at("other-archive"));
    write(root, {
      "list/foreign.yaml": list(site.url),
      "list/foreign.asc": debianArchive(at("other-archive")),
    });
    sh("sed -i s/key.asc/foreign.asc/ list/foreign.yaml", root);
    const run = await builder.run("cache1", [at("list/foreign.yaml"), "-o", at("foreign")]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/apt \(Debian packages\): apt-get .*update[\s\S]*NO_PUBKEY/);
    expect(existsSync(at("foreign"))).toBe(false);
  });

  it("are each missed by their name", async () => {
    write(root, { "list/unknown.yaml": list(site.url).replace("[wiab-hello]", "[wiab-hello, wiab-none]") });
    const run = await builder.run("cache1", [at("list/unknown.yaml"), "-o", at("unknown")]);
    expect(run).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("Unable to locate package wiab-none"),
    });
  });
});

describe("the key that signs bundles", () => {
  it("is made once and closed to others", () => {
    const key = at("config/wiab-staging/bundle-key");
    expect(readdirSync(at("config/wiab-staging"))).toEqual(["bundle-key"]);
    expect(statSync(key).mode & 0o777).toBe(0o700);
    const told = sh(
      `gpg --homedir '${key}' --batch --with-colons --list-secret-keys 2>/dev/null; gpgconf --homedir '${key}' --kill gpg-agent`,
    );
    // Without a day on which it expires.
    expect(told).toMatch(/^sec:u:255:22:[0-9A-F]{16}:\d+:::/m);
  });
});
