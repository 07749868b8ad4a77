import { run } from "../../toolchain/commands";
import { type DataServiceName, dataServices } from "../verify/data-services";
import type { RemoteMachine } from "../verify/machine";
import { waitFor } from "../wait";

/** What a fault may lay hands on. */
export interface Patient {
  readonly network: string;
  /** Names of the data nodes. */
  readonly nodes: readonly string[];
  readonly reach: (name: string) => RemoteMachine;
}

/** Something that goes wrong. */
export interface Fault {
  readonly name: string;
  /** Whose clients are watched. */
  readonly services: readonly DataServiceName[];
  /** Does it, and whatever ends it by itself; gives what has to be done for the end, if that is up to people. */
  readonly strike: (patient: Patient) => Promise<void>;
}

/** The systemd unit of each service; `*` where the version is a part of the name. */
const units: Record<DataServiceName, string> = {
  cassandra: "cassandra.service",
  postgresql: "postgresql*.service",
  elasticsearch: "elasticsearch.service",
  minio: "minio.service",
  rabbitmq: "rabbitmq-server.service",
};

/** The second node where there is one: it is neither the founder nor the first that clients try. */
const second = ({ nodes }: Patient) => nodes[1] ?? (nodes[0] as string);
const last = ({ nodes }: Patient) => nodes.at(-1) as string;
const virsh = (...args: string[]) => run("virsh", ["--connect", "qemu:///system", ...args]);

const killed = (service: DataServiceName): Fault => ({
  name: `kill -9 of ${service} on a node`,
  services: [service],
  strike: async (patient) => {
    await patient
      .reach(second(patient))
      .run(`sudo systemctl kill --kill-whom=main --signal=KILL '${units[service]}'`);
  },
});

const primary = async ({ nodes, reach }: Patient): Promise<string> => {
  for (const name of nodes) {
    const answer = await reach(name).run(
      "cd / && sudo -u postgres psql -Atc 'select not pg_is_in_recovery()' 2>/dev/null || true",
    );
    if (answer.trim() === "t") return name;
  }
  throw new Error("no node says that it is PostgreSQL's primary");
};

/** What issue 5's list of faults comes to; each leaves the lab as it found it. */
export const faults: readonly Fault[] = [
  ...dataServices.map(killed),
  {
    name: "PostgreSQL's primary stopped, and started again",
    services: ["postgresql"],
    strike: async (patient) => {
      const machine = patient.reach(await primary(patient));
      const unit = (
        await machine.run(
          `systemctl list-units --plain --no-legend '${units.postgresql}' | awk '{ print $1 }'`,
        )
      ).trim();
      await machine.run(`sudo systemctl stop ${unit}`);
      if (patient.nodes.length > 1) await waitFor("another primary", 300, () => primary(patient));
      await machine.run(`sudo systemctl start ${unit}`);
    },
  },
  {
    name: "a data node's power cut, and back",
    services: dataServices,
    strike: async (patient) => {
      const domain = `${patient.network}-${second(patient)}`;
      await virsh("destroy", domain);
      await virsh("start", domain);
    },
  },
  {
    name: "a data node off the network for a minute",
    services: dataServices,
    strike: async (patient) => {
      const domain = `${patient.network}-${last(patient)}`;
      const [, , interfaceLine = ""] = (await virsh("domiflist", domain)).split("\n");
      const mac = interfaceLine.trim().split(/\s+/).at(-1) as string;
      await virsh("domif-setlink", domain, mac, "down");
      // The minute is the fault.
      await new Promise((resolve) => setTimeout(resolve, 60_000));
      await virsh("domif-setlink", domain, mac, "up");
    },
  },
];
