import { gunzipSync } from "node:zlib";
import * as pulumi from "@pulumi/pulumi";
import { vi } from "vitest";
import type { Values } from "../stacks";
import { acceptHooks } from "./hooks";

/** A resource as the program registers it. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Values;
  /** Names of the inputs that are marked as secrets. */
  readonly secretInputs: readonly string[];
}

/** What a run of the whole program has registered and put out. */
export interface Run {
  readonly resources: readonly Registered[];
  readonly outputs: Values;
  /** Names of the outputs that are marked as secrets. */
  readonly secretOutputs: readonly string[];
}

/** The marks that the SDK puts around a secret on its way to the engine. */
const signature = { key: "4dabf18193072939515e22adb298388d", secret: "1b47061264138c4ac30d75fd1eb44270" };

const isMarked = (value: any): boolean => value?.[signature.key] === signature.secret;

/** Inputs with what a script gets by standard input as text, which is compressed on its way. */
const readable = (inputs: Values): Values =>
  typeof inputs.stdin === "string"
    ? { ...inputs, stdin: gunzipSync(Buffer.from(inputs.stdin, "base64")).toString() }
    : inputs;

/** What `stdout` the stand-in for a host answers to every script. */
export const scriptOutput = "libvirt 10.0.0";

/** What comes of the chart of a release with values: the images that its pods have, and whole objects. */
export type Rendered = (release: string, values: Values) => readonly (string | object)[];

/**
 * Runs index.ts with a configuration, as main.ts does once the stack's state lets it go, against a stand-in for the engine that makes every resource as it
 * is asked for. Its passwords are the resources' names, filled up with "x".
 */
export async function runProgram(
  stack: string,
  values: Values,
  secretKeys: readonly string[] = [],
  /** Takes the resources as they are registered, also of a run that fails. */
  resources: Registered[] = [],
  rendered: Rendered = () => [],
  /** What scripts print, by the names of their resources. @default {@link scriptOutput} */
  printed: Readonly<Record<string, string>> = {},
): Promise<Run> {
  acceptHooks();
  await pulumi.runtime.setMocks(
    {
      call: ({ token, inputs }) => {
        if (token !== "kubernetes:helm:template") return {};
        const { release_name: release, values } = JSON.parse(inputs.jsonOpts);
        const parts = rendered(release, values);
        const images = parts.flatMap((part) => (typeof part === "string" ? [{ image: part }] : []));
        return {
          result: [{ spec: { containers: images } }, ...parts.filter((part) => typeof part === "object")],
        };
      },
      newResource: ({ type, name, inputs }) => {
        const marked = Object.keys(inputs).filter((key) => isMarked(inputs[key]));
        const plain = Object.fromEntries(
          Object.entries(inputs).map(([key, value]) => [
            key,
            isMarked(value) ? (value as Values).value : value,
          ]),
        );
        resources.push({ type, name, inputs: readable(plain), secretInputs: marked.sort() });
        const result = name.replaceAll("-", "").padEnd(128, "x");
        return {
          id: `${name}-id`,
          // A cluster fills a secret for a service account in.
          state: {
            data: {},
            ...plain,
            result,
            bcryptHash: `$2a$10$${result.slice(0, 53)}`,
            stdout: printed[name] ?? scriptOutput,
          },
        };
      },
    },
    "wiab-staging",
    stack,
    false,
  );
  const config = Object.entries(values).map(([key, value]) => [
    `wiab-staging:${key}`,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  pulumi.runtime.setAllConfig(
    Object.fromEntries(config),
    secretKeys.map((key) => `wiab-staging:${key}`),
  );
  vi.resetModules();
  const { refuseCharts } = await import("../../components/validation/wire-charts");
  await refuseCharts();
  const { default: exported } = (await import("../../index")) as unknown as { default: Values };
  const outputs: Values = {};
  const secretOutputs: string[] = [];
  for (const [key, value] of Object.entries(exported)) {
    const output = pulumi.output(value);
    outputs[key] = await new Promise((resolve) => output.apply(resolve));
    if (await pulumi.isSecret(output)) secretOutputs.push(key);
  }
  // Not every resource is part of an output.
  await (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
  return { resources, outputs, secretOutputs };
}
