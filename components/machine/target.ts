import type { types } from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";

/** Where a script runs: on the machine that runs the program, or over SSH on another one. */
export type Target = Reach & {
  /** What has to be there before anything runs on it: a checked host, a machine that has booted. */
  readonly after?: readonly pulumi.Resource[];
  /** What takes everything on it away when it goes itself, such as a machine's domain. @default nothing does */
  readonly deletedWith?: pulumi.Resource;
  /** Another value means another machine, on which everything has to be done again. @default none is known */
  readonly identity?: pulumi.Input<string>;
};

type Reach =
  | { readonly kind: "local" }
  | { readonly kind: "ssh"; readonly connection: pulumi.Input<types.input.remote.ConnectionArgs> };
