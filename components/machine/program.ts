import * as pulumi from "@pulumi/pulumi";
import { asRoot, type CommandRun, runOn, shown, type Value } from "./command";
import type { Target } from "./target";

/** What `wiab` is to make of a machine, in two parts, the names of which its service's Go package has. */
export interface Specification {
  /** A preview shows what changes in each of them. */
  readonly settings: Readonly<Record<string, pulumi.Input<Value>>>;
  /** Neither a preview nor the state shows them. */
  readonly secrets: Readonly<Record<string, pulumi.Input<string>>>;
}

/** Arguments of {@link runProgram}. */
export interface ProgramArgs {
  readonly target: Target;
  /** Path of `wiab` on the machine, in a folder that its checksum names: another version of it runs again. */
  readonly program: string;
  /** Both are convergent: for a node, and for the cluster as a whole. */
  readonly verb: "apply" | "settle";
  readonly service: string;
  readonly specification: Specification;
}

/** The standard input of `wiab`. */
export const renderSpecification = (specification: {
  readonly settings: object;
  readonly secrets: object;
}): string => JSON.stringify(specification);

/**
 * Runs the guests' program `wiab` (guest/) as root on a machine, as {@link runOn} says. The specification goes by standard
 * input; the `environment` shows its settings.
 */
export function runProgram(
  name: string,
  args: ProgramArgs,
  options: pulumi.CustomResourceOptions = {},
): CommandRun {
  const { target, program, verb, service, specification } = args;
  const { settings, secrets } = specification;
  return runOn(
    target,
    name,
    {
      create: asRoot(`${program} ${verb} ${service}`),
      environment: shown({ ...settings, ...(target.identity !== undefined && { MACHINE: target.identity }) }),
      stdin: pulumi.secret(pulumi.output({ settings, secrets }).apply(renderSpecification)),
    },
    options,
  );
}
