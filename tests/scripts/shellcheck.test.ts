import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadScript } from "../../components/machine/script";

const scriptsBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".sh"))
    .map((file) => join(folder, file))
    .sort();

/** What shellcheck has to say about a script, which it reads from its standard input. */
function findings(text: string, ...options: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile("shellcheck", [...options, "--format=gcc", "-"], (error, stdout, stderr) => {
      // Exit code 1 means findings; anything else that shellcheck could not do its work.
      if (error && error.code !== 1) reject(new Error(`${error.message}\n${stderr}`));
      else resolve(stdout);
    });
    child.stdin?.end(text);
  });
}

const prelude = "components/machine/prelude.sh";
/** Runs on machines that know nothing of this project as well. */
const loader = "components/artifact/registry/load-and-push-images.sh";
/** What stands behind the prelude in the scripts of a room, by the beginning of their paths. */
const shared: Readonly<Record<string, readonly string[]>> = {
  "components/data-services/": ["components/data-services/service.sh"],
  "components/host/preflight/": [
    "components/host/preflight/findings.sh",
    "components/host/preflight/firewalls.sh",
  ],
  "components/host/depot/": ["components/host/preflight/findings.sh"],
  "components/wickr/": ["components/wickr/disk.sh"],
  "components/kubernetes/version/": ["components/kubernetes/version/step.sh"],
  "components/kubernetes/member/": [
    "components/kubernetes/version/step.sh",
    "components/kubernetes/member/change.sh",
    "components/kubernetes/member/leave.sh",
  ],
};
/** What machines keep and run by themselves. */
const installed = scriptsBelow("components").filter((file) => readFileSync(file, "utf8").startsWith("#!"));
const scripts = scriptsBelow("components").filter(
  (file) => ![prelude, ...Object.values(shared).flat(), ...installed].includes(file),
);
const programs = [
  ".ci/run",
  ...installed,
  ...["bundle", "lab", "tests/acceptance", "toolchain"].flatMap(scriptsBelow),
];

describe("shellcheck", () => {
  it("has scripts to look at", () => {
    expect(scripts).toContain("components/host/preflight/preflight.sh");
    expect(programs).toEqual(expect.arrayContaining(["toolchain/run.sh", loader]));
  });

  it("finds what is wrong", async () => {
    expect(await findings("rm -r $1/*\n", "--shell=bash")).toContain("SC2086");
  });

  it.each(scripts)("finds nothing in %s, with the prelude before it", async (file) => {
    const room = Object.keys(shared).find((folder) => file.startsWith(folder));
    const { text } = loadScript(dirname(file), basename(file), ...(room ? (shared[room] ?? []) : []));
    expect(text.startsWith(readFileSync(prelude, "utf8"))).toBe(true);
    // Remote scripts are read by bash and define functions that the input's last line calls.
    expect(await findings(`${text}\n"$1" </dev/null\n`, "--shell=bash")).toBe("");
  });

  it.each(programs)("finds nothing in %s, which names its shell", async (file) => {
    const text = readFileSync(file, "utf8");
    expect(text).toMatch(/^#!\/bin\/(ba)?sh\n/);
    expect(await findings(text)).toBe("");
  });
});
