import { chmodSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cached } from "./cache";
import { run } from "./commands";
import { download } from "./download";
import { architecture, goChecksums, goVersion } from "./pins";
import { unzip } from "./zip";

/** Go's own default (`go help environment`): the first source of modules. */
const defaultProxy = "https://proxy.golang.org";

/**
 * How the go command is to work, whatever the operator's own settings are: no C compiler (so that a
 * machine without one gives the same programs, and they run on every distribution), and nothing but
 * what go.mod and go.sum name. Where modules come from stays the operator's choice.
 */
export const goEnvironment: Readonly<Record<string, string>> = {
  CGO_ENABLED: "0",
  GOARCH: architecture.go,
  GOFLAGS: "-mod=readonly -trimpath -buildvcs=false",
  GOOS: "linux",
  GOTOOLCHAIN: "local",
  GOWORK: "off",
};

/**
 * Gives the path of a `go` command: the one on PATH if it is the pinned one or a later patch of it, else the pinned
 * toolchain, which the Go module proxy serves as a module, unpacked into the cache.
 * @throws Error when it does not arrive whole.
 */
export async function findGo(): Promise<string> {
  const found = await run("go", ["env", "GOVERSION"], { env: goEnvironment }).catch(() => "");
  if (canReplace(found, goVersion)) return "go";
  const directory = await cached("go", `${goVersion}-${architecture.go}`, async (directory) => {
    const module = `golang.org/toolchain@v0.0.1-go${goVersion}.linux-${architecture.go}`;
    const archive = join(directory, "go.zip");
    await download(`${goProxy()}/${module.replace("@", "/@v/")}.zip`, archive, goChecksums[architecture.go]);
    // A module may hold neither other modules' go.mod, which are renamed in it, nor permissions.
    unzip(archive, directory, (name) => name.slice(module.length + 1).replace(/(^|\/)_go\.mod$/, "$1go.mod"));
    rmSync(archive);
    for (const folder of ["bin", `pkg/tool/linux_${architecture.go}`])
      for (const file of readdirSync(join(directory, folder)))
        chmodSync(join(directory, folder, file), 0o755);
  });
  return join(directory, "bin", "go");
}

/** The first proxy that the operator's GOPROXY names. */
export function goProxy(setting = process.env.GOPROXY ?? ""): string {
  const proxy = setting.split(/[,|]/).find((entry) => /^https?:/.test(entry));
  return (proxy ?? defaultProxy).replace(/\/$/, "");
}

/**
 * Whether a Go such as `go1.26.9` can take the place of the pinned one: of the same minor version, since another
 * one would give other programs under the same key, and not older, since modules may ask for what it has.
 */
export function canReplace(found: string, pinned: string): boolean {
  const parts = (version: string) => version.replace(/^go/, "").split(".").map(Number);
  const [foundMajor, foundMinor, foundPatch = 0] = parts(found);
  const [major, minor, patch = 0] = parts(pinned);
  return foundMajor === major && foundMinor === minor && foundPatch >= patch;
}
