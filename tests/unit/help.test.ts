import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync("package.json", "utf8"));

/** Commands that are this program's own; `pulumi` hands `--help` on to the engine's CLI. */
const own = Object.entries(scripts).flatMap(([name, command]) => {
  const file = /^sh toolchain\/run\.sh (\S+\.ts)$/.exec(command)?.[1];
  return file && name !== "pulumi" ? [[name, file] as const] : [];
});

describe("--help", () => {
  // Each is a process of its own, which takes seconds on a busy machine.
  it.each(own)(
    "of npm run %s says how it is used, and does nothing else",
    (name, file) => {
      const { status, stdout, stderr } = spawnSync("node", ["--import", "tsx", file, "--help"], {
        encoding: "utf8",
        env: { ...process.env, PATH: "/usr/bin:/bin", HOME: "/nonexistent" },
        cwd: process.cwd(),
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout, name).toMatch(/^usage:/);
    },
    300_000,
  );

  it("is there for every command", () => expect(own.length).toBeGreaterThan(20));
});
