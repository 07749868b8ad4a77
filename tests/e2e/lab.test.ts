import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { buildBundle } from "../../bundle/build";
import { labEnvironment, readOutputs, stackFile } from "../../lab/context";
import { labIdentity } from "../../lab/stack";
import { run, succeeds } from "../../toolchain/commands";
import { projectDirectory, stateFiles } from "../../toolchain/environment";
import { pulumiOutput } from "../../toolchain/pulumi";

// One small lab from nothing to nothing, with what goes wrong on the way. Each test goes on where the one
// before it has ended.
const stack = "lab-e2e";
const { network, publicInterface } = labIdentity(stack);
const minutes = 60_000;
const virsh = (...args: string[]) => run("virsh", ["-c", "qemu:///system", ...args]);

let env: Record<string, string>;

/** Starts one of the project's commands; `output` grows while it runs. */
function npm(...args: string[]): { child: ChildProcess; ended: Promise<number>; output: () => string } {
  const child = spawn("npm", ["run", "--silent", ...args], {
    cwd: projectDirectory,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (text += chunk));
  const ended = new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
  return { child, ended, output: () => text };
}

/** Runs one of the project's commands to its end; a failure shows all that it has printed. */
async function succeed(...args: string[]): Promise<string> {
  const { ended, output } = npm(...args);
  const code = await ended;
  if (code !== 0) throw new Error(`npm run ${args.join(" ")} ended with ${code}:\n${output()}`);
  return output();
}

/** The process that holds the stack's lock. */
function enginePid(): number | undefined {
  const locks = join(stateFiles().backend, ".pulumi", "locks");
  const file = existsSync(locks)
    ? readdirSync(locks, { recursive: true, encoding: "utf8" }).find(
        (name) => name.includes(`/${stack}/`) && name.endsWith(".json"),
      )
    : undefined;
  return file && JSON.parse(readFileSync(join(locks, file), "utf8")).pid;
}

/** IDs of the domains as libvirt has them, by machine. */
async function domainIds(): Promise<Record<string, string>> {
  const names = (await virsh("list", "--name")).split("\n").filter((name) => name.startsWith(`${network}-`));
  const pairs = await Promise.all(
    names.map(async (name) => [name.slice(network.length + 1), await virsh("domuuid", name)]),
  );
  return Object.fromEntries(pairs);
}

/** Makes the lab's bundle once more with one image in addition; all else comes out of the cache. */
async function addImage(folder: string, bundle: string): Promise<void> {
  const list = join(folder, "lab");
  mkdirSync(list);
  for (const path of ["lab/bundle", "stand-in", "charts-values"])
    symlinkSync(join(projectDirectory, path), join(folder, path));
  const specification = parse(readFileSync(join(projectDirectory, "lab/bundle.yaml"), "utf8"));
  const hello = specification.images.find(({ reference }: { reference: string }) =>
    /hello:1$/.test(reference),
  );
  specification.images.push({
    ...hello,
    reference: "docker.io/library/hello:2",
    scratch: { ...hello.scratch, environment: { EDITION: "2" } },
  });
  writeFileSync(join(list, "bundle.yaml"), stringify(specification));
  await buildBundle({ specification: join(list, "bundle.yaml"), output: bundle });
}

beforeAll(async () => {
  ({ env } = await labEnvironment());
  await succeed("lab:destroy", "--", "--stack", stack);
}, 30 * minutes);

afterAll(async () => {
  await succeed("lab:destroy", "--", "--stack", stack);
}, 5 * minutes);

describe("a small lab", () => {
  it.each([
    ["the domains are made", /-domain creating/],
    ["the data services are founded", /\bcassandra-datanode1 creating/],
    ["Kubernetes is founded", /\bkubernetes-member-kubenode1 creating/],
  ])("goes on after its engine was killed while %s", { timeout: 40 * minutes }, async (_, moment) => {
    const first = npm("lab", "--", "--stack", stack, "--size", "small");
    const ended = first.ended.then((code) => ({ code }));
    await expect.poll(() => moment.test(first.output()), { timeout: 30 * minutes, interval: 20 }).toBe(true);
    const pid = enginePid();
    expect(pid, "the engine holds the stack's lock").toBeTypeOf("number");
    process.kill(pid as number, "SIGKILL");
    expect((await ended).code, "a killed run does not pretend to have succeeded").not.toBe(0);
  });

  it("comes up in the end", { timeout: 60 * minutes }, async () => {
    const report = await succeed("lab", "--", "--stack", stack);
    expect(report).toMatch(/gave back the lock of a run that is gone/);
    expect(report).toMatch(/The lab is up: 3 machines/);
  });

  it("passes every check from outside", { timeout: 25 * minutes }, async () => {
    const report = await succeed("lab:verify", "--", "--stack", stack);
    expect(report).toMatch(/^\d+ passed, 0 failed$/m);
    expect(Number(/^(\d+) passed/m.exec(report)?.[1])).toBeGreaterThan(35);
  });

  it("is left alone by another up, which runs nothing", { timeout: 5 * minutes }, async () => {
    const before = await domainIds();
    await pulumiOutput(env, ["preview", "--expect-no-changes", "--stack", stack, "--non-interactive"]);
    await pulumiOutput(env, [
      "up",
      "--yes",
      "--skip-preview",
      "--expect-no-changes",
      "--stack",
      stack,
      "--non-interactive",
    ]);
    expect(await domainIds()).toEqual(before);
    const { machines } = await readOutputs(env, stack);
    const own = machines.filter(({ existing }) => !existing).map(({ name }) => name);
    expect(own).toContain("assethost");
    expect(Object.keys(before).sort()).toEqual(own.sort());
  });

  it("keeps no secret in plain text", { timeout: minutes }, async () => {
    const { sshPrivateKey } = await readOutputs(env, stack);
    const lines = sshPrivateKey.trim().split("\n").slice(1, -1);
    expect(lines.length).toBeGreaterThan(3);
    const state = await pulumiOutput(env, ["stack", "export", "--stack", stack]);
    const files = readdirSync(stateFiles().backend, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
    for (const text of [state, ...files])
      expect(text.includes("PRIVATE KEY") || lines.some((line) => text.includes(line))).toBe(false);
  });

  it.each([
    ["whose plug was pulled", [["destroy"]]],
    ["that was deleted", [["destroy"], ["undefine"]]],
  ])("gets back a machine %s, and only that one", { timeout: 15 * minutes }, async (_, harm) => {
    const before = await domainIds();
    for (const [command = ""] of harm) await virsh(command, `${network}-assethost`);
    await pulumiOutput(env, ["refresh", "--yes", "--skip-preview", "--stack", stack, "--non-interactive"]);
    const report = await pulumiOutput(env, [
      "up",
      "--yes",
      "--skip-preview",
      "--stack",
      stack,
      "--non-interactive",
    ]);
    expect(
      [...report.matchAll(/(?:created|updated|replaced|replacement|deleted).*?$/gm)].length,
    ).toBeGreaterThan(0);
    expect(report).not.toMatch(/(kube|data)node1-\S+ (creat|updat|replac|delet)/);
    const { assethost, ...others } = await domainIds();
    expect(assethost).toBeDefined();
    const { assethost: former, ...untouched } = before;
    expect(former).toBeDefined();
    expect(others).toEqual(untouched);
    const name = await succeed("lab:ssh", "--", "--stack", stack, "assethost", "hostname");
    expect(name.trim()).toBe("assethost");
  });

  it("serves packages, images and the time as before after the asset host's power was cut", {
    timeout: 25 * minutes,
  }, async () => {
    const report = await succeed("lab:verify", "--", "--stack", stack);
    expect(report).toMatch(/^\d+ passed, 0 failed$/m);
  });

  it("takes from another artifact only what is new in it", { timeout: 15 * minutes }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "wiab-e2e-"));
    try {
      const bundle = join(folder, "bundle");
      await addImage(folder, bundle);
      const file = stackFile(stack);
      const former = readFileSync(file, "utf8");
      const changed = parse(former);
      changed.config["wiab-staging:artifact"].sources = [
        { manifest: join(bundle, "manifest.json"), location: bundle },
      ];
      writeFileSync(file, stringify(changed));

      const preview: { steps: { op: string; urn: string }[] } = JSON.parse(
        await pulumiOutput(env, ["preview", "--json", "--stack", stack, "--non-interactive"]),
      );
      const steps = preview.steps.filter(({ op }) => op !== "same");
      expect(steps.map(({ op, urn }) => `${op} ${urn.split("::").at(-1)}`).sort()).toEqual([
        "update artifact-assethost-images-files",
        "update artifact-assethost-images-published",
        "update artifact-assethost-packages-files",
        "update artifact-assethost-packages-published",
        "update artifact-registry-images",
        "update artifact-store-archives",
        "update host-preflight-host",
      ]);

      const report = await pulumiOutput(env, [
        "up",
        "--yes",
        "--skip-preview",
        "--stack",
        stack,
        "--non-interactive",
      ]);
      // A line comes as it is said and once more at the end.
      const said = (pattern: RegExp) =>
        [...new Set([...report.matchAll(pattern)].map((match) => match.slice(1).join(" ")))].sort();
      // The image's archive, and the list that names it; the other images are in the registry.
      expect(said(/assethost-(\w+)-files .*sending (\d+ files)/g)).toEqual([
        "images 1 files",
        "packages 1 files",
      ]);
      expect(said(/pushed {9}\S+\/(library\S+)/g)).toEqual(["library/hello:2"]);
      // One archive of five is unpacked anew.
      expect(said(/(\S+\.tar): \d+ files, all as the manifest says/g)).toEqual(["containers-helm.tar"]);
      const pulled = await succeed(
        ...["lab:ssh", "--", "--stack", stack, "kubenode1", "sudo crictl pull docker.io/library/hello:2"],
      );
      expect(pulled).toMatch(/Image is up to date for sha256:/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is gone within a minute and leaves nothing", { timeout: 5 * minutes }, async () => {
    const started = Date.now();
    await succeed("lab:destroy", "--", "--stack", stack);
    expect(Date.now() - started).toBeLessThan(minutes);

    if (await succeeds("virsh", ["-c", "qemu:///system", "version"])) {
      for (const list of [
        ["list", "--all", "--name"],
        ["net-list", "--all", "--name"],
        ["pool-list", "--all", "--name"],
      ])
        expect(await virsh(...list)).not.toContain(network);
    }
    expect(existsSync(`/var/lib/libvirt/images/${network}`)).toBe(false);
    expect(existsSync(`/etc/wiab/${network}`)).toBe(false);
    expect(existsSync(`/var/lib/wiab/${network}-containers`)).toBe(false);
    expect(await run("sh", ["-c", "cat /proc/mounts"])).not.toContain(network);
    expect(existsSync(`/var/lib/wiab/${network}`)).toBe(false);
    expect(readdirSync("/etc/sysctl.d").join()).not.toContain(network);
    expect(await run("nft", ["list", "tables"])).not.toContain(network);
    expect(await run("ip", ["-brief", "link"])).not.toMatch(new RegExp(`${network}|${publicInterface}`));
    expect(await run("ps", ["-eo", "args"])).not.toContain(`${network}-`);
    expect(
      readdirSync("/var/log/libvirt/qemu").filter(
        (name) => name.startsWith(network) && name.includes("console"),
      ),
    ).toEqual([]);
    expect(existsSync(stackFile(stack))).toBe(false);
    expect(existsSync(join(stateFiles().backend, ".pulumi", "stacks", "wiab-staging", `${stack}.json`))).toBe(
      false,
    );
  });
});
