import { readFileSync } from "node:fs";
import { join } from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { callingPorts } from "../../config/ports";
import { loadScript, runScript, type ScriptRun } from "../../machine/script";
import type { Target } from "../../machine/target";

/** What of the configuration says which ports calls may have. */
export interface MediaPorts {
  /** First UDP port of conference calls. */
  readonly firstMediaPort: number;
  /** Ports of the public address that stay with the host, as `udp/51820`. */
  readonly hostPorts: readonly string[];
}

/** Holds ports that no call may have. */
const keeper = readFileSync(join(__dirname, "keep.py"), "utf8");

/**
 * Those of the ports that stay with the host, as `udp/51820`, which a call could get on its node: what came to it from
 * outside would go to the host.
 */
export const keptMediaPorts = (hostPorts: readonly string[], first: number): string =>
  hostPorts
    .flatMap((entry) => {
      const [protocol, port] = entry.split("/");
      return protocol === "udp" && Number(port) >= first ? [port] : [];
    })
    .join(" ");

/**
 * Shares the media ports of the calling node out between sftd, which gets its own from the kernel, and coturn, whose are
 * above them, and keeps both from what stays with the host. Wants to come before both.
 */
export const shareMediaPorts = (
  name: string,
  target: Target,
  { firstMediaPort, hostPorts }: MediaPorts,
  options: pulumi.CustomResourceOptions,
): ScriptRun =>
  runScript(
    name,
    {
      target,
      script: loadScript(__dirname, "ports.sh"),
      parameters: {
        ...{ FIRST: `${firstMediaPort}`, LAST: `${callingPorts.relays - 1}` },
        ...{ KEPT: keptMediaPorts(hostPorts, firstMediaPort), KEEPER: keeper },
      },
      removes: true,
    },
    options,
  );
