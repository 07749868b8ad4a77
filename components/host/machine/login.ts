import type { types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { MachinePlan } from "../../config/plan";
import { loadScript, runScript } from "../../remote/script";
import type { Machine } from "./machine";

/** Arguments of {@link logIn}. */
export interface LoginArgs {
  readonly plan: MachinePlan;
  readonly user: string;
  readonly connection: pulumi.Input<types.input.remote.ConnectionArgs>;
  /** The only keys that may log in; empty for a machine that is used as it is. */
  readonly authorizedKeys: pulumi.Input<readonly string[]>;
  /** How a person logs in. */
  readonly sshCommand: string;
}

/** The last step of every machine: lets the program in, checks what it finds and hands the machine out. */
export function logIn(name: string, args: LoginArgs, options: pulumi.CustomResourceOptions): Machine {
  const { plan, user } = args;
  const connection = pulumi.secret(args.connection);
  const run = runScript(
    name,
    {
      target: { kind: "ssh", connection },
      script: loadScript(__dirname, "login.sh"),
      parameters: {
        NAME: plan.name,
        ADDRESS: plan.address,
        LOGIN: user,
        AUTHORIZED_KEYS: pulumi.output(args.authorizedKeys).apply((keys) => keys.join("\n")),
      },
    },
    options,
  );
  return {
    plan,
    target: { kind: "ssh", connection, after: [run] },
    sshCommand: args.sshCommand,
    address: run.id.apply(() => plan.address),
  };
}
