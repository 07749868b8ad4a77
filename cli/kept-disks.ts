import { pulumiOutput, stackOf } from "../toolchain/pulumi";

/**
 * Refuses to destroy a stack that keeps disks, before anything is touched: the engine finds them one by one, and without
 * a preview only after it has deleted their machines.
 * @throws Error that names the disks, and how to let them go.
 */
export async function refuseDestroy(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<void> {
  if (!["destroy", "down", "dn"].includes(args[0] ?? "")) return;
  if (args.some((arg) => /^--(ignore-protect|exclude-protected|target|help)\b/.test(arg))) return;
  const stack = stackOf(args);
  const exported = await pulumiOutput(env, ["stack", "export", ...(stack ? ["--stack", stack] : [])]);
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
