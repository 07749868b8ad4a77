import { waitFor } from "../../../lab/wait";
import type { DataServiceName } from "../verify/data-services";
import { dataServices } from "../verify/data-services";
import type { Fault, Patient } from "./fault";
import { hostFaults } from "./host";
import { podsMove } from "./kubernetes";
import { type Plugs, plugsOf } from "./power";
import { primary } from "./primary";
import { worldFaults } from "./world";

/** The systemd unit of each service. */
export const units: Record<DataServiceName, string> = {
  cassandra: "cassandra.service",
  postgresql: "wiab-postgresql.service",
  elasticsearch: "elasticsearch.service",
  minio: "minio.service",
  rabbitmq: "rabbitmq-server.service",
};

/** The second node where there is one: it is neither the founder nor the first that clients try. */
const second = ({ datanodes }: Patient) => datanodes[1] ?? (datanodes[0] as string);
const last = ({ datanodes }: Patient) => datanodes.at(-1) as string;
const plugs = ({ outputs }: Patient, name: string): Plugs => plugsOf(outputs, name);

const killed = (service: DataServiceName): Fault => ({
  name: `kill -9 of ${service} on a node`,
  subjects: [service],
  strike: async (patient) => {
    // A unit that does not run has no process to kill: that ends with an error.
    const process = await patient
      .reach(second(patient))
      .run(
        `pid=$(systemctl show --property=MainPID --value ${units[service]}); sudo kill -KILL "$pid" && echo "$pid"`,
      );
    return `process ${process.trim()} of ${second(patient)}`;
  },
});

/** A Kubernetes node without power until its pods are up elsewhere. Clients run on the last node. */
const kubenodeOff = (index: 0 | 1): Fault => ({
  name: `power of kubenode${index + 1} cut, and back`,
  subjects: ["kubernetes"],
  client: ({ kubenodes }) => kubenodes.at(-1) as string,
  strike: async (patient) => {
    const node = patient.kubenodes[index];
    const client = patient.kubenodes.at(-1) as string;
    if (node === undefined || node === client) throw new Error("this takes three Kubernetes nodes");
    const { cut, boot } = plugs(patient, node);
    let moved: number;
    try {
      moved = await podsMove(patient.reach(client), node, cut);
    } finally {
      await boot();
    }
    return `a pod of ${node} was up elsewhere after ${moved.toFixed(0)} s`;
  },
});

/** What the lab is to survive; each leaves it as it found it. */
export const faults: readonly Fault[] = [
  ...dataServices.map(killed),
  {
    name: "PostgreSQL's primary stopped, and started again",
    subjects: ["postgresql"],
    strike: async (patient) => {
      const former = await primary(patient);
      const machine = patient.reach(former);
      await machine.run(`sudo systemctl stop ${units.postgresql}`);
      const next =
        patient.datanodes.length > 1
          ? await waitFor("another primary", 300, () => primary(patient))
          : undefined;
      await machine.run(`sudo systemctl start ${units.postgresql}`);
      return next && `${next} took over from ${former}`;
    },
  },
  {
    name: "a data node's power cut, and back",
    subjects: dataServices,
    strike: async (patient) => {
      const { cut, boot } = plugs(patient, second(patient));
      await cut();
      // Half a minute in the dark is the fault: a container would be back before anybody had missed it.
      await new Promise((resolve) => setTimeout(resolve, 30_000));
      await boot();
      return undefined;
    },
  },
  {
    name: "a data node off the network for a minute",
    subjects: dataServices,
    strike: async (patient) => {
      const { unplug, plug } = plugs(patient, last(patient));
      await unplug();
      // The minute is the fault.
      await new Promise((resolve) => setTimeout(resolve, 60_000));
      await plug();
      return undefined;
    },
  },
  ...worldFaults,
  ...hostFaults,
  kubenodeOff(0),
  kubenodeOff(1),
];
