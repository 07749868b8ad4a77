import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript } from "../machine/script";
import type { Target } from "../machine/target";

/** A key pair of OpenSSH's that opens the store of backups and nothing else. */
export interface BackupKeys {
  readonly privateKey: pulumi.Input<string>;
  /** A line of `authorized_keys`. Not a secret. */
  readonly publicKey: pulumi.Input<string>;
}

/** Arguments of {@link BackupStore}. */
export interface BackupStoreArgs {
  /** The asset host. */
  readonly target: Target;
  /** Its address. */
  readonly address: string;
  readonly keys: BackupKeys;
  /** Addresses of the machines that may bring and fetch backups. */
  readonly clients: readonly string[];
  /** How many backups of each service and node are kept; the newest. */
  readonly keep: number;
}

const program = (file: string) => readFileSync(join(__dirname, file), "utf8");

/** The parameters of store.sh but for the key. */
export const storeParameters = ({ clients, keep }: Pick<BackupStoreArgs, "clients" | "keep">) => ({
  CLIENTS: clients.join(","),
  KEEP: `${keep}`,
  STORE_PROGRAM: program("store.py"),
  PIECES_PROGRAM: program("pieces.py"),
});

/** `/var/backups/wiab/<service>/<node>` on the asset host, which nodes reach by SSH with {@link BackupKeys}. */
export class BackupStore extends pulumi.ComponentResource {
  readonly address: string;
  /** What its SSH server shows, as a line of `known_hosts` without the name; known once it stands. */
  readonly hostKey: pulumi.Output<string>;
  readonly keys: BackupKeys;

  constructor(name: string, args: BackupStoreArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:backup:BackupStore", name, {}, options);
    const run = runScript(
      `${name}-assethost`,
      {
        target: args.target,
        script: loadScript(__dirname, "store.sh"),
        parameters: { ...storeParameters(args), PUBLIC_KEY: args.keys.publicKey },
      },
      { parent: this },
    );
    this.keys = args.keys;
    this.address = args.address;
    this.hostKey = run.stdout.apply((hostKey) => hostKey.trim());
    this.registerOutputs({ location: { address: this.address, hostKey: this.hostKey } });
  }
}
