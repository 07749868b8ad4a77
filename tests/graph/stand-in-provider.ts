import type { Provider } from "@pulumi/pulumi/provider";
import { main } from "@pulumi/pulumi/provider/server";

/**
 * A plugin in the place of a real one: it makes nothing anywhere and says that it has made what it was asked for. With
 * it the engine brings up a stack whose host, machines and cluster do not exist, and writes the state of it.
 */
const standIn: Provider = {
  version: process.env.STAND_IN_VERSION ?? "",
  // The engine compares inputs itself where a provider has no opinion of its own.
  create: async (urn, inputs) => ({ id: `id-of-${nameOf(urn)}`, outs: { ...inputs, ...answers(urn) } }),
  update: async (_id, urn, _olds, inputs) => ({ outs: { ...inputs, ...answers(urn) } }),
  // Charts are rendered to nothing: what they hold is no matter of these tests.
  invoke: async () => ({ outputs: { result: [] } }),
  parameterizeArgs: async () => ({ name: "libvirt", version: "0.8.3" }),
  parameterizeValue: async (name, version) => ({ name, version }),
};

const nameOf = (urn: string): string => urn.slice(urn.lastIndexOf("::") + 2);

/** What a machine or a cluster answers, as far as the program reads it. */
function answers(urn: string): object {
  if (urn.includes("command:"))
    return { stdout: `addresses: 192.0.2.1\nanswer of ${nameOf(urn)}`, stderr: "" };
  if (urn.includes("helm.sh")) return { status: { status: "deployed", version: "0.1.0", revision: 1 } };
  return {};
}

main(standIn, process.argv.slice(2));
