import { afterAll, beforeAll, expect, it } from "vitest";
import { ScratchProject } from "./project";

// That a preview refuses a version of Kubernetes is the engine's doing, which calls the hook, and no mock does.

const project = new ScratchProject("staging", {});

beforeAll(async () => {
  project.replaceProgram(`
    import * as pulumi from "@pulumi/pulumi";
    import { versionHook } from "./components/kubernetes/version/version";
    import { runScript } from "./components/machine/script";
    runScript(
      "addons",
      {
        target: { kind: "local" },
        script: { name: "addons.sh", text: "remember() { :; }\\napply() { :; }" },
        parameters: { VERSION: new pulumi.Config().require("version") },
      },
      { hooks: { beforeUpdate: [versionHook("version")] } },
    );
  `);
  await project.init();
});
afterAll(() => project.remove());

const set = (version: string) => project.pulumi("config", "set", "version", version, "--stack", "staging");

it("refuses, before anything is done, what the cluster in the state cannot become", {
  timeout: 300_000,
}, async () => {
  await set("v1.36.3");
  const up = await project.pulumi("up", "--yes", "--skip-preview", "--stack", "staging");
  expect(up, up.stdout + up.stderr).toMatchObject({ code: 0 });
  for (const [version, reason] of [
    ["v1.36.2", /Kubernetes cannot go back from v1\.36\.3 to v1\.36\.2/],
    [
      "v1.38.0",
      /Kubernetes cannot go from v1\.36\.3 to v1\.38\.0 at once: take an artifact with v1\.37 first/,
    ],
  ] as const) {
    await set(version);
    const { code, text } = await project.preview();
    expect(code, version).not.toBe(0);
    expect(text).toMatch(reason);
  }
  await set("v1.37.2");
  const { code, text } = await project.preview();
  expect(code, text).toBe(0);
});
