import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Target } from "./target";

/** A command on a machine; both kinds have the outputs `stdout` and `stderr`. */
export type CommandRun = command.local.Command | command.remote.Command;

/** What both kinds of commands take. */
type Inputs = Pick<command.remote.CommandArgs, "create" | "update" | "delete" | "environment" | "stdin">;

/** Runs a command as root, by sudo where the program has logged in as somebody else. */
export const asRoot = (line: string): string =>
  `if [ "$(id -u)" = 0 ]; then exec ${line}; else exec sudo -n ${line}; fi`;

/** Bytes of a value that a preview shows; SSH and the kernel limit what an environment may have. */
const shownBytes = 16_384;

const abridge = (value: string): string =>
  Buffer.byteLength(value) <= shownBytes
    ? value
    : `${value.split("\n").length} lines, SHA-256 ${createHash("sha256").update(value).digest("hex")}`;

/** A text, or what JSON has a text for. */
export type Value = string | number | boolean | readonly (string | object)[];

/** What the `environment` of a command shows of values: all that are no secret. */
export async function shown(
  values: Readonly<Record<string, pulumi.Input<Value>>>,
): Promise<Record<string, pulumi.Output<string>>> {
  const plain = await Promise.all(
    Object.entries(values).map(async ([name, value]) => {
      const output = pulumi.output<Value>(value);
      const text = (known: pulumi.Unwrap<Value>) =>
        abridge(typeof known === "string" ? known : JSON.stringify(known));
      return (await pulumi.isSecret(output)) ? [] : [[name, output.apply(text)] as const];
    }),
  );
  return Object.fromEntries(plain.flat());
}

/**
 * Runs a command on a target, and again when its inputs change, in place: nothing that depends on it is replaced. The
 * `environment` is there to be read in the state and in previews: an SSH server takes no variables from it that it has not
 * been told of, and no command counts on them.
 */
export function runOn(
  target: Target,
  name: string,
  inputs: Inputs,
  options: pulumi.CustomResourceOptions,
): CommandRun {
  const ordered = pulumi.mergeOptions(options, {
    dependsOn: [...(target.after ?? [])],
    ...(target.deletedWith && { deletedWith: target.deletedWith }),
  });
  return target.kind === "local"
    ? new command.local.Command(name, inputs, ordered)
    : new command.remote.Command(
        name,
        // Servers take no variables of ours, and nothing reads them.
        { ...inputs, connection: target.connection, addPreviousOutputInEnv: false },
        ordered,
      );
}
