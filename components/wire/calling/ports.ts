import type * as pulumi from "@pulumi/pulumi";
import { callingPorts } from "../../config/ports";
import { loadScript, runScript, type ScriptRun } from "../../machine/script";
import type { Target } from "../../machine/target";

/** The first port that coturn relays through: its own default, as the chart has no value for it (RFC 8656). */
const firstRelayPort = 49_152;

/** The ports of conference calls, which sftd gets from the kernel, below those of the relay. */
export const sftPorts = { first: callingPorts.media.first, last: firstRelayPort - 1 } as const;

/** Shares the media ports of the calling node out between sftd and coturn. Wants to come before both. */
export const shareMediaPorts = (
  name: string,
  target: Target,
  options: pulumi.CustomResourceOptions,
): ScriptRun =>
  runScript(
    name,
    {
      target,
      script: loadScript(__dirname, "ports.sh"),
      parameters: { FIRST: `${sftPorts.first}`, LAST: `${sftPorts.last}` },
      removes: true,
    },
    options,
  );
