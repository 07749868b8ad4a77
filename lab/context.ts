import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { quote } from "../components/config/quote";
import type { StackOutputs } from "../components/deployment/outputs";
import { localBackend, projectDirectory, stateDirectory } from "../toolchain/environment";
import { installToolchain } from "../toolchain/install";
import type { Done } from "../toolchain/progress";
import { pulumiOutput } from "../toolchain/pulumi";
import type { ArtifactKind } from "./artifact";
import { containerKey } from "./containers/containers";
import type { LabSize } from "./stack";

/** What a lab command was told. */
export interface LabOptions {
  /** Name of the stack; several labs can live side by side. @default lab */
  readonly stack: string;
  /** Size asked for; undefined leaves the choice to the machine. */
  readonly size: LabSize | undefined;
  /** Whether Kubernetes is to be the one that upgrades begin with (lab/former). */
  readonly former: boolean;
  /** Layout of what the machines are installed from. @default bundle */
  readonly artifact: ArtifactKind;
  /** Whether all machines are containers that are there before the stack is, without a hypervisor. */
  readonly existing: boolean;
  /** Arguments that are no options. */
  readonly rest: readonly string[];
}

/** Reads a lab command's options; `--` ends them. */
export function readOptions(defaultStack = "lab"): LabOptions {
  const { values, positionals } = parseArgs({
    options: {
      stack: { type: "string", default: defaultStack },
      size: { type: "string" },
      former: { type: "boolean", default: false },
      existing: { type: "boolean", default: false },
      artifact: { type: "string", default: "bundle" },
    },
    allowPositionals: true,
  });
  const { stack, size, former, artifact, existing } = values;
  checkLabName(stack);
  if (size !== undefined && size !== "full" && size !== "small")
    throw new Error(`--size ${quote(size)}: accepted are full and small`);
  if (artifact !== "bundle" && artifact !== "wire")
    throw new Error(`--artifact ${quote(artifact)}: accepted are bundle and wire`);
  if (artifact === "wire" && former)
    throw new Error("--former is for the lab's own bundle, not for --artifact wire");
  return { stack, size, former, artifact, existing, rest: positionals };
}

/** @throws Error if no lab can have this name: .gitignore knows the files of stacks with such names alone. */
export function checkLabName(stack: string): void {
  if (!/^lab[a-z0-9-]*$/.test(stack))
    throw new Error(
      `--stack ${quote(stack)}: a lab's name starts with "lab" and has lower-case letters, digits and hyphens`,
    );
}

/** The pinned CLI and the backend in the checkout, where every lab keeps its state. */
export async function labEnvironment(done?: Done): Promise<{ env: Record<string, string>; home: string }> {
  const toolchain = await installToolchain(done);
  return { env: { ...toolchain.env, ...localBackend() }, home: toolchain.home };
}

/** The stack's configuration file, which the lab writes. */
export const stackFile = (stack: string): string => join(projectDirectory, `Pulumi.${stack}.yaml`);

/** Where a lab keeps its certificate. */
export const certificateFolder = (stack: string): string => join(stateDirectory, "certificates", stack);

/** Where a lab has its bundle's charts: one place whatever the bundle, or each new one would change all releases. */
export const chartsFolder = (stack: string): string => join(stateDirectory, "charts", stack);

/** What the lab's stack has put out: like any other stack, and there is always an artifact. */
export type LabOutputs = StackOutputs & {
  readonly [K in "assets" | "dataServices"]: NonNullable<StackOutputs[K]>;
};

/** Reads a lab's outputs, secrets included. */
export async function readOutputs(env: Readonly<Record<string, string>>, stack: string): Promise<LabOutputs> {
  const text = await pulumiOutput(env, ["stack", "output", "--json", "--show-secrets", "--stack", stack]);
  const outputs: Partial<LabOutputs> = JSON.parse(text);
  if (!outputs.machines) throw new Error(`the lab ${stack} is not up: run "npm run lab" first`);
  return outputs as LabOutputs;
}

/** The private keys that let somebody in to a lab's machines: the stack's, and that of its containers. */
export function keysOf(stack: string, { sshPrivateKey }: LabOutputs): string[] {
  const key = containerKey(stack);
  return [sshPrivateKey, ...(existsSync(key) ? [readFileSync(key, "utf8")] : [])];
}
