import { chmodSync, readdirSync, rmSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { run } from "../lab/host/commands";
import { cached } from "./cache";
import { download } from "./download";
import { goChecksums, goVersion } from "./pins";

/** Go's own default (`go help environment`): the first source of modules. */
const defaultProxy = "https://proxy.golang.org";

/**
 * Gives the path of a `go` command that is new enough: the one on PATH, else the pinned toolchain, which
 * the Go module proxy serves as a module, unpacked into the cache.
 * @throws Error when the machine has no pinned toolchain or it does not arrive whole.
 */
export async function findGo(): Promise<string> {
  const found = await run("go", ["env", "GOVERSION"]).catch(() => "");
  if (atLeast(found.replace(/^go/, ""), goVersion)) return "go";
  const machine = arch() === "arm64" ? "arm64" : "amd64";
  const module = `golang.org/toolchain@v0.0.1-go${goVersion}.linux-${machine}`;
  const sha256 = goChecksums[machine] ?? "";
  const directory = await cached("go", sha256.slice(0, 24), async (directory) => {
    const archive = join(directory, "go.zip");
    await download(`${goProxy()}/${module.replace("@", "/@v/")}.zip`, archive, sha256);
    await run("unzip", ["-q", archive, "-d", directory]);
    rmSync(archive);
    // A module's files carry no permissions.
    const root = join(directory, module);
    for (const folder of ["bin", `pkg/tool/linux_${machine}`])
      for (const file of readdirSync(join(root, folder))) chmodSync(join(root, folder, file), 0o755);
  });
  return join(directory, module, "bin", "go");
}

/** The first proxy that the operator's GOPROXY names, as the go command would ask it. */
function goProxy(): string {
  const [first = ""] = (process.env.GOPROXY ?? "").split(/[,|]/);
  return /^https?:/.test(first) ? first.replace(/\/$/, "") : defaultProxy;
}

/** Compares versions such as 1.26.8; an empty one is older than all others. */
export function atLeast(version: string, minimum: string): boolean {
  const parts = (text: string) => text.split(".").map((part) => Number.parseInt(part, 10) || 0);
  const [have, need] = [parts(version), parts(minimum)];
  const different = need.findIndex((value, index) => value !== (have[index] ?? 0));
  return different < 0 || (have[different] ?? 0) > (need[different] ?? 0);
}
