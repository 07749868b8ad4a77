import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../toolchain/commands";
import { installToolchain, type Toolchain } from "../../toolchain/install";

let toolchain: Toolchain;
const folder = mkdtempSync(join(tmpdir(), "wiab-toolchain-"));

beforeAll(async () => {
  toolchain = await installToolchain();
});
afterAll(() => rmSync(folder, { recursive: true }));

const pulumi = (backend: string, ...args: string[]) =>
  run("pulumi", [...args, "--non-interactive"], {
    cwd: folder,
    env: { ...toolchain.env, PULUMI_BACKEND_URL: backend, PULUMI_CONFIG_PASSPHRASE: "of a test" },
  });

it("keeps no log of its runs", async () => {
  await pulumi(`file://${folder}`, "stack", "ls", "--all");
  expect(lstatSync(join(toolchain.home, "logs")).isFile()).toBe(true);
});

describe("where it is built here, the CLI", () => {
  it.each(["gs://bucket", "azblob://container"])("says of %s what it has instead", async (backend) => {
    if (toolchain.official) return;
    await expect(pulumi(backend, "stack", "ls", "--all")).rejects.toThrow(
      "this build of Pulumi keeps states in files, S3 buckets and PostgreSQL alone",
    );
  });

  it("says of a key service what it has instead", async () => {
    if (toolchain.official) return;
    const init = ["stack", "init", "organization/test/test", "--secrets-provider", "awskms://alias/key"];
    await expect(pulumi(`file://${folder}`, ...init)).rejects.toThrow(
      "this build of Pulumi encrypts secrets with a passphrase alone",
    );
  });
});
