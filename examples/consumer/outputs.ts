import * as pulumi from "@pulumi/pulumi";
import type { StackOutputs } from "../../components/deployment/outputs";

/**
 * Reads outputs of another stack. Each keeps whether it is secret, which the stack's outputs taken all
 * together would not: one secret among them makes all of them secret.
 * @param stack its full name, `<organization>/wiab-staging/<stack>`.
 * @param names the outputs that are wanted; null counts as a value.
 * @throws pulumi.RunError naming all that the stack lacks.
 */
export function readOutputs<Name extends keyof StackOutputs>(
  stack: string,
  names: readonly Name[],
): { readonly [N in Name]: pulumi.Output<StackOutputs[N]> } {
  const reference = new pulumi.StackReference(stack);
  const checked = pulumi.unsecret(reference.outputs).apply((outputs) => {
    const missing = names.filter((name) => !(name in outputs));
    if (missing.length > 0)
      throw new pulumi.RunError(
        `stack ${stack} has no output ${missing.join(", ")}: it has not been brought up yet or is of another ` +
          'version of the project; run "pulumi up" there, then here again',
      );
  });
  const read = (name: Name) => checked.apply(() => reference.getOutput(name));
  return Object.fromEntries(names.map((name) => [name, read(name)])) as {
    readonly [N in Name]: pulumi.Output<StackOutputs[N]>;
  };
}
