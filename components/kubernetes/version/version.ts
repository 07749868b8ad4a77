import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript, type ScriptRun } from "../../machine/script";
import type { Target } from "../../machine/target";
import { minorOf } from "../plan";

/** Functions that tell which versions a node may become. */
export const stepScript = join(__dirname, "step.sh");

/**
 * Why Kubernetes cannot go from one version to another; undefined if it can. kubeadm goes up by one minor version at
 * most, and never down.
 */
export function refusalOf(from: string, to: string): string | undefined {
  const parts = (version: string) => version.replace(/^v/, "").split(".").map(Number);
  const [earlier, later] = [parts(from), parts(to)];
  const differing = later.findIndex((part, index) => part !== earlier[index]);
  if (differing === -1) return undefined;
  if ((later[differing] ?? 0) < (earlier[differing] ?? 0))
    return `Kubernetes cannot go back from ${from} to ${to}: take an artifact with ${from} or one minor version more`;
  return minorOf(to) - minorOf(from) > 1
    ? `Kubernetes cannot go from ${from} to ${to} at once: take an artifact with v1.${minorOf(from) + 1} first`
    : undefined;
}

/** Refuses before anything on a node changes; the node itself knows of what a killed run has begun. */
export const checkVersion = (
  name: string,
  target: Target,
  version: string,
  options: pulumi.CustomResourceOptions,
): ScriptRun =>
  runScript(
    name,
    {
      target,
      script: loadScript(__dirname, "version.sh", stepScript),
      parameters: { VERSION: version },
    },
    options,
  );

/** Has a preview refuse already, by the version that the cluster as a whole has come to, as the state knows it. */
export const versionHook = (name: string): pulumi.ResourceHook =>
  new pulumi.ResourceHook(
    name,
    ({ oldInputs, newInputs }) => {
      const [from, to] = [oldInputs, newInputs].map(versionIn);
      const refusal = from && to && refusalOf(from, to);
      if (refusal) throw new Error(refusal);
    },
    { onDryRun: true },
  );

/** The parameter `VERSION` in the inputs of a run; undefined where it is not known yet, or there is none. */
export function versionIn(inputs: unknown): string | undefined {
  const { environment, stdin } = (inputs ?? {}) as { environment?: Record<string, unknown>; stdin?: unknown };
  if (typeof environment?.VERSION === "string") return environment.VERSION;
  // A state of an earlier release of this program has it there, among all else that the script was given.
  return typeof stdin === "string" ? /^VERSION='([^']+)'$/m.exec(stdin)?.[1] : undefined;
}
