import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { bundleKey } from "../../bundle/read";
import { pack, unpack } from "../../lab/cache";
import { defaultSuite, imageKey } from "../../lab/guest/image";
import { builtKey } from "../../toolchain/build";
import { cacheDirectory } from "../../toolchain/cache";

let root: string;
const said: string[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-pack-"));
  vi.stubEnv("WIAB_CACHE", join(root, "cache"));
  vi.spyOn(console, "log").mockImplementation((line) => void said.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  said.length = 0;
  rmSync(root, { recursive: true });
});

const folders = () => [
  join("pulumi", builtKey()),
  join("guest", imageKey(defaultSuite)),
  join("bundle", bundleKey("lab/bundle.yaml")),
];

function make(folder: string, text: string): void {
  mkdirSync(join(cacheDirectory(), folder), { recursive: true });
  writeFileSync(join(cacheDirectory(), folder, "file"), text);
}

it.each(["pack.tar", "pack.tar.gz"])(
  "takes what this checkout needs to another cache in %s",
  async (name) => {
    for (const folder of folders()) make(folder, folder);
    make("tools/other", "not needed");
    await pack(join(root, name));
    vi.stubEnv("WIAB_CACHE", join(root, "elsewhere"));
    make(folders()[0] as string, "made here");
    await unpack(join(root, name));
    const texts = folders().map((folder) => readFileSync(join(cacheDirectory(), folder, "file"), "utf8"));
    expect(texts).toEqual(["made here", ...folders().slice(1)]);
    expect(readdirSync(cacheDirectory()).sort()).toEqual(["bundle", "guest", "pulumi"]);
    expect(said.join("\n")).toMatch(/pulumi\/\w+ was there already/);
  },
);

it("packs nothing by halves", async () => {
  make(folders()[1] as string, "");
  await expect(pack(join(root, "pack.tar"))).rejects.toThrow(
    "the cache has no toolchain and no bundle of this checkout",
  );
  expect(readdirSync(root)).toEqual(["cache"]);
});

it("leaves a cache as it was if the archive is broken", async () => {
  writeFileSync(join(root, "pack.tar"), "no archive at all");
  await expect(unpack(join(root, "pack.tar"))).rejects.toThrow("tar");
  expect(readdirSync(cacheDirectory())).toEqual([]);
});
