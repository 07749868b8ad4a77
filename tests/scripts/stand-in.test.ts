import { join } from "node:path";
import { expect, it } from "vitest";
import { run } from "../../toolchain/commands";
import { projectDirectory } from "../../toolchain/environment";
import { findGo, goEnvironment } from "../../toolchain/go";

// The program that stands in for Wire's services.

const cwd = join(projectDirectory, "stand-in/program");
const go = async (...args: string[]) => run(await findGo(), args, { cwd, env: goEnvironment });

it("is formatted as Go is", async () => {
  const root = await go("env", "GOROOT");
  expect(await run(join(root, "bin/gofmt"), ["-l", "."], { cwd })).toBe("");
});

it("gives vet nothing to say and passes its own tests", { timeout: 600_000 }, async () => {
  await go("vet", "./...");
  expect(await go("test", "./...")).toMatch(/^ok\s/m);
});
