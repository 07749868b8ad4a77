import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";

/** A step of the workflow that previews pull requests. */
interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly run?: string;
}

const text = readFileSync(".github/workflows/preview.yml", "utf8");
const workflow = parse(text);
const job: { readonly environment?: string; readonly steps: readonly Step[] } = workflow.jobs.staging;
const configuration = job.steps.find(({ name }) => name === "configuration");

describe("the workflow that has root's key", () => {
  it("runs the base branch's own steps and code, once somebody has approved", () => {
    expect(Object.keys(workflow.on)).toEqual(["pull_request_target"]);
    expect(job.environment).toBe("preview");
    const checkouts = job.steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
    expect(checkouts.map((step) => step.with)).toEqual([
      { ref: "${{ github.event.pull_request.base.sha }}", "persist-credentials": false },
    ]);
  });

  it("lets no text of the request into a script, and its commit into one step alone", () => {
    for (const { run = "" } of job.steps) expect(run).not.toContain("${{");
    const users = job.steps.filter((step) => JSON.stringify(step).includes("pull_request.head.sha"));
    expect(users).toEqual([configuration]);
  });
});

describe("what it takes of a request", () => {
  let root: string;
  const roots: string[] = [];
  afterAll(() => {
    for (const one of roots) rmSync(one, { recursive: true });
  });

  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=x", "-c", "user.email=x@example.com", ...args], {
      cwd: join(root, "checkout"),
      encoding: "utf8",
    }).trim();
  const base = "config:\n  wiab-staging:domain: a.example.com\nencryptionsalt: v1:base\n";

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "wiab-workflow-"));
    roots.push(root);
    mkdirSync(join(root, "checkout"));
    git("init", "--quiet", "--initial-branch", "main");
    commit({ "Pulumi.staging.yaml": base, "index.ts": "base", "package.json": "{}" });
  });

  function commit(files: Readonly<Record<string, string>>): string {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(root, "checkout", name), content);
    git("add", "--all");
    git("commit", "--quiet", "--message", "x");
    return git("rev-parse", "HEAD");
  }

  /** Runs the step on the base with a request that has these files. */
  function take(files: Readonly<Record<string, string>>) {
    const head = commit(files);
    git("checkout", "--quiet", "--detach", "HEAD~1");
    // GitHub's command, which gives a file of a commit.
    const show = 'path=${2#*contents/}; exec git show "${path#*\\?ref=}:${path%\\?ref=*}"';
    writeFileSync(join(root, "gh"), `#!/bin/bash\n${show}\n`, { mode: 0o755 });
    return spawnSync("bash", ["-c", configuration?.run ?? "false"], {
      cwd: join(root, "checkout"),
      encoding: "utf8",
      env: {
        ...process.env,
        PATH: `${root}:${process.env.PATH}`,
        HEAD: head,
        RUNNER_TEMP: root,
        GITHUB_REPOSITORY: "x/y",
      },
    });
  }

  it("is its configuration, and nothing of its code", () => {
    const asked = base.replace("a.example.com", "b.example.com");
    const { status, stderr } = take({
      "Pulumi.staging.yaml": asked,
      "index.ts": "evil",
      "package.json": '{"scripts":{"pulumi":"evil"}}',
      "Pulumi.yaml": "evil",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(readFileSync(join(root, "checkout", "Pulumi.staging.yaml"), "utf8")).toBe(asked);
    expect(git("status", "--porcelain")).toBe("M Pulumi.staging.yaml");
  });

  it.each([
    base.replace("v1:base", "v1:other"),
    `${base}secretsprovider: awskms://alias/evil\n`,
    `${base}"secretsprovider": x\n`,
    `${base}---\nconfig: {}\n`,
    `${base}\tsecretsprovider: x\n`,
    `{${JSON.stringify("secretsprovider")}: x}\n`,
  ])("is refused where more than what is below config changes (%#)", (asked) => {
    const { status, stdout } = take({ "Pulumi.staging.yaml": asked });
    expect(status).not.toBe(0);
    expect(stdout).toContain("::error::the request changes more than what is below config");
    expect(git("status", "--porcelain")).toBe("");
  });
});
