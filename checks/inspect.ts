import { type AssetHostFacts, checkAssetHost } from "./backups";
import { checkClients, clientsOf, type Told } from "./clients";
import { type ClusterFacts, type ClusterPlan, checkCluster } from "./cluster";
import { askHost, checkFirewall, checkHost, findingsOn } from "./host";
import { checkMachine, type Machine, type MachineFacts } from "./machines";
import { checkMesh, type MeshFacts } from "./mesh";
import { checkDns, checkOutside, checkPorts, closedPorts, type OutsideFacts } from "./outside";
import type { Reach } from "./reach";
import type { RecordedResource, StackRecord } from "./record";
import type { Remote } from "./remote";
import type { Report } from "./report";

/** How {@link inspect} looks. */
export interface InspectOptions {
  /** Address of a DNS server. @default the system's */
  readonly server?: string;
  /** A machine outside, from which ports and names are tried too. @default none */
  readonly from?: Remote;
  /** Seconds that what is wrong at first may take to come right. @default 0 */
  readonly patience?: number;
}

type Section = (section: Report) => Promise<void>;

/** A stack that is looked at: what its state has, and the ways to its machines. */
interface Looked {
  readonly record: StackRecord;
  readonly reach: Reach;
  readonly ask: (machine: Machine) => Promise<MachineFacts>;
}

/** Looks at a whole deployment, all sides at once. Changes nothing. */
export async function inspect(
  report: Report,
  record: StackRecord,
  reach: Reach,
  options: InspectOptions = {},
): Promise<void> {
  const { patience = 0 } = options;
  const { network, wire } = record.outputs;
  const looked: Looked = {
    record,
    reach,
    ask: ({ name }) => reach.machine(name).look<MachineFacts>("machine.py", { timeServer: network.gateway }),
  };
  const sections: Record<string, Section> = {
    host: async (section) => {
      const { gateway } = reach;
      const [facts, findings] = await Promise.all([
        askHost(record, reach.host, [
          ...(network.gateway ? (["hypervisor"] as const) : []),
          ...(gateway || record.outputs.firewallRules ? [] : (["firewall"] as const)),
        ]),
        findingsOn(record, reach.host),
      ]);
      await checkHost(section, network.name, facts, findings);
      if (gateway) await checkFirewall(section, network.name, await askHost(record, gateway, ["firewall"]));
    },
    machines: (section) =>
      section.each(record.outputs.machines, (part, machine) =>
        answered(part, `${machine.name}: answers`, async () =>
          checkMachine(part, machine, await looked.ask(machine)),
        ),
      ),
    ...platformSections(looked),
    DNS: (section) => checkDns(section, record.outputs, options.server),
    ...(wire && options.from ? outsideSection(looked, options.from) : {}),
  };
  const patient = Object.entries(sections).map(([title, make]): [string, Section] => [
    title,
    (section) => section.patiently(patience, (part) => answered(part, title, () => make(part))),
  ]);
  await report.sections(Object.fromEntries(patient));
}

/** A look that gives nothing at all is a finding, and the others go on. */
async function answered(report: Report, name: string, look: () => Promise<void>): Promise<void> {
  try {
    await look();
  } catch (error) {
    await report.check(name, () => {
      throw error;
    });
  }
}

/** What an artifact has put on the machines. */
function platformSections(looked: Looked): Record<string, Section> {
  const { record, reach } = looked;
  const { assets, kubeconfig, wire, mesh, machines } = record.outputs;
  const withRole = (role: Machine["role"]) => machines.filter((machine) => machine.role === role);
  const [assetHost] = withRole("assethost");
  const kubenodes = withRole("kubenode");
  if (!assets || !assetHost) return {};
  return {
    "asset host and backups": async (section) => {
      const keepers = [...withRole("datanode"), ...kubenodes];
      const [facts, ...timers] = await Promise.all([
        reach.machine(assetHost.name).look<AssetHostFacts>("asset-host.py", {
          ...assets,
          // One that was there already is not the stack's to look at.
          registry: assets.registry.startsWith(`${assetHost.address}:`) ? assets.registry : null,
          schedule: scheduleIn(record.resources),
        }),
        ...keepers.map(looked.ask),
      ]);
      const byName = Object.fromEntries(keepers.map(({ name }, at) => [name, timers[at] as MachineFacts]));
      await checkAssetHost(section, facts, byName);
    },
    "data services": (section) =>
      section.each(withRole("datanode"), (part, { name }) =>
        answered(part, name, async () => {
          const told = await reach.machine(name).look<Readonly<Record<string, Told>>>("data-node.py");
          await checkClients(part, told, `${name}: `);
        }),
      ),
    ...(mesh && {
      mesh: async (section: Report) =>
        checkMesh(section, await reach.machine(mesh.gateway).look<MeshFacts>("mesh.py")),
    }),
    ...(kubeconfig && {
      kubernetes: async (section: Report) => {
        const plan = clusterPlan(kubenodes, record.resources);
        const facts = await onOne<ClusterFacts>(reach, kubenodes, "cluster.py", {
          ...plan,
          kubeconfig: "/etc/kubernetes/admin.conf",
        });
        await checkCluster(section, plan, facts);
      },
    }),
    ...(wire && {
      "data services, as Wire uses them": async (section: Report) =>
        checkClients(section, await onOne(reach, kubenodes, "clients.py", clientsOf(record))),
      "public names and relay, from the asset host": async (section: Report) =>
        checkOutside(
          section,
          await reach.machine(assetHost.name).look<OutsideFacts>("outside.py", clientOf(record, [])),
          record.outputs.publicAddress,
        ),
    }),
  };
}

const outsideSection = ({ record }: Looked, from: Remote): Record<string, Section> => ({
  [`seen from ${from.name}`]: async (section) => {
    const ports = [80, 443, ...closedPorts];
    const facts = await from.lookAsUser<OutsideFacts>("outside.py", clientOf(record, ports));
    await checkPorts(section, facts);
    await checkOutside(section, facts, record.outputs.publicAddress);
  },
});

/** What programs/outside.py is given. */
function clientOf({ outputs, resources }: StackRecord, ports: readonly number[]): object {
  const secret = inputsOf(resources, "wire-coturn")?.values?.secrets?.zrestSecrets?.[0];
  return {
    address: outputs.publicAddress,
    ports,
    names: Object.values(outputs.wire?.urls ?? {}).map((url) => new URL(url).hostname),
    ...(secret && { turn: { port: 3478, secret } }),
  };
}

/** Asks the first control plane that answers. */
async function onOne<T>(
  reach: Reach,
  kubenodes: readonly Machine[],
  program: string,
  parameters: object,
): Promise<T> {
  const failures: string[] = [];
  for (const { name } of kubenodes)
    try {
      return await reach.machine(name).look<T>(program, parameters);
    } catch (error) {
      failures.push(`${name}: ${(error as Error).message}`);
    }
  throw new Error(failures.join("\n"));
}

const inputsOf = (resources: readonly RecordedResource[], name: string) =>
  resources.find((resource) => resource.name === name)?.inputs;

/** When backups are made, as the last run has set the timers up. */
const scheduleIn = (resources: readonly RecordedResource[]): string | undefined =>
  resources.find(({ name }) => /^backups-.*-timers$/.test(name))?.inputs.environment?.SCHEDULE;

/** What the cluster should be, by what the last run has left. */
function clusterPlan(kubenodes: readonly Machine[], resources: readonly RecordedResource[]): ClusterPlan {
  const releases = resources.filter(({ type }) => type === "kubernetes:helm.sh/v3:Release");
  return {
    controlPlanes: Object.fromEntries(kubenodes.map(({ name, address }) => [name, address])),
    charts: Object.fromEntries(releases.map(({ inputs, outputs }) => [inputs.name, outputs.status?.version])),
  };
}
