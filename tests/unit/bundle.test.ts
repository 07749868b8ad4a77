import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { imagesIn } from "../../bundle/charts/images";
import { poolPath } from "../../bundle/debian/repository";
import { layerOf, renderConfiguration } from "../../bundle/images/built";
import { Limit } from "../../bundle/limit";
import { refuseAmbiguous } from "../../bundle/pack";
import { builderPackages, missingBuilderPackages } from "../../bundle/packages";
import { bundleKey, readSpecification } from "../../bundle/read";
import { renderPom } from "../../bundle/sources/maven";
import { goCommand } from "../../bundle/sources/program";
import { originOf } from "../../bundle/sources/source";
import { specification } from "../../bundle/specification";
import { writeTar } from "../../bundle/tar";
import { fileNameOf, isLoopback, normalise, parseReference } from "../../components/artifact/reference";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-bundle-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Writes files below `root`, by their path. */
const write = (files: Record<string, string>) => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
};
const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

describe("an image reference", () => {
  it.each([
    ["nginx", "docker.io/library/nginx:latest"],
    ["nginx:1.25", "docker.io/library/nginx:1.25"],
    ["foo/bar:1", "docker.io/foo/bar:1"],
    ["docker.io/nginx", "docker.io/library/nginx:latest"],
    ["index.docker.io/foo/bar:1", "docker.io/foo/bar:1"],
    ["quay.io/wire/brig:5.32.0", "quay.io/wire/brig:5.32.0"],
    ["quay.io/wire/brig", "quay.io/wire/brig:latest"],
    ["localhost/foo:1", "localhost/foo:1"],
    ["registry:5000/foo", "registry:5000/foo:latest"],
    ["127.0.0.1:5000/foo/bar", "127.0.0.1:5000/foo/bar:latest"],
    [`quay.io/foo@${digest}`, `quay.io/foo@${digest}`],
    [`foo:1.2@${digest}`, `docker.io/library/foo@${digest}`],
    ["quay.io/a__b/c-d.e--f:V_1", "quay.io/a__b/c-d.e--f:V_1"],
  ])("%s is %s in full", (reference, full) => {
    expect(normalise(reference)).toBe(full);
    expect(normalise(full)).toBe(full);
  });

  it.each([
    "",
    "Foo",
    "foo:",
    "foo@sha256:12",
    "quay.io/",
    "http://quay.io/foo",
    "foo bar",
    "foo:a/b:c",
    "a//b",
  ])("is not %j", (text) => expect(() => normalise(text)).toThrow(`${text} is no image reference`));

  it("names its file as Wire's artifact does", () => {
    expect(fileNameOf("quay.io/wire/brig:5.32.0")).toBe("quay.io_wire_brig_5.32.0.tar");
    expect(fileNameOf(`quay.io/foo@${digest}`)).toBe(`quay.io_foo_${digest.replace(":", "_")}.tar`);
  });

  it.each([
    ["127.0.0.1:5000/a", true],
    ["localhost:5000/a", true],
    ["127.0.0.1.example.com/a", false],
    ["quay.io/a", false],
  ])("%s is of a registry on this machine: %s", (text, expected) => {
    expect(isLoopback(parseReference(text))).toBe(expected);
  });
});

describe("images of different registries", () => {
  const made = (reference: string, id: string) => ({ image: { reference, set: "helm" as const }, id });

  it("may not share a path when they are different, whichever was made first", () => {
    const both = [made("quay.io/a/b:1", "one"), made("docker.io/a/b:1", "two")];
    for (const images of [both, [...both].reverse()])
      expect(() => refuseAmbiguous(images)).toThrow(
        /docker\.io\/a\/b:1 and quay\.io\/a\/b:1 are different images/,
      );
  });

  it("may share it when they are the same, and a repository when the tags differ", () => {
    refuseAmbiguous([
      made("quay.io/a/b:1", "one"),
      made("docker.io/a/b:1", "one"),
      made("quay.io/a/b:2", "two"),
    ]);
  });
});

describe("the images that manifests name", () => {
  const pod = (image: string) => `{containers: [{name: a, image: "${image}"}]}`;

  it("are found in every kind of object that runs pods", () => {
    const manifests = [
      `kind: Pod\nspec: {initContainers: [{image: init}], containers: [{image: main}, {image: side}]}`,
      `kind: Deployment\nspec: {template: {spec: ${pod("deployment")}}}`,
      `kind: Job\nmetadata: {annotations: {helm.sh/hook: pre-install}}\nspec: {template: {spec: ${pod("hook")}}}`,
      `kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: ${pod("cron")}}}}}`,
      `kind: Database\nspec: {podTemplate: {spec: ${pod("custom")}}, ephemeralContainers: [{image: debug}]}`,
      `kind: List\nitems: [{kind: Pod, spec: ${pod("listed")}}]`,
    ];
    expect(imagesIn(manifests.join("\n---\n"))).toEqual(
      ["cron", "custom", "debug", "deployment", "hook", "init", "listed", "main", "side"].sort(),
    );
  });

  it("are each named once, and are not what merely looks like one", () => {
    const text = `kind: ConfigMap\ndata: {a: "containers: [{image: text}]", image: data}`;
    expect(imagesIn(`${text}\n---\nspec: ${pod("x")}\n---\nspec: ${pod("x")}\n---\n# nothing\n`)).toEqual([
      "x",
    ]);
    expect(imagesIn("")).toEqual([]);
    expect(imagesIn("containers: [{name: without}, null]\ninitContainers: none\n")).toEqual([]);
  });

  it("are found beside what YAML forbids and Kubernetes lets pass", () => {
    expect(imagesIn(`a: 1\na: 2\nspec: ${pod("x")}`)).toEqual(["x"]);
  });
});

/** A list with one of everything, and the files that it refers to. */
const everything = {
  "go/go.mod": "module example.com/program\n",
  "go/go.sum": "",
  "go/main.go": "package main\n",
  "nginx.conf": "worker_processes 1;\n",
  "values.yaml": "a: 1\n",
  "keyring.asc": "key\n",
  "chart/Chart.yaml":
    "name: chart\nversion: 1.0.0\ndependencies: [{name: common, repository: file://../common}]\n",
  "common/Chart.yaml": "name: common\nversion: 1.0.0\n",
  "unrelated.txt": "nobody names it\n",
  "bundle.yaml": `
name: all
apt:
  suite: bookworm
  packages: [hello]
  sources: ["deb [signed-by=keyring.asc] http://archive.example.com/ bookworm main"]
binaries:
  - { name: program, version: v1, licence: MIT, go: { module: go, package: . } }
  - name: tool
    version: v1
    licence: MIT
    file: tool.jar
    maven: { coordinates: "a:b:1:jar" }
images:
  - reference: nginx
    set: helm
  - reference: example.com/program:1
    set: system
    scratch: { files: { /program: { binary: program }, /etc/nginx.conf: { path: nginx.conf, mode: "0644" } } }
charts:
  - { name: chart, path: chart, values: [values.yaml], images: [foo/bar] }
`,
};
const list = () => join(root, "bundle.yaml");

describe("a list of what goes into a bundle", () => {
  it("is read with all references in full, and says which were not", () => {
    write(everything);
    const { specification, notes } = readSpecification(list());
    expect(specification.images.map(({ reference }) => reference)).toEqual([
      "docker.io/library/nginx:latest",
      "example.com/program:1",
    ]);
    expect(specification.charts[0]?.images).toEqual(["docker.io/foo/bar:latest"]);
    expect(notes).toEqual([
      "images[0].reference: nginx is taken as docker.io/library/nginx:latest",
      "charts[0].images[0]: foo/bar is taken as docker.io/foo/bar:latest",
    ]);
  });

  it("is refused with every key and value that is wrong", () => {
    write({
      "bundle.yaml":
        "name: Small\nbinary: []\napt: {suite: bookworm, packages: []}\nbinaries: [{name: a, version: v1, licence: MIT, url: 'https://example.com/a'}]\nimages: [{reference: a, set: other}]\n",
    });
    const message = messageOf(() => readSpecification(list()));
    for (const part of [
      "binary",
      "→ at name",
      "→ at apt.packages",
      "a URL needs its sha256",
      "→ at images[0].set",
    ])
      expect(message).toContain(part);
  });

  it.each<[string, Record<string, string>, string[]]>([
    ["nothing", { "bundle.yaml": "name: empty\n" }, ["lists nothing"]],
    ["what is not YAML", { "bundle.yaml": "name: [\n" }, ["cannot read", "bundle.yaml"]],
    [
      "files that are not there",
      { "go/go.mod": "", "nginx.conf": "", "values.yaml": "", "keyring.asc": "" },
      [
        "go/go.mod",
        "nginx.conf is not there\n  → at images[1]: /etc/nginx.conf",
        "values.yaml",
        "keyring.asc",
      ],
    ],
    [
      "two of a name",
      {
        "bundle.yaml": `name: twice
binaries:
  - { name: a, version: v1, licence: MIT, deb: "p:/a" }
  - { name: a, version: v1, licence: MIT, deb: "p:/a" }
  - { name: b, version: v1, licence: MIT, deb: "p:/a", file: a }
images:
  - { reference: nginx, set: helm }
  - { reference: docker.io/library/nginx:latest, set: helm }
  - { reference: "x.io/a/b:1", set: helm }
  - { reference: "x.io/a_b:1", set: helm }
`,
      },
      ["a second binary a\n  → at binaries[1]", "a second file a\n  → at binaries[2]"]
        .concat("a second image docker.io/library/nginx:latest\n  → at images[1]")
        .concat("a second image whose file would be x.io_a_b_1.tar\n  → at images[3]")
        .concat("a file of a Debian package needs `apt`"),
    ],
    [
      "what cannot be",
      {
        "bundle.yaml": `name: impossible
apt: { suite: s, packages: [p], sources: ["deb http://a.example/ s main", "deb [trusted=yes signed-by=AB] http://a.example/ s main"] }
binaries:
  - { name: a, version: v1, licence: MIT, maven: { coordinates: "a:b:1:zip", closure: true, sha256: "${"0".repeat(64)}" } }
images:
  - { reference: "x.io/a@${digest}", set: helm, scratch: { files: { /a: { binary: none, mode: rwx } } } }
  - { reference: "Not!", set: helm }
  - { reference: "x.io/b:1", set: helm, docker: "docker://B" }
  - { reference: "x.io/c:1", set: helm, debian: { packages: [p], directories: { /d: { owner: redis } } } }
charts:
  - { name: other, path: chart }
`,
      },
      [
        "→ at apt.sources[0]",
        "→ at apt.sources[1]",
        "it takes no sha256",
        "`closure` is for jars",
        "has no digest beforehand",
        "no binary none is listed",
        "rwx is no octal mode",
        "Not! is no image reference",
        "B is no image reference",
        "redis is no numeric uid:gid",
        "the chart in chart is named chart",
      ],
    ],
  ])("is refused with %s", (_, changes, parts) => {
    write({ ...everything, ...changes });
    for (const [path, text] of Object.entries(changes)) if (text === "") rmSync(join(root, path));
    const message = messageOf(() => readSpecification(list()));
    for (const part of parts) expect(message).toContain(part);
  });

  it("is in order where the lab has its own", () => {
    expect(readSpecification("lab/bundle.yaml").specification.name).toBe("lab");
  });
});

describe("the key of a bundle", () => {
  beforeEach(() => write(everything));

  it("stays the same wherever the files lie", () => {
    const before = bundleKey(list());
    const elsewhere = mkdtempSync(join(tmpdir(), "wiab-bundle-"));
    try {
      cpSync(root, elsewhere, { recursive: true });
      expect(bundleKey(join(elsewhere, "bundle.yaml"))).toBe(before);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
    write({ "unrelated.txt": "changed\n" });
    expect(bundleKey(list())).toBe(before);
  });

  it.each(Object.keys(everything).filter((path) => path !== "unrelated.txt"))("changes with %s", (path) => {
    const before = bundleKey(list());
    write({ [path]: `${everything[path as keyof typeof everything]}# changed\n` });
    expect(bundleKey(list())).not.toBe(before);
  });
});

describe("an archive", () => {
  it("follows from its entries alone", async () => {
    write({ one: "1", two: "2" });
    const one = { path: "folder/one", content: { file: join(root, "one") }, owner: { uid: 5, gid: 6 } };
    const two = { path: "a", content: { file: join(root, "two") }, mode: 0o4755 };
    const folder = { path: "folder", content: "directory" as const, mode: 0o700 };
    const sum = await writeTar(join(root, "first.tar"), [one, two, folder]);
    execFileSync("touch", ["--date=2001-01-01", join(root, "one")]);
    execFileSync("chmod", ["600", join(root, "two")]);
    await writeTar(join(root, "second.tar"), [folder, two, one]);
    expect(readFileSync(join(root, "second.tar"))).toEqual(readFileSync(join(root, "first.tar")));
    const listing = execFileSync("tar", ["--utc", "--numeric-owner", "-tvf", join(root, "first.tar")], {
      encoding: "utf8",
    });
    expect(
      listing
        .trimEnd()
        .split("\n")
        .map((line) => line.replace(/ +/g, " ")),
    ).toEqual([
      "-rwsr-xr-x 0/0 1 1970-01-01 00:00 a",
      "drwx------ 0/0 0 1970-01-01 00:00 folder/",
      "-rw-r--r-- 5/6 1 1970-01-01 00:00 folder/one",
    ]);
    const hash = execFileSync("sha256sum", [join(root, "first.tar")], { encoding: "utf8" }).split(" ")[0];
    expect(sum.sha256).toBe(hash);
    expect(sum.files.get("folder/one")).toEqual({
      size: 1,
      sha256: "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
    });
  });

  it("says which file it could not read", async () => {
    const entries = [{ path: "a", content: { file: join(root, "missing") } }];
    await expect(writeTar(join(root, "x.tar"), entries)).rejects.toThrow(/ENOENT.*missing/);
  });
});

describe("what parts are made with", () => {
  it("builds Go programs without C, or with C and static", () => {
    const source = {
      module: "m",
      package: "example.com/p",
      variables: { "a.b": "c d" },
      tags: ["x"],
      cgo: false,
    };
    expect(goCommand(source).args).toEqual([
      "build",
      "-ldflags",
      "-s -w -X 'a.b=c d'",
      "-tags",
      "x",
      "example.com/p",
    ]);
    expect(goCommand(source).env).toMatchObject({
      CGO_ENABLED: "0",
      GOFLAGS: expect.stringContaining("-trimpath"),
    });
    const withC = goCommand({ ...source, cgo: true });
    expect(withC.args[2]).toContain("-linkmode external -extldflags -static");
    expect(withC.args).toContain("x,netgo,osusergo");
    expect(withC.env.CGO_ENABLED).toBe("1");
  });

  it("asks Maven for exactly the artifact", () => {
    const pom = renderPom({
      coordinates: "g:a:1:bin:tar.gz",
      repository: "https://r.example/?a&b",
      closure: false,
    });
    for (const part of [
      "<groupId>g</groupId><artifactId>a</artifactId><version>1</version>",
      "<type>tar.gz</type><classifier>bin</classifier>",
      "<url>https://r.example/?a&amp;b</url>",
    ])
      expect(pom).toContain(part);
    expect(renderPom({ coordinates: "g:a:1:zip", closure: false })).not.toMatch(/classifier|repositor/);
  });

  it("puts packages where Debian has them, without an epoch or a percent sign", () => {
    expect(poolPath({ name: "hello", file: "/x/hello_2.10-3_amd64.deb" })).toBe(
      "pool/main/h/hello/hello_2.10-3_amd64.deb",
    );
    expect(poolPath({ name: "libc6", file: "/x/libc6_1%3a2.36-9+deb12u1_amd64.deb" })).toBe(
      "pool/main/libc/libc6/libc6_2.36-9+deb12u1_amd64.deb",
    );
  });

  it("says where a file came from, and no password", () => {
    write({ "go/go.mod": "module example.com/program\n" });
    const go = (path: string) => ({ module: "go", package: path, variables: {}, tags: [], cgo: false });
    expect(originOf({ go: go("k8s.io/kubernetes/cmd/kubelet") }, root)).toBe("k8s.io/kubernetes/cmd/kubelet");
    expect(originOf({ go: go(".") }, root)).toBe("example.com/program");
    expect(originOf({ go: go("./cmd/a") }, root)).toBe("example.com/program/cmd/a");
    expect(originOf({ url: "https://me:secret@example.com/a" }, root)).toBe("https://example.com/a");
  });

  it("gives an image its configuration, files and folders", () => {
    const parsed = specification.parse({
      name: "a",
      images: [
        {
          reference: "x.io/a:1",
          set: "helm",
          scratch: {
            files: { "/bin/a": { path: "a" } },
            directories: { "/data/": { owner: "5:6", mode: "1777" } },
            user: "5",
            command: ["a"],
            environment: { A: "b" },
            ports: ["53/udp"],
          },
        },
      ],
    });
    const image = parsed.images[0]?.scratch as NonNullable<(typeof parsed.images)[0]["scratch"]>;
    const configuration = JSON.parse(renderConfiguration(image, ["00"]));
    expect(configuration).toMatchObject({
      os: "linux",
      config: { User: "5", Cmd: ["a"], ExposedPorts: { "53/udp": {} } },
      rootfs: { type: "layers", diff_ids: ["sha256:00"] },
    });
    expect(configuration.config.Env).toEqual([expect.stringMatching(/^PATH=.*\/usr\/bin/), "A=b"]);
    expect(configuration.config).not.toHaveProperty("Entrypoint");
    expect(layerOf(image, new Map([["/bin/a", "/there"]]))).toEqual([
      { path: "bin/a", content: { file: "/there" }, mode: 0o755 },
      { path: "data", content: "directory", mode: 0o1777, owner: { uid: 5, gid: 6 } },
    ]);
  });
});

describe("what the builder needs of its machine", () => {
  const needs = (text: string) => {
    write({ ...everything, "bundle.yaml": text });
    vi.stubEnv("PATH", join(root, "nowhere"));
    try {
      return missingBuilderPackages(readSpecification(list()).specification);
    } finally {
      vi.unstubAllEnvs();
    }
  };

  it("is what its list takes, and no more", () => {
    const debian =
      "apt: { suite: s, packages: [p], sources: ['deb [signed-by=keyring.asc] http://a.example/ s main'] }";
    expect(needs(`name: a\n${debian}`)).toEqual(["apt-utils", "gnupg"]);
    const program = "binaries: [{ name: p, version: v1, licence: MIT, go: { module: go, package: . } }]";
    expect(needs(`name: a\n${program}`)).toEqual([]);
    expect(needs("name: a\nimages: [{ reference: nginx, set: helm }]")).toEqual(["skopeo"]);
    const root = "images: [{ reference: nginx, set: helm, debian: { packages: [nginx] } }]";
    expect(needs(`name: a\n${debian}\n${root}`)).toEqual(["apt-utils", "gnupg", "mmdebstrap"]);
    const filter =
      "binaries: [{ name: p, version: v1, licence: MIT, archive: { bin/p: { go: { module: go, package: ., tags: [seccomp] } } } }]";
    expect(needs(`name: a\n${filter}`)).toContain("pkg-config");
    const jar = "binaries: [{ name: p, version: v1, licence: MIT, maven: { coordinates: 'a:b:1:jar' } }]";
    expect(needs(`name: a\n${jar}`)).toEqual(["maven"]);
  });

  it("is all described", () => {
    const all = needs(everything["bundle.yaml"]);
    expect(Object.keys(builderPackages)).toEqual(expect.arrayContaining(all));
    expect(all).toEqual(["apt-utils", "gnupg", "maven", "skopeo"]);
  });
});

describe("a limit", () => {
  it("lets no more run at a time, in their order, and goes on after a failure", async () => {
    const limit = new Limit(2);
    const log: string[] = [];
    let running = 0;
    let most = 0;
    const task = (name: string, fails = false) =>
      limit.run(async () => {
        log.push(name);
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        if (fails) throw new Error(name);
        return name;
      });
    const results = await Promise.allSettled([task("a", true), task("b"), task("c"), task("d")]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled", "fulfilled"]);
    expect(log).toEqual(["a", "b", "c", "d"]);
    expect(most).toBe(2);
  });
});

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("it was not refused");
}
