import { join } from "node:path";
import { cached, contentKey } from "../../../toolchain/cache";
import { run } from "../../../toolchain/commands";
import { findGo, goEnvironment } from "../../../toolchain/go";
import { goVersion } from "../../../toolchain/pins";

/** The module that pins Kubernetes' tests and what they are run with. */
export const testModule = join(__dirname, "go");

/**
 * Builds Kubernetes' end-to-end tests, about ten minutes on two cores. @returns path of `e2e.test`.
 * @param variables of its version, `import/path.name: value`.
 * @throws CommandError with the compiler's last lines.
 */
export async function buildTests(variables: Readonly<Record<string, string>>): Promise<string> {
  const flags = ["-s", "-w", ...Object.entries(variables).map(([name, value]) => `-X '${name}=${value}'`)];
  const args = ["test", "-c", "-ldflags", flags.join(" "), "k8s.io/kubernetes/test/e2e"];
  const key = contentKey([JSON.stringify([args, goEnvironment, goVersion])], testModule);
  const directory = await cached("kubernetes-tests", key, async (directory) => {
    console.log("building Kubernetes' own tests, about ten minutes on two cores");
    const [command = "", ...rest] = args;
    const output = join(directory, "e2e.test");
    await run(await findGo(), [command, "-o", output, ...rest], { cwd: testModule, env: goEnvironment });
  });
  return join(directory, "e2e.test");
}

/** Where the sources of Kubernetes are: its tests' images have files from there. @returns a folder of Go's cache. */
export async function kubernetesSources(): Promise<string> {
  const module = await run(await findGo(), ["mod", "download", "-json", "k8s.io/kubernetes"], {
    cwd: testModule,
    env: goEnvironment,
  });
  return JSON.parse(module).Dir;
}
