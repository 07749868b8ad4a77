import * as pulumi from "@pulumi/pulumi";
import type { Configuration } from "../config/schema";
import type { Target } from "../machine/target";

/** Where the host's scripts run: on this machine, or over SSH where the host is another one. */
export function hostTarget(
  { ssh }: Pick<Configuration["host"], "ssh">,
  privateKey?: pulumi.Input<string>,
): Target {
  if (!ssh) return { kind: "local" };
  return {
    kind: "ssh",
    connection: pulumi.secret({
      host: ssh.address,
      port: ssh.port,
      user: ssh.user,
      privateKey,
      hostKey: ssh.hostKey,
    }),
  };
}
