import type * as pulumi from "@pulumi/pulumi";
import type { MachinePlan } from "../../config/plan";
import type { Configuration } from "../../config/schema";
import { loadScript, runScript, type ScriptRun } from "../../machine/script";
import type { Target } from "../../machine/target";
import { auditPolicy, guardFolder, renderEncryption } from "./guard";

/** Puts what an API server is started with on its node, where anything is asked for. @returns The node after that. */
export function prepareGuards(
  name: string,
  target: Target,
  { encryptSecrets, auditLog }: Pick<Configuration["kubernetes"], "encryptSecrets" | "auditLog">,
  key: pulumi.Output<string> | undefined,
  options: pulumi.CustomResourceOptions,
): Target {
  if (!encryptSecrets && !auditLog) return target;
  const run = runScript(
    `${name}-guards`,
    {
      target,
      script: loadScript(__dirname, "prepare.sh"),
      parameters: {
        FOLDER: guardFolder,
        ENCRYPTION: key?.apply((text) => renderEncryption(text, false)) ?? "",
        AUDIT: auditLog ? auditPolicy : "",
      },
    },
    options,
  );
  return { ...target, after: [run] };
}

/**
 * Has all control planes write secrets with the key, one after another, once each can read with it.
 * @param nodes - Those that stay, after the last of them has joined.
 */
export function encryptSecrets(
  name: string,
  nodes: readonly { readonly node: MachinePlan; readonly target: Target }[],
  key: pulumi.Output<string>,
  options: pulumi.CustomResourceOptions,
): readonly ScriptRun[] {
  const runs: ScriptRun[] = [];
  nodes.forEach(({ node, target }, index) => {
    runs.push(
      runScript(
        `${name}-${node.name}-encryption`,
        {
          target,
          script: loadScript(__dirname, "encrypt.sh"),
          parameters: {
            FOLDER: guardFolder,
            ENCRYPTION: key.apply((text) => renderEncryption(text, true)),
            NODE: node.name,
            ADDRESS: node.address,
            LAST: index === nodes.length - 1 ? "yes" : "no",
          },
        },
        { ...options, dependsOn: runs.slice(-1) },
      ),
    );
  });
  return runs;
}
