import { pulumiOutput } from "../toolchain/pulumi";
import { type CommandLine, destroys } from "./command-line";

/**
 * Refuses to destroy a stack that keeps disks, before anything is touched: the engine finds them one by one, and without
 * a preview only after it has deleted their machines.
 * @throws Error that names the disks, and how to let them go.
 */
export async function refuseDestroy(
  env: Readonly<Record<string, string>>,
  stack: string,
  line: CommandLine,
): Promise<void> {
  if (!destroys(line) || line.values.target !== undefined) return;
  if (line.switches.some((flag) => /^--(ignore-protect|exclude-protected)(=true)?$/.test(flag))) return;
  const exported = await pulumiOutput(env, ["stack", "export", "--stack", stack]);
  const kept = keptDisks(JSON.parse(exported));
  if (kept.length > 0)
    throw new Error(
      `the disks of ${kept.length} machines would be deleted, nothing was changed:\n${kept.map((disk) => `  - ${disk}\n`).join("")}` +
        "To let all of them go with the stack, add --ignore-protect. To keep one's file on the host, give its machine `disk: aside` and run up first.",
    );
}

/** Paths on the host of the disks that a state protects. */
export function keptDisks(state: {
  readonly deployment: { readonly resources?: readonly { type: string; protect?: boolean; id?: string }[] };
}): string[] {
  const { resources = [] } = state.deployment;
  return resources.flatMap(({ type, protect, id }) =>
    protect && type === "libvirt:index/volume:Volume" && id ? [id] : [],
  );
}
