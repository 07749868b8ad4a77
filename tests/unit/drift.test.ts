import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadScript, renderInput, type Script } from "../../components/machine/script";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wiab-drift-"));
  mkdirSync(join(folder, "files"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (name: string) => join(folder, "files", name);

/** Runs a script as a machine does, with a folder in the place of the machine's own ones. */
function run(script: Script, parameters: Record<string, string>, ...words: string[]): Promise<string> {
  const text = renderInput(script, parameters)
    .replaceAll("/var/lib/wiab/made", join(folder, "made"))
    .replaceAll("/etc/* | /opt/*", `${join(folder, "files")}/* | /opt/*`);
  return new Promise((resolve, reject) => {
    const child = execFile("bash", ["-s", "--", ...words], (error, stdout, stderr) =>
      error ? reject(new Error(stderr)) : resolve(stdout),
    );
    child.stdin?.end(text);
  });
}

/** A script with a text of its own, below the prelude. */
function scriptOf(text: string): Script {
  const path = join(folder, "script.sh");
  writeFileSync(path, text);
  return loadScript(folder, "script.sh");
}

const minio = () =>
  scriptOf(`apply() {
  put '${file("settings")}' "$SETTINGS"
  put '${file("key")}' secret 0600
  made output "cat '${file("table")}'"
}
remove() { rm '${file("settings")}'; }
`);

const looking = loadScript("checks/programs", "drift.sh");
const drift = (...records: string[]) => run(looking, { RECORDS: records.join("\n") }, "apply");
const bringUp = async () => {
  writeFileSync(file("table"), "rules");
  await run(minio(), { SETTINGS: "one" }, "apply", "lab/minio");
};

describe("what a script has left", () => {
  beforeEach(bringUp);

  it("is as it was", async () => expect(await drift("lab/minio")).toBe(""));

  it.each<[string, () => void, string]>([
    [
      "a file that somebody has changed",
      () => writeFileSync(file("settings"), "two"),
      "settings has been changed",
    ],
    ["one that is gone", () => rmSync(file("settings")), "settings is gone"],
    ["one that others may read", () => chmodSync(file("key"), 0o644), "key has mode and owner 644"],
    ["a table with other rules", () => writeFileSync(file("table"), "others"), "gives something else"],
  ])("is told from %s", async (_name, change, said) => {
    change();
    const lines = (await drift("lab/minio")).trim().split("\n");
    expect(lines).toEqual([expect.stringContaining(`lab/minio\t`)]);
    expect(lines[0]).toContain(said);
  });

  it("shows nothing of what is in a file", async () => {
    writeFileSync(file("key"), "another secret");
    expect(await drift("lab/minio")).not.toContain("secret");
  });

  it("is unknown where an earlier version has done it", async () =>
    expect(await drift("lab/minio", "lab/other")).toMatch(/^lab\/other\tnothing is recorded of it/));

  it("counts as the last script has left it", async () => {
    const before = new Date(Date.now() - 60_000);
    utimesSync(join(folder, "made/lab/minio"), before, before);
    await run(scriptOf(`apply() { put '${file("settings")}' three; }`), {}, "apply", "lab/later");
    expect(await drift("lab/minio", "lab/later")).toBe("");
  });

  it("is in order again after the script has run again", async () => {
    writeFileSync(file("settings"), "two");
    await run(minio(), { SETTINGS: "one" }, "apply", "lab/minio");
    expect(await drift("lab/minio")).toBe("");
  });

  it("is forgotten with what is removed", async () => {
    await run(minio(), { SETTINGS: "one" }, "remove", "lab/minio");
    expect(existsSync(join(folder, "made/lab/minio"))).toBe(false);
  });
});

describe("a run without a name", () => {
  it("is not recorded", async () => {
    writeFileSync(file("table"), "rules");
    await run(minio(), { SETTINGS: "one" }, "apply");
    expect(existsSync(join(folder, "made"))).toBe(false);
  });
});
