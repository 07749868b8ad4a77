import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript } from "../machine/script";
import type { Target } from "../machine/target";
import type { BackupStore } from "./store";

/** Arguments of {@link Backups}. */
export interface BackupsArgs {
  readonly node: { readonly name: string; readonly target: Target };
  readonly store: BackupStore;
  /** What the store lets this node in with, in OpenSSH's format. */
  readonly privateKey: pulumi.Input<string>;
  /** Whose holder alone can read what is brought there, in PEM. Not a secret. */
  readonly certificate: pulumi.Input<string>;
  /** Services that have a program `/opt/wiab/<service>/backup` on this node. */
  readonly services: readonly string[];
  /** When they are backed up: a calendar event of systemd.time(7). */
  readonly schedule: string;
}

const program = (file: string) => readFileSync(join(__dirname, file), "utf8");

/** The parameters of client.sh but for key and certificate. */
export const clientParameters = (
  { node, services, schedule }: Pick<BackupsArgs, "services" | "schedule"> & { readonly node: string },
  { address, hostKey }: { readonly address: string; readonly hostKey: string },
) => ({
  SERVICES: services.join(" "),
  SETTINGS: `${JSON.stringify({ node, address })}\n`,
  KNOWN_HOSTS: `${address} ${hostKey}\n`,
  SCHEDULE: schedule,
  CLIENT_PROGRAM: program("client.py"),
  PIECES_PROGRAM: program("pieces.py"),
  SEALING_PROGRAM: program("sealing.py"),
});

/** Backups of a node's services to the asset host: `wiab-backup`, `wiab-restore` and a timer for each service. */
export class Backups extends pulumi.ComponentResource {
  constructor(name: string, args: BackupsArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:backup:Backups", name, {}, options);
    const { node, store, services, schedule } = args;
    const { address } = store;
    const parameters = (hostKey: string) =>
      clientParameters({ node: node.name, services, schedule }, { address, hostKey });
    runScript(
      `${name}-timers`,
      {
        target: node.target,
        script: loadScript(__dirname, "client.sh"),
        parameters: {
          ...parameters(""),
          KNOWN_HOSTS: store.hostKey.apply((hostKey) => parameters(hostKey).KNOWN_HOSTS),
          PRIVATE_KEY: args.privateKey,
          CERTIFICATE: args.certificate,
        },
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}
