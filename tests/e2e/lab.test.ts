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
import { stackFile } from "../../lab/context";
import { projectDirectory, stateFiles } from "../../toolchain/environment";
import { freshStack, TestLab } from "../fixtures/lab";

// A small lab from nothing to nothing, with what goes wrong on the way; tests/lab has one with which nothing does. Each
// test goes on where the one before it has ended.
const minutes = 60_000;
let lab: TestLab;

/** The process that holds the stack's lock. */
function enginePid(): number | undefined {
  const locks = join(stateFiles().backend, ".pulumi", "locks");
  const file = existsSync(locks)
    ? readdirSync(locks, { recursive: true, encoding: "utf8" }).find(
        (name) => name.includes(`/${lab.stack}/`) && name.endsWith(".json"),
      )
    : undefined;
  return file && JSON.parse(readFileSync(join(locks, file), "utf8")).pid;
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
  lab = new TestLab(await freshStack());
}, 30 * minutes);

afterAll(() => lab.destroy(), 10 * minutes);

describe("a small lab", () => {
  it.each([
    ["the domains are made", /-domain creating/],
    ["the data services are founded", /\bcassandra-datanode1 creating/],
    ["Kubernetes is founded", /\bkubernetes-member-kubenode1 creating/],
  ])("goes on after its engine was killed while %s", { timeout: 40 * minutes }, async (_, moment) => {
    const first = lab.start("lab", "--size", "small");
    const ended = first.ended.then((code) => ({ code }));
    await expect.poll(() => moment.test(first.output()), { timeout: 30 * minutes, interval: 20 }).toBe(true);
    const pid = enginePid();
    expect(pid, "the engine holds the stack's lock").toBeTypeOf("number");
    process.kill(pid as number, "SIGKILL");
    expect((await ended).code, "a killed run does not pretend to have succeeded").not.toBe(0);
  });

  it("comes up in the end", { timeout: 60 * minutes }, async () => {
    const report = await lab.succeed("lab");
    expect(report).toMatch(/gave back the lock of a run that is gone/);
    expect(report).toMatch(/The lab is up: 3 machines/);
  });

  it("passes every check from outside", { timeout: 25 * minutes }, async () => {
    const report = await lab.succeed("lab:verify");
    expect(report).toMatch(/^\d+ passed, 0 failed$/m);
    expect(Number(/^(\d+) passed/m.exec(report)?.[1])).toBeGreaterThan(35);
  });

  it("gets back a machine that was deleted, and only that one", { timeout: 15 * minutes }, async () => {
    const { assethost: former, ...others } = await lab.domainIds();
    expect(former).toBeDefined();
    for (const command of ["destroy", "undefine"]) await lab.virsh(command, "assethost");
    await lab.pulumi("refresh", "--yes", "--skip-preview");
    const report = await lab.pulumi("up", "--yes", "--skip-preview");
    expect(report).not.toMatch(/(kube|data)node1-\S+ (creat|updat|replac|delet)/);
    const { assethost, ...untouched } = await lab.domainIds();
    expect(assethost).toBeDefined();
    expect(untouched).toEqual(others);
    const name = await lab.succeed("lab:ssh", "assethost", "hostname");
    expect(name.trim()).toBe("assethost");
  });

  it("serves packages, images and the time as before", {
    timeout: 25 * minutes,
  }, async () => {
    const report = await lab.succeed("lab:verify");
    expect(report).toMatch(/^\d+ passed, 0 failed$/m);
  });

  it("takes from another artifact only what is new in it", { timeout: 15 * minutes }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "wiab-e2e-"));
    try {
      const bundle = join(folder, "bundle");
      await addImage(folder, bundle);
      const file = stackFile(lab.stack);
      const former = readFileSync(file, "utf8");
      const changed = parse(former);
      changed.config["wiab-staging:artifact"].sources = [
        { manifest: join(bundle, "manifest.json"), location: bundle },
      ];
      writeFileSync(file, stringify(changed));

      const preview: { steps: { op: string; urn: string }[] } = JSON.parse(
        await lab.pulumi("preview", "--json"),
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

      const report = await lab.pulumi("up", "--yes", "--skip-preview");
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
      const pulled = await lab.succeed(
        ...(["lab:ssh", "kubenode1", "sudo crictl pull docker.io/library/hello:2"] as const),
      );
      expect(pulled).toMatch(/Image is up to date for sha256:/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is gone afterwards and leaves nothing", { timeout: 10 * minutes }, async () => {
    await lab.destroy();
    expect(await lab.leftovers()).toEqual([]);
  });
});
