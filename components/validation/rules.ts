import type { ArtifactManifest } from "../artifact/manifest";
import { planArtifact } from "../artifact/plan";
import { gatewayOf, isBetween, isHostOf, isNetworkAddress, overlap, prefixOf } from "../config/addresses";
import type { Configuration, MachineConfiguration } from "../config/schema";
import { planCassandra } from "../data-services/cassandra/plan";
import { planElasticsearch } from "../data-services/elasticsearch/plan";
import { planMinio } from "../data-services/minio/plan";
import { planPostgresql } from "../data-services/postgresql/plan";
import { planRabbitMq } from "../data-services/rabbitmq/plan";
import { planRuntime } from "../kubernetes/container-runtime/plan";
import { planKubernetes } from "../kubernetes/plan";
import type { StackFile } from "./stack-file";
import { chartRules, federationRules, tlsRules } from "./wire-rules";

/** What is wrong with a configuration: the key concerned, what was found and what is accepted. */
export interface Problem {
  readonly key: string;
  readonly message: string;
  /** Line of the stack's file. @default that of the key */
  readonly line?: number;
}

/** What the rules need to know of the world outside the configuration. */
export interface Surroundings {
  /** Why a file on the workstation cannot be used as a private key; undefined if it can. */
  readonly keyFileProblem: (path: string) => string | undefined;
  /** Reads a text file on the workstation; throws an Error that says why it cannot. */
  readonly readText: (path: string) => string;
  /** Reads the manifest of an artifact; throws an Error that says why it cannot. */
  readonly readManifest: (path: string) => ArtifactManifest;
  /** Whether the value of a top-level key is marked secret in the stack's configuration. */
  readonly isSecret: (key: string) => boolean;
  /** The text that the values come from; undefined where it is not at hand. */
  readonly stackFile?: StackFile;
  /** Keys of the stack that lie in no namespace which anything reads. */
  readonly strayKeys?: readonly Problem[];
}

/** A configuration of which only some sections are needed. */
type Sections<K extends keyof Configuration> = Pick<Configuration, K>;

/** A rule across keys, with the sections of the configuration that it reads. */
type Rule = (config: Partial<Configuration>, surroundings: Surroundings) => Problem[];

function rule<K extends keyof Configuration>(
  sections: readonly K[],
  check: (config: Pick<Configuration, K>, surroundings: Surroundings) => Problem[],
): Rule {
  const hasAll = (config: Partial<Configuration>): config is Pick<Configuration, K> =>
    sections.every((section) => config[section] !== undefined);
  return (config, surroundings) => (hasAll(config) ? check(config, surroundings) : []);
}

/** All that the rules find; one that reads a section which is not there is left out. */
export const checkRules: Rule = (config, surroundings) =>
  [
    rule(["network", "firewall"], networkRules),
    rule(["network", "machines"], machineRules),
    rule(["machines"], roleRules),
    rule(["host", "machines"], capacityRules),
    rule(["image", "machines"], imageRules),
    rule(["kubernetes", "network", "machines"], kubernetesRules),
    rule(["calling", "machines"], callingRules),
    rule(["host", "machines"], keyFileRules),
    rule(["artifact"], artifactRules),
    rule(["artifact", "machines"], assetHostRules),
    rule(["mail"], secretRules),
    rule(["calling", "features", "mail", "tls", "wire"], chartRules),
    rule(["domain", "tls", "calling", "features", "firewall", "wire"], tlsRules),
    rule(["features"], federationRules),
  ].flatMap((check) => check(config, surroundings));

function artifactRules({ artifact }: Sections<"artifact">, { readManifest }: Surroundings): Problem[] {
  const problems: Problem[] = [];
  const parts = (artifact?.sources ?? []).flatMap(({ manifest, location }, index) => {
    try {
      return [{ manifest: readManifest(manifest), location }];
    } catch (error) {
      problems.push({ key: `artifact.sources[${index}].manifest`, message: (error as Error).message });
      return [];
    }
  });
  if (!artifact || problems.length > 0) return problems;
  const complaintOf = (plan: () => unknown): Problem[] => {
    try {
      plan();
      return [];
    } catch (error) {
      return [{ key: "artifact.sources", message: (error as Error).message }];
    }
  };
  const contradiction = complaintOf(() => planArtifact(parts));
  if (contradiction.length > 0) return contradiction;
  const plan = planArtifact(parts);
  return artifactUsers.flatMap((user) => complaintOf(() => user(plan)));
}

/** Whatever is made of an artifact says what it lacks. */
const artifactUsers = [
  planRuntime,
  planKubernetes,
  planCassandra,
  planPostgresql,
  planElasticsearch,
  planMinio,
  planRabbitMq,
] as const;

/** The host sends the files to the asset host, and it has no SSH agent to ask. */
function assetHostRules({ artifact, machines }: Sections<"artifact" | "machines">): Problem[] {
  return machines.flatMap(({ role, existing }, index) =>
    artifact && role === "assethost" && existing && !existing.privateKeyFile
      ? [
          {
            key: `machines[${index}].existing.privateKeyFile`,
            message: "is missing: the host logs in to the asset host with it to bring the artifact",
          },
        ]
      : [],
  );
}

/** What is allowed but worth saying. */
export function findWarnings(config: Configuration): string[] {
  const { capacity } = config.host;
  if (!capacity) return [];
  const vcpus = sum(ownMachines(config), (machine) => machine.vcpus);
  const diskGB = sum(ownMachines(config), (machine) => machine.diskGB);
  return [
    ...(vcpus > capacity.vcpus
      ? [
          `host.capacity.vcpus: the machines have ${vcpus} vCPUs together, the host has ${capacity.vcpus} threads: they will share them`,
        ]
      : []),
    ...(diskGB > capacity.diskGB
      ? [
          `host.capacity.diskGB: the machines' disks may grow to ${diskGB} GB together, the host has ${capacity.diskGB} GB`,
        ]
      : []),
  ];
}

/** The machines that the stack makes, without those that exist already. */
export const ownMachines = ({ machines }: Sections<"machines">): MachineConfiguration[] =>
  machines.filter((machine) => !machine.existing);

const sum = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0);

function networkRules({ network, firewall }: Sections<"network" | "firewall">): Problem[] {
  const problems: Problem[] = [];
  if (!isNetworkAddress(network.cidr))
    problems.push({
      key: "network.cidr",
      message: `${network.cidr} does not name a network: its host bits must be zero`,
    });
  const { start, end } = network.dhcpRange;
  for (const [key, address] of [
    ["start", start],
    ["end", end],
  ] as const)
    if (!isHostOf(network.cidr, address))
      problems.push({
        key: `network.dhcpRange.${key}`,
        message: `${address} is outside the network ${network.cidr}`,
      });
  if (!isBetween(end, start, end))
    problems.push({ key: "network.dhcpRange", message: `the end ${end} lies before the start ${start}` });
  if (isHostOf(network.cidr, firewall.publicAddress))
    problems.push({
      key: "firewall.publicAddress",
      message: `${firewall.publicAddress} is inside the machines' network ${network.cidr}; it must be an address of the host that clients reach`,
    });
  return problems;
}

function machineRules({ machines, network }: Sections<"machines" | "network">): Problem[] {
  const problems: Problem[] = [];
  const { start, end } = network.dhcpRange;
  machines.forEach((machine, index) => {
    const key = `machines[${index}]`;
    const earlier = machines.slice(0, index);
    if (earlier.some(({ name }) => name === machine.name))
      problems.push({ key: `${key}.name`, message: `the name ${machine.name} is given twice` });
    const twin = earlier.find(({ address }) => address === machine.address);
    if (twin)
      problems.push({
        key: `${key}.address`,
        message: `${machine.name} has the address ${machine.address} of ${twin.name}`,
      });
    if (machine.existing) return;
    if (!isHostOf(network.cidr, machine.address))
      problems.push({
        key: `${key}.address`,
        message: `${machine.name}: ${machine.address} is outside the network ${network.cidr}`,
      });
    else if (machine.address === gatewayOf(network.cidr))
      problems.push({
        key: `${key}.address`,
        message: `${machine.name}: ${machine.address} is the host's own address in the network`,
      });
    else if (isBetween(machine.address, start, end))
      problems.push({
        key: `${key}.address`,
        message: `${machine.name}: ${machine.address} is inside the DHCP range ${start} to ${end}`,
      });
  });
  return problems;
}

function roleRules({ machines }: Sections<"machines">): Problem[] {
  const count = (role: string) =>
    machines.filter((machine) => machine.role === role && !machine.retiring).length;
  const problems: Problem[] = machines.flatMap(({ role, retiring }, index) =>
    retiring && role === "assethost"
      ? [{ key: `machines[${index}].retiring`, message: "the asset host cannot give what it has to another" }]
      : [],
  );
  const assetHosts = machines.filter(({ role }) => role === "assethost").length;
  if (assetHosts !== 1)
    problems.push({ key: "machines", message: `there must be one assethost, found ${assetHosts}` });
  for (const [role, reason] of [
    ["kubenode", "each is a member of etcd, which needs a majority"],
    ["datanode", "the data services need a majority"],
  ] as const)
    if (count(role) === 0)
      problems.push({
        key: "machines",
        message: `there is no ${role} that stays; at least one is needed`,
      });
    else if (count(role) % 2 === 0)
      problems.push({
        key: "machines",
        message: `${count(role)} ${role}s is an even number: ${reason}; use 1, 3 or 5`,
      });
  return problems;
}

function capacityRules(config: Sections<"host" | "machines">): Problem[] {
  const { capacity } = config.host;
  if (!capacity) return [];
  const machines = ownMachines(config);
  const memoryGiB = sum(machines, (machine) => machine.memoryGiB);
  return memoryGiB > capacity.memoryGiB
    ? [
        {
          key: "host.capacity.memoryGiB",
          message: `the machines need ${memoryGiB} GiB together, the host has ${capacity.memoryGiB} GiB`,
        },
      ]
    : [];
}

function imageRules(config: Sections<"image" | "machines">): Problem[] {
  const { image } = config;
  const problems: Problem[] = [];
  if (/^https?:/.test(image.source) && !image.sha256)
    problems.push({ key: "image.sha256", message: "is required where image.source is a URL" });
  config.machines.forEach((machine, index) => {
    if (!machine.existing && machine.diskGB < image.virtualSizeGB)
      problems.push({
        key: `machines[${index}].diskGB`,
        message: `${machine.name}: ${machine.diskGB} GB is smaller than the image (${image.virtualSizeGB} GB)`,
      });
  });
  return problems;
}

function kubernetesRules({
  kubernetes: { podCidr, serviceCidr },
  network,
  machines,
}: Sections<"kubernetes" | "network" | "machines">): Problem[] {
  const problems: Problem[] = [];
  const networks = [
    ["network.cidr", network.cidr],
    ["kubernetes.serviceCidr", serviceCidr],
    ["kubernetes.podCidr", podCidr],
  ] as const;
  networks.forEach(([key, cidr], index) => {
    if (index > 0 && !isNetworkAddress(cidr))
      problems.push({ key, message: `${cidr} does not name a network: its host bits must be zero` });
    for (const [otherKey, other] of networks.slice(0, index))
      if (overlap(cidr, other))
        problems.push({ key, message: `${cidr} has addresses of ${other} (${otherKey}) in it` });
  });
  // kubeadm gives each node a /24; Kubernetes takes no more than 20 bits for services.
  const nodes = machines.filter(({ role }) => role === "kubenode").length;
  if (2 ** (24 - prefixOf(podCidr)) < nodes)
    problems.push({
      key: "kubernetes.podCidr",
      message: `${podCidr} is too small: each of the ${nodes} kubenodes takes a /24`,
    });
  if (prefixOf(serviceCidr) < 12 || prefixOf(serviceCidr) > 24)
    problems.push({
      key: "kubernetes.serviceCidr",
      message: `${serviceCidr} must have a prefix from /12 to /24`,
    });
  return problems;
}

function callingRules({ calling, machines }: Sections<"calling" | "machines">): Problem[] {
  if (calling.node === undefined) return [];
  const names = machines
    .filter(({ role, retiring }) => role === "kubenode" && !retiring)
    .map(({ name }) => name);
  return names.includes(calling.node)
    ? []
    : [
        {
          key: "calling.node",
          message: `${calling.node} is no kubenode that stays; accepted: ${names.join(", ")}`,
        },
      ];
}

function keyFileRules(config: Sections<"host" | "machines">, { keyFileProblem }: Surroundings): Problem[] {
  const files = [
    ["host.ssh.privateKeyFile", config.host.ssh?.privateKeyFile] as const,
    ...config.machines.map(
      (machine, index) =>
        [`machines[${index}].existing.privateKeyFile`, machine.existing?.privateKeyFile] as const,
    ),
  ];
  return files.flatMap(([key, file]) => {
    const message = file && keyFileProblem(file);
    return message ? [{ key, message }] : [];
  });
}

function secretRules({ mail }: Sections<"mail">, { isSecret }: Surroundings): Problem[] {
  return mail.relay?.password !== undefined && !isSecret("mail")
    ? [
        {
          key: "mail.relay.password",
          message:
            "is in plain text; store it encrypted: pulumi config set --secret --path mail.relay.password",
        },
      ]
    : [];
}
