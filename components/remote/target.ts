import type { types } from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";

/** Where a script runs: on the machine that runs the program, or over SSH on another one. */
export type Target =
  | { readonly kind: "local" }
  | { readonly kind: "ssh"; readonly connection: pulumi.Input<types.input.remote.ConnectionArgs> };
