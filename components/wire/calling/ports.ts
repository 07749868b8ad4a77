import type * as pulumi from "@pulumi/pulumi";
import { callingPorts } from "../../config/ports";
import { loadScript, runScript, type ScriptRun } from "../../machine/script";
import type { Target } from "../../machine/target";

/**
 * Shares the media ports of the calling node out between sftd, which gets its own from the kernel, and coturn, whose are
 * above them. Wants to come before both.
 * @param first - First port of conference calls.
 */
export const shareMediaPorts = (
  name: string,
  target: Target,
  first: number,
  options: pulumi.CustomResourceOptions,
): ScriptRun =>
  runScript(
    name,
    {
      target,
      script: loadScript(__dirname, "ports.sh"),
      parameters: { FIRST: `${first}`, LAST: `${callingPorts.relays - 1}` },
      removes: true,
    },
    options,
  );
