import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript } from "../machine/script";
import type { Target } from "../machine/target";

/** A machine whose backups are kept. */
export interface BackupNode {
  readonly name: string;
  /** The only one that it may come from. */
  readonly address: string;
  /** A line of `authorized_keys`, of a key of this machine alone. Not a secret. */
  readonly publicKey: pulumi.Input<string>;
  /** What it may bring, and fetch. */
  readonly services: readonly string[];
}

/** Which backups of each service and node are kept: the newest, and all that are young. */
export interface Retention {
  /** How many of the newest, however old they are. */
  readonly keep: number;
  /** Days for which none is deleted. */
  readonly keepDays: number;
}

/** Arguments of {@link BackupStore}. */
export interface BackupStoreArgs {
  /** The asset host. */
  readonly target: Target;
  /** Its address. */
  readonly address: string;
  readonly nodes: readonly BackupNode[];
  readonly retention: Retention;
}

const program = (file: string) => readFileSync(join(__dirname, file), "utf8");

/** A line of the store's `authorized_keys`: what the key of a node opens. */
const authorizedKey = ({ name, address, services }: BackupNode, publicKey: string): string =>
  `restrict,from="${address}",command="/opt/wiab/backup/store ${[name, ...services].join(" ")}" ${publicKey}\n`;

/** The parameters of store.sh. @param publicKeys - Of the nodes, in their order. */
export const storeParameters = (
  { nodes, retention: { keep, keepDays } }: Pick<BackupStoreArgs, "nodes" | "retention">,
  publicKeys: readonly string[],
) => ({
  AUTHORIZED_KEYS: nodes.map((node, at) => authorizedKey(node, publicKeys[at] as string)).join(""),
  KEEP: `${JSON.stringify({ keep, keepDays })}\n`,
  STORE_PROGRAM: program("store.py"),
  PIECES_PROGRAM: program("pieces.py"),
});

/** `/var/backups/wiab/<service>/<node>` on the asset host, which nodes reach by SSH, each with a key of its own. */
export class BackupStore extends pulumi.ComponentResource {
  readonly address: string;
  /** What its SSH server shows, as a line of `known_hosts` without the name; known once it stands. */
  readonly hostKey: pulumi.Output<string>;

  constructor(name: string, args: BackupStoreArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:backup:BackupStore", name, {}, options);
    const run = runScript(
      `${name}-assethost`,
      {
        target: args.target,
        script: loadScript(__dirname, "store.sh"),
        parameters: {
          ...storeParameters(args, []),
          AUTHORIZED_KEYS: pulumi
            .all(args.nodes.map(({ publicKey }) => publicKey))
            .apply((publicKeys) => storeParameters(args, publicKeys).AUTHORIZED_KEYS),
        },
      },
      { parent: this },
    );
    this.address = args.address;
    this.hostKey = run.stdout.apply((hostKey) => hostKey.trim());
    this.registerOutputs({ location: { address: this.address, hostKey: this.hostKey } });
  }
}
