import { existsSync, lstatSync, readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  renderContainerdConfig,
  renderContainerdUnit,
  renderCrictlConfig,
  renderHosts,
} from "../../components/kubernetes/container-runtime/configuration";
import { runtimeScript } from "../../components/kubernetes/container-runtime/container-runtime";
import { renderInput } from "../../components/machine/script";
import { packTar, sha256 } from "../fixtures/archives";
import { ended, kill, Machine, until } from "../fixtures/machine";

// The container runtime of a node on a machine that is its own asset host. The programs are stand-ins: containerd only
// runs, ctr writes down what it imports, and crictl says what was imported.

const url = "http://127.0.0.1:8080";
const assets = "/opt/assets";

let machine: Machine;
let parameters: Record<string, string>;

beforeEach(async () => {
  machine = await Machine.start("kubenode1");
  machine.systemctl({ containerd: "sleep 1000" });
  machine.write("/etc/apt/apt.conf.d/00tests", 'Acquire::Retries::Delay "false";');
  mkdir("/var/log");
  await startWebServer();
  parameters = {
    BINARIES: [
      serve("containerd", `#!/bin/bash\necho containerd github.com/containerd/containerd v2.0.0 0123\n`),
      serve(
        "ctr-1.2.tar.gz",
        await tarball({ "bin/ctr": ctr, "bin/ctr-extra": "#!/bin/bash\n", LICENSE: "…" }),
        "ctr",
      ),
      serve("crictl-v1.tar.gz", await tarball({ crictl }), "crictl"),
    ].join("\n"),
    // One that is there.
    PACKAGES: "tar",
    CONFIG: renderContainerdConfig("registry.k8s.io/pause:3.10.1"),
    UNIT: renderContainerdUnit(),
    CRICTL_CONFIG: renderCrictlConfig(),
    HOSTS: renderHosts("192.0.2.2:5001", { authority: "/etc/wiab/ca.crt" }),
    REGISTRY_AUTHORITY: "",
    REGISTRIES: "docker.io\nregistry.k8s.io",
    SEED_IMAGES: "",
  };
});
afterEach(() => machine.stop());

const mkdir = (path: string) => machine.write(`${path}/.keep`, "");

/** Fails where an archive says so, else writes down what it has for an identifier. */
const ctr = `#!/bin/bash
[ "\${*:1:5}" = "--namespace k8s.io images import --digests" ] || exit 2
grep -q ^sha256: "$6" && cat "$6" >>/var/log/images
`;
const crictl = `#!/bin/bash
case $* in
  "--timeout 10s version") ;;
  "images --no-trunc --quiet") cat /var/log/images 2>/dev/null || true ;;
  "images --no-trunc") echo "IMAGE TAG IMAGE ID SIZE"; cat /var/log/tags 2>/dev/null || true ;;
  *) exit 2 ;;
esac
`;
const tarball = async (files: Readonly<Record<string, string>>) =>
  gzipSync(await packTar(Object.entries(files)));

/** Has the asset host serve a file; gives its line for BINARIES. */
function serve(file: string, content: string | Buffer, name = file): string {
  machine.write(`${assets}/binaries/${file}`, content);
  return `${url}/binaries/${file} ${sha256(content)} ${name}`;
}

async function startWebServer(): Promise<void> {
  mkdir(assets);
  const command = `exec python3 -u -m http.server --bind 127.0.0.1 --directory ${assets} 8080 2>>/var/log/requests`;
  machine.spawn("-c", command);
  await until("the web server answers", () =>
    machine.run("true </dev/tcp/127.0.0.1/8080").then(
      () => true,
      () => false,
    ),
  );
}

const apply = (changes: Record<string, string> = {}) =>
  ended(machine.spawn("-s", "--", "apply"), renderInput(runtimeScript, { ...parameters, ...changes }));
/** What was fetched since it was asked last. */
const requests = () => {
  const found = [...machine.read("/var/log/requests").matchAll(/"GET (\S+) HTTP[^"]*" (\d+)/g)];
  machine.write("/var/log/requests.old", "");
  const fresh = found.slice(requested).map(([, path]) => path);
  requested = found.length;
  return fresh;
};
let requested = 0;
beforeEach(() => {
  requested = 0;
});
const restarts = () => machine.systemctlCalls().filter((call) => call.startsWith("restart"));
const programs = () =>
  Object.fromEntries(
    readdirSync(machine.path("/usr/local/bin")).map((name) => [
      name,
      readlinkSync(machine.path(`/usr/local/bin/${name}`)),
    ]),
  );
const sumOf = (name: string) =>
  parameters.BINARIES?.split("\n")
    .find((line) => line.endsWith(` ${name}`))
    ?.split(" ")[1];
/** Everything that is installed, with the time of change. */
const installed = () =>
  Object.fromEntries(
    ["/etc/containerd", "/etc/systemd/system", "/opt/wiab", "/usr/local/bin"].flatMap((folder) =>
      readdirSync(machine.path(folder), { recursive: true, encoding: "utf8" }).map((file) => [
        join(folder, file),
        lstatSync(machine.path(join(folder, file))).mtimeMs,
      ]),
    ),
  );
/** For which registries containerd has a mirror; `_default` stands for all that are not named. */
const registries = () => readdirSync(machine.path("/etc/containerd/certs.d")).sort();
const succeeded = { code: 0, stderr: "" };

describe("container-runtime.sh", () => {
  it("installs the programs and has containerd ask the stack's registry for everybody's images", async () => {
    expect(await apply()).toEqual({
      ...succeeded,
      stdout: "containerd v2.0.0 pulls from https://192.0.2.2:5001\n",
    });
    const library = (name: string, program = name) =>
      `/opt/wiab/container-runtime/${sumOf(name)}/bin/${program}`;
    expect(programs()).toEqual({
      containerd: library("containerd"),
      ctr: library("ctr"),
      "ctr-extra": library("ctr", "ctr-extra"),
      crictl: library("crictl"),
    });
    for (const program of Object.values(programs()))
      expect(statSync(machine.path(program)).mode & 0o777).toBe(0o755);
    expect(registries()).toEqual(["_default", "docker.io", "registry.k8s.io"]);
    for (const registry of registries())
      expect(machine.read(`/etc/containerd/certs.d/${registry}/hosts.toml`)).toBe(parameters.HOSTS);
    expect(machine.read("/etc/containerd/config.toml")).toBe(parameters.CONFIG);
    expect(machine.systemctlCalls()).toEqual(
      expect.arrayContaining(["--quiet --no-reload enable containerd.service", "restart containerd.service"]),
    );
  });

  it("does nothing the second time", async () => {
    await apply();
    const before = installed();
    requests();
    restarts();
    expect(await apply()).toMatchObject(succeeded);
    expect(installed()).toEqual(before);
    expect(requests()).toEqual([]);
    expect(restarts()).toEqual([]);
  });

  it("replaces what has changed, and restarts containerd for it", async () => {
    await apply();
    requests();
    restarts();
    const newer = serve(
      "containerd",
      "#!/bin/bash\necho containerd github.com/containerd/containerd v2.1.0 4567\n",
    );
    const [, ...others] = parameters.BINARIES?.split("\n") ?? [];
    expect(await apply({ BINARIES: [newer, ...others].join("\n") })).toMatchObject({
      ...succeeded,
      stdout: expect.stringContaining("containerd v2.1.0 "),
    });
    expect(programs().containerd).toBe(`/opt/wiab/container-runtime/${newer.split(" ")[1]}/bin/containerd`);
    expect(programs().crictl).toBe(`/opt/wiab/container-runtime/${sumOf("crictl")}/bin/crictl`);
    expect(requests()).toEqual(["/binaries/containerd"]);
    expect(restarts()).toHaveLength(1);
    expect(existsSync(machine.path(`/opt/wiab/container-runtime/${sumOf("containerd")}`))).toBe(false);

    expect(await apply({ BINARIES: [newer, ...others].join("\n"), CONFIG: "version = 2\n" })).toMatchObject(
      succeeded,
    );
    expect(restarts()).toHaveLength(1);
  });

  it("forgets registries that no image comes from, without a restart", async () => {
    await apply();
    restarts();
    const changed = { REGISTRIES: "quay.io\nregistry.k8s.io", HOSTS: renderHosts("192.0.2.3:5001", {}) };
    expect(await apply(changed)).toMatchObject(succeeded);
    expect(registries()).toEqual(["_default", "quay.io", "registry.k8s.io"]);
    for (const registry of registries())
      expect(machine.read(`/etc/containerd/certs.d/${registry}/hosts.toml`)).toBe(changed.HOSTS);
    expect(restarts()).toEqual([]);
  });

  it.each([
    ["altered", (file: string) => machine.write(file, "altered")],
    ["missing", (file: string) => rmSync(machine.path(file))],
  ])("names a binary that is %s, installs nothing of it, and goes on", async (_, spoil) => {
    const file = `${assets}/binaries/ctr-1.2.tar.gz`;
    spoil(file);
    const refused = await apply();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`error: ${url}/binaries/ctr-1.2.tar.gz cannot be fetched`);
    expect(Object.keys(programs())).toEqual(["containerd"]);
    expect(existsSync(machine.path("/etc/systemd/system/containerd.service"))).toBe(false);
    serve(
      "ctr-1.2.tar.gz",
      await tarball({ "bin/ctr": ctr, "bin/ctr-extra": "#!/bin/bash\n", LICENSE: "…" }),
    );
    requests();
    expect(await apply()).toMatchObject(succeeded);
    expect(requests()).toEqual(["/binaries/ctr-1.2.tar.gz", "/binaries/crictl-v1.tar.gz"]);
  });

  it.each([
    ["unpacks a program", "tar", 1],
    ["has changed files and not restarted containerd", "systemctl", 1],
  ])("makes good a run that was killed while it %s", async (_, program, expected) => {
    await apply();
    const newer = serve(
      "containerd.tar.gz",
      await tarball({ "bin/containerd": "#!/bin/bash\necho a b v3 c\n" }),
      "containerd",
    );
    const changed = { BINARIES: [newer, ...(parameters.BINARIES?.split("\n").slice(1) ?? [])].join("\n") };
    const standIn = `/usr/local/sbin/${program}`;
    const original = existsSync(machine.path(standIn)) ? machine.read(standIn) : undefined;
    machine.write(standIn, "#!/bin/bash\ntouch /run/reached\nexec sleep 100\n", 0o755);
    const child = machine.spawn("-s", "--", "apply");
    child.stdin?.end(renderInput(runtimeScript, { ...parameters, ...changed }));
    await until("it is there", () => existsSync(machine.path("/run/reached")));
    await kill(child);
    rmSync(machine.path(standIn));
    if (original) machine.write(standIn, original, 0o755);

    restarts();
    expect(await apply(changed)).toMatchObject({
      ...succeeded,
      stdout: expect.stringMatching(/^containerd v3 /),
    });
    expect(restarts()).toHaveLength(expected);
    expect(await apply(changed)).toMatchObject(succeeded);
    expect(restarts()).toEqual([]);
  });

  it("says when containerd does not start", async () => {
    machine.systemctl({});
    const refused = await apply();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/error: containerd does not start on kubenode1\n$/);
    machine.systemctl({ containerd: "sleep 1000" });
    expect(await apply()).toMatchObject(succeeded);
  });
});

describe("images that are imported beforehand", () => {
  const references = ["registry.k8s.io/pause:3.10.1", "docker.io/library/nginx:1", "quay.io/wire/brig:5"];
  const id = (reference: string) => `sha256:${sha256(reference)}`;
  const images = (broken?: string) =>
    references
      .map((reference, number) => {
        const line = serve(`image${number}.tar`, reference === broken ? "broken\n" : `${id(reference)}\n`);
        return `${line.split(" ").slice(0, 2).join(" ")} ${reference} ${id(reference)}`;
      })
      .join("\n");
  const imported = () => machine.read("/var/log/images").trim().split("\n");

  it("are those that the node has not", async () => {
    machine.write("/var/log/images", `${id(references[1] as string)}\n`);
    machine.write("/var/tmp/wiab-image.killed", "half of one");
    const SEED_IMAGES = images();
    const first = await apply({ SEED_IMAGES });
    expect(first).toMatchObject(succeeded);
    expect(first.stdout).toContain(`imported ${references[0]}\nimported ${references[2]}\n`);
    expect(imported().sort()).toEqual(references.map(id).sort());
    requests();
    expect(await apply({ SEED_IMAGES })).toMatchObject(succeeded);
    expect(requests()).toEqual([]);
    expect(readdirSync(machine.path("/var/tmp"))).toEqual([]);
  });

  it("stop at one that cannot be imported, and go on there", async () => {
    const refused = await apply({ SEED_IMAGES: images(references[1]) });
    expect(refused).toMatchObject({
      code: 1,
      stderr: `error: ${references[1]} cannot be imported on kubenode1\n`,
    });
    expect(imported()).toEqual([id(references[0] as string)]);
    expect(readdirSync(machine.path("/var/tmp"))).toEqual([]);
    requests();
    expect(await apply({ SEED_IMAGES: images() })).toMatchObject(succeeded);
    expect(requests()).toEqual(["/binaries/image1.tar", "/binaries/image2.tar"]);
  });

  it("are refused where a name leads to another image, which is named", async () => {
    const [first = "", second = ""] = references;
    const tags = (ofSecond: string) =>
      [[first, id(first)] as const, [second, ofSecond] as const]
        .map(([reference, of]) => `${reference.replace(/:(?=[^:]*$)/, " ")} ${of} 10MB\n`)
        .join("");
    machine.write("/var/log/tags", tags("sha256:another"));
    const refused = await apply({ SEED_IMAGES: images() });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("images on kubenode1 are not those of the artifact");
    expect(refused.stderr).toContain(`${second} is sha256:another, not ${id(second)}`);
    expect(refused.stderr).not.toContain(first);
    machine.write("/var/log/tags", tags(id(second)));
    expect(await apply({ SEED_IMAGES: images() })).toMatchObject(succeeded);
  });

  it("stop at one that the asset host has not as the manifest says", async () => {
    const SEED_IMAGES = images();
    machine.write(`${assets}/binaries/image1.tar`, "truncated");
    const refused = await apply({ SEED_IMAGES });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`error: ${url}/binaries/image1.tar cannot be fetched`);
    expect(imported()).toEqual([id(references[0] as string)]);
  });
});
