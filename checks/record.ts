import type { StackOutputs } from "../components/deployment/outputs";
import { pulumiOutput } from "../toolchain/pulumi";
import { plain } from "./secret";

/** A resource as a stack's last run has left it, secrets in plain. */
export interface RecordedResource {
  readonly name: string;
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the resource was given
  readonly inputs: any;
  // biome-ignore lint/suspicious/noExplicitAny: whatever came of it
  readonly outputs: any;
}

/** What a stack's state has of what it has made. */
export interface StackRecord {
  readonly outputs: StackOutputs;
  readonly resources: readonly RecordedResource[];
  /** As the engine exports it, secrets marked. */
  readonly deployment: unknown;
}

/** Reads a stack's state, secrets included. @throws Error for a stack that was never brought up to its end. */
export async function readRecord(env: Readonly<Record<string, string>>, stack: string): Promise<StackRecord> {
  const text = await pulumiOutput(env, ["stack", "export", "--show-secrets", "--stack", stack]);
  return recordIn(JSON.parse(text).deployment, stack);
}

/** The resources of what the engine has exported, of a stack that is not up yet as well. */
export function recordedResources(deployment: unknown): readonly RecordedResource[] {
  // biome-ignore lint/suspicious/noExplicitAny: as the engine exports it
  const all: any[] = (deployment as any)?.resources ?? [];
  return all.map(({ urn, type, inputs = {}, outputs = {} }) => ({
    name: urn.slice(urn.lastIndexOf("::") + 2),
    type,
    inputs: plain(inputs),
    outputs: plain(outputs),
  }));
}

/** {@link readRecord} of what the engine has exported. */
export function recordIn(deployment: unknown, stack: string): StackRecord {
  const resources = recordedResources(deployment);
  const outputs = resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs;
  if (!outputs?.machines)
    throw new Error(`the stack ${stack} is not up: npm run pulumi -- up --stack ${stack}`);
  return { outputs, resources, deployment };
}
