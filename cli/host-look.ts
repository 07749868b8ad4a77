import { findingsOn } from "../checks/host";
import { withReach } from "../checks/reach";
import { recordedResources } from "../checks/record";
import { pulumiOutput } from "../toolchain/pulumi";

/**
 * Says what the preflight finds on a stack's host before a run changes anything: its resource runs again only when the
 * configuration changes, and Docker may have been installed since. A run that nothing else came of looks as well, and
 * so does one that goes on where the first one failed; where no preflight has run yet, it is about to.
 */
export async function warnOfHost(env: Readonly<Record<string, string>>, stack: string): Promise<void> {
  for (const finding of await lookAtHost(env, stack)) console.error(`warning: on the host: ${finding}`);
}

async function lookAtHost(env: Readonly<Record<string, string>>, stack: string): Promise<string[]> {
  const exported = await pulumiOutput(env, ["stack", "export", "--show-secrets", "--stack", stack]).catch(
    // There is no such stack yet, or the engine itself is about to say why it cannot be read.
    () => "{}",
  );
  const resources = recordedResources(JSON.parse(exported).deployment);
  try {
    return await withReach({ resources, outputs: { machines: [] } }, ({ host }) =>
      findingsOn({ resources }, host),
    );
  } catch (error) {
    return [`it cannot be looked at: ${(error as Error).message}`];
  }
}
