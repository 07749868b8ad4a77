import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { BackupConfiguration } from "../config/backup-schema";
import { loadScript, runScript } from "../machine/script";
import type { Target } from "../machine/target";
import type { BackupStore } from "./store";

/** Where backups are brought: a server that has SFTP. */
export type OffHostPlace = NonNullable<BackupConfiguration["offHost"]>;

/** Arguments of {@link OffHost}. */
export interface OffHostArgs {
  /** The asset host. */
  readonly target: Target;
  /** What is brought. */
  readonly store: BackupStore;
  readonly place: OffHostPlace;
  /** What the server lets in, in OpenSSH's formats. */
  readonly identity: {
    readonly privateKey: pulumi.Input<string>;
    /** Not a secret. */
    readonly publicKey: pulumi.Output<string>;
  };
}

const program = (file: string) => readFileSync(join(__dirname, file), "utf8");

/** The parameters of offhost.sh but for the key. */
export const offHostParameters = ({ address, port, user, directory, hostKey }: OffHostPlace) => ({
  SETTINGS: `${JSON.stringify({ address, port, user, directory })}\n`,
  KNOWN_HOSTS: `${port === 22 ? address : `[${address}]:${port}`} ${hostKey}\n`,
  OFFHOST_PROGRAM: program("offhost.py"),
});

/** A second place for what {@link BackupStore} has: `wiab-offhost` on the asset host, and a timer that brings it hourly. */
export class OffHost extends pulumi.ComponentResource {
  /** A line for the server's `authorized_keys`. */
  readonly publicKey: pulumi.Output<string>;

  constructor(name: string, args: OffHostArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:backup:OffHost", name, {}, options);
    const { target, store, place, identity } = args;
    runScript(
      `${name}-assethost`,
      {
        target,
        script: loadScript(__dirname, "offhost.sh"),
        parameters: { ...offHostParameters(place), PRIVATE_KEY: identity.privateKey },
        removes: true,
      },
      { parent: this, dependsOn: [store] },
    );
    this.publicKey = identity.publicKey;
    this.registerOutputs({ publicKey: this.publicKey });
  }
}
