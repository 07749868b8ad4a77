import * as pulumi from "@pulumi/pulumi";

/** What a stack of this project puts out for others. */
export interface DeploymentOutputs {
  readonly domain: string;
  readonly machines: readonly {
    readonly name: string;
    readonly role: "assethost" | "kubenode" | "datanode";
    readonly address: string;
    readonly memoryGiB: number;
    readonly vcpus: number;
    readonly diskGB: number;
    /** The command by which a person logs in. */
    readonly ssh: string;
  }[];
  readonly network: { readonly name: string; readonly cidr: string; readonly gateway: string };
  readonly publicAddress: string;
  /** Address of the machine that carries calls; null where calling is off. */
  readonly callingNode: string | null;
  readonly publicPorts: readonly {
    readonly protocol: "tcp" | "udp";
    /** A port or a range such as `32768-65535`. */
    readonly ports: string;
    readonly target: string;
  }[];
  readonly dnsRecords: readonly {
    readonly name: string;
    readonly type: "A" | "SRV" | "TXT";
    readonly value: string;
  }[];
  readonly sshUser: string;
  readonly sshPublicKey: string;
  /** Secret. */
  readonly sshPrivateKey: string;
}

/**
 * Reads outputs of another stack. Each keeps whether it is secret, which the stack's outputs taken all
 * together would not: one secret among them makes all of them secret.
 * @param stack its full name, `<organization>/wiab-staging/<stack>`.
 * @param names the outputs that are wanted; null counts as a value.
 * @throws pulumi.RunError naming all that the stack lacks.
 */
export function readOutputs<Name extends keyof DeploymentOutputs>(
  stack: string,
  names: readonly Name[],
): { readonly [N in Name]: pulumi.Output<DeploymentOutputs[N]> } {
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
    readonly [N in Name]: pulumi.Output<DeploymentOutputs[N]>;
  };
}
