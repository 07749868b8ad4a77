import type { types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { MachinePlan } from "../../config/plan";
import type { Machine } from "../../machine/machine";
import { loadScript, runScript } from "../../machine/script";

/** Arguments of {@link logIn}. */
export interface LoginArgs {
  readonly plan: MachinePlan;
  readonly login: Machine["login"];
  /** How the program gets to the host that the machine runs on. @default it reaches the machine directly */
  readonly proxy?: pulumi.Input<types.input.remote.ConnectionArgs>;
  /** Changes with the machine's boot, so that the program looks again. @default it looks once */
  readonly booted?: pulumi.Input<string>;
  /** The only keys that may log in; empty for a machine that is used as it is. */
  readonly authorizedKeys: pulumi.Input<readonly string[]>;
  /** How a person logs in. */
  readonly sshCommand: string;
}

/** The last step of every machine: lets the program in, checks what it finds and hands the machine out. */
export function logIn(name: string, args: LoginArgs, options: pulumi.CustomResourceOptions): Machine {
  const { plan, login } = args;
  const connection = pulumi.secret({ host: plan.address, ...login, proxy: args.proxy });
  const run = runScript(
    name,
    {
      target: { kind: "ssh", connection },
      script: loadScript(__dirname, "login.sh"),
      parameters: {
        NAME: plan.name,
        ADDRESS: plan.address,
        LOGIN: login.user,
        BOOTED: args.booted ?? "",
        AUTHORIZED_KEYS: pulumi.output(args.authorizedKeys).apply((keys) => keys.join("\n")),
      },
    },
    options,
  );
  return {
    plan,
    // The script's last line is the machine's ID: what was done on a machine is done again on one that has
    // taken its place.
    target: {
      kind: "ssh",
      connection,
      after: [run],
      identity: run.stdout.apply(lastLine),
      deletedWith: options.deletedWith,
    },
    login,
    sshCommand: args.sshCommand,
    address: run.id.apply(() => plan.address),
  };
}

/** What a script says last. */
export const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1) ?? "";
