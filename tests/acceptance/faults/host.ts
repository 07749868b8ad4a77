import { waitFor } from "../../../lab/wait";
import { asRoot, run, succeeds } from "../../../toolchain/commands";
import { dataServices } from "../verify/data-services";
import type { Fault, Patient } from "./fault";
import { type Plugs, plugsOf } from "./power";

/** What happens to the host that all machines are on. The client's machine alone is spared, for it counts. */

/** A wait that is the fault itself. */
const last = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const virsh = (...args: string[]) => run("virsh", ["--connect", "qemu:///system", ...args]);

/** All machines but the client's, the first Kubernetes node. */
const others = ({ outputs, kubenodes: [client] }: Pick<Patient, "outputs" | "kubenodes">): string[] =>
  outputs.machines.flatMap(({ name }) => (name === client ? [] : [name]));

/** Does the same to machines at the same moment. */
const all = (patient: Patient, what: keyof Plugs) =>
  Promise.all(others(patient).map((name) => plugsOf(patient.outputs, name)[what]()));

/** Deletes the stack's table, as whoever flushes the ruleset does. */
const withoutRules = ({ outputs: { network } }: Patient) =>
  asRoot("nft", ["delete", "table", "inet", network.name]);

/** What the firewall's unit does at boot and when it is restarted. */
const loadRules = ({ outputs: { network } }: Patient) =>
  asRoot("nft", ["-f", `/etc/wiab/${network.name}/ruleset.nft`]);

/** Throws unless libvirt would start the network and the virtual machines by itself when the host boots. */
async function startsByItself({ outputs: { network, machines } }: Patient): Promise<void> {
  const domains = machines.filter(({ existing }) => !existing).map(({ name }) => `${network.name}-${name}`);
  const looks = [["net-info", network.name], ...domains.map((domain) => ["dominfo", domain])];
  for (const look of looks)
    if (!/^Autostart:\s+(yes|enable)$/m.test(await virsh(...look)))
      throw new Error(`the host would not start ${look[1]} when it boots`);
}

/** The cables of virtual machines, as the host has them; a container's is put in again by the lab itself. */
async function reconnect({ outputs: { network, machines } }: Patient): Promise<void> {
  for (const { name, existing } of machines) {
    if (existing) continue;
    const lines = (await virsh("domiflist", `${network.name}-${name}`)).split("\n").slice(2);
    for (const [cable] of lines.map((line) => line.trim().split(/\s+/)))
      if (cable) await asRoot("ip", ["link", "set", cable, "master", network.name]);
  }
}

/** Everything that the host has in memory goes: machines at the same moment, network, rules. */
const powerCut: Fault = {
  name: "the host's power cut, all machines at once but the client's",
  subjects: [...dataServices, "kubernetes"],
  strike: async (patient) => {
    await startsByItself(patient);
    await all(patient, "cut");
    await virsh("net-destroy", patient.outputs.network.name);
    await withoutRules(patient);
    await last(10);
    // In the order of the host's boot: the rules come before any network.
    await loadRules(patient);
    await virsh("net-start", patient.outputs.network.name);
    await all(patient, "boot");
    return `${others(patient).join(", ")}, the network and the firewall's rules`;
  },
};

/** QEMU pauses a machine that writes where the host has no room left; here all at the same moment. */
const hostFull: Fault = {
  name: "the host's disk full: all machines stand still at once but the client's",
  subjects: [...dataServices, "kubernetes"],
  strike: async (patient) => {
    await all(patient, "pause");
    try {
      await last(120);
    } finally {
      await all(patient, "resume");
    }
    return "two minutes, as if there had been no room on the host";
  },
};

const networkRestarted: Fault = {
  name: "libvirt's network restarted",
  subjects: dataServices,
  strike: async (patient) => {
    const { name } = patient.outputs.network;
    await virsh("net-destroy", name);
    try {
      await last(20);
    } finally {
      await virsh("net-start", name);
    }
    // libvirt leaves running machines without one (docs/troubleshooting.md).
    await reconnect(patient);
    return "the bridge was gone for 20 s; cables of virtual machines were put in again by hand";
  },
};

const rulesDeleted: Fault = {
  name: "the firewall's table deleted by somebody else",
  subjects: dataServices,
  strike: async (patient) => {
    const { publicAddress } = patient.outputs;
    const client = patient.reach(patient.kubenodes[0] as string);
    const answers = () => client.run(`timeout 10 bash -c 'exec 3<>/dev/tcp/${publicAddress}/443'`);
    await answers();
    await withoutRules(patient);
    try {
      const open = await answers().then(
        () => true,
        () => false,
      );
      if (open)
        throw new Error(`${publicAddress}:443 answers without the rules: they were not what led there`);
    } finally {
      await loadRules(patient);
    }
    await waitFor(`${publicAddress}:443 to answer`, 60, answers);
    if (!(await succeeds("nft", ["list", "table", "inet", patient.outputs.network.name])))
      throw new Error("the table is not there");
    return `${publicAddress}:443 was closed meanwhile`;
  },
};

/** In the order in which they do more and more harm. */
export const hostFaults: readonly Fault[] = [rulesDeleted, networkRestarted, hostFull, powerCut];
