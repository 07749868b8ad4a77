import { checkAssetHost } from "../artifact/asset-host/plan";
import { planArtifact } from "../artifact/plan";
import { publicNames } from "../config/names";
import { isGatewayAlone, ownMachines } from "../config/plan";
import { quote } from "../config/quote";
import type { Configuration } from "../config/schema";
import { hasWire } from "../config/wickr";
import { planCassandra } from "../data-services/cassandra/plan";
import { planElasticsearch } from "../data-services/elasticsearch/plan";
import { planMinio } from "../data-services/minio/plan";
import { planPostgresql } from "../data-services/postgresql/plan";
import { planRabbitMq } from "../data-services/rabbitmq/plan";
import { planRuntime } from "../kubernetes/container-runtime/plan";
import { planKubernetes } from "../kubernetes/plan";
import { addressRules, addressWarnings } from "./address-rules";
import { hypervisorRules } from "./hypervisor-rules";
import { knownHostRules } from "./known-hosts";
import { hostRelayRules, privateMailRules } from "./mail-rules";
import { meshNetworkRules } from "./mesh-network-rules";
import { meshAloneRules, meshProgramRules, meshRules } from "./mesh-rules";
import { pathRules } from "./path-rules";
import { hostPortRules, publicPortRules } from "./port-rules";
import type { Problem, Sections } from "./problem";
import { domainName, interfaceName, machineName, networkName, userName } from "./reserved-names";
import { secretRules } from "./secret-rules";
import { serviceTlsRules } from "./service-tls-rules";
import { nodeDiskRules, sizingRules, storeRules, volumeRules } from "./sizing-rules";
import { publicKeyProblem } from "./ssh-keys";
import type { Surroundings } from "./surroundings";
import { valueRules } from "./value-rules";
import { wasimoffImageRules, wasimoffRules, wasimoffWarnings } from "./wasimoff-rules";
import { wickrRules } from "./wickr-rules";
import {
  certificateFileProblems,
  chartRules,
  connectionRules,
  federationRules,
  tlsRules,
} from "./wire-rules";
import { zoneRules, zoneWarnings } from "./zone-rules";

type Named = Sections<"network" | "firewall" | "machines" | "ssh" | "domain">;

/** A rule across keys, with the sections of the configuration that it reads. */
type Rule = (config: Partial<Configuration>, surroundings: Surroundings) => Problem[];

function rule<K extends keyof Configuration>(
  sections: readonly K[],
  check: (config: Pick<Configuration, K>, surroundings: Surroundings) => Problem[],
): Rule {
  const hasAll = (config: Partial<Configuration>): config is Pick<Configuration, K> =>
    sections.every((section) => section in config);
  return (config, surroundings) => (hasAll(config) ? check(config, surroundings) : []);
}

/** All that the rules find; one that reads a section which is not there is left out. */
export const checkRules: Rule = (config, surroundings) =>
  [
    rule(["network", "firewall", "machines", "ssh", "domain"], nameRules),
    rule(["network", "firewall", "kubernetes", "machines", "host", "mail", "backup"], addressRules),
    rule(["machines"], roleRules),
    rule(["wickr", "machines", "firewall", "artifact", "mesh", "wasimoff", "wire"], wickrRules),
    rule(["host", "machines"], capacityRules),
    rule(["host", "machines", "image", "firewall"], hypervisorRules),
    rule(["host", "image", "artifact", "network"], pathRules),
    rule(["image", "machines"], diskRules),
    rule(["machines", "dataServices", "backup"], sizingRules),
    rule(["machines", "image", "kubernetes"], volumeRules),
    rule(["machines", "artifact", "image"], storeRules),
    rule(["machines", "image"], nodeDiskRules),
    rule(["host", "firewall", "mail", "network", "machines"], privateMailRules),
    rule(["firewall", "mail", "network", "host", "calling"], hostRelayRules),
    rule(["machines"], zoneRules),
    rule(["calling", "machines"], callingRules),
    rule(["host", "machines", "firewall"], keyFileRules),
    rule(["host"], knownHostRules),
    rule(["ssh"], publicKeyRules),
    rule(["host", "firewall", "calling"], hostPortRules),
    rule(["firewall", "calling"], publicPortRules),
    rule(["artifact", "dataServices"], serviceTlsRules),
    rule(["artifact"], artifactRules),
    rule(["artifact"], registryRules),
    rule(["artifact", "machines"], assetHostRules),
    secretRules,
    rule(["calling", "features", "mail", "tls", "wire"], chartRules),
    rule(["domain", "tls", "calling", "features", "firewall", "wire"], tlsRules),
    rule(["features", "domain", "firewall"], federationRules),
    rule(["wire"], valueRules),
    rule(["machines", "dataServices", "wire"], connectionRules),
    rule(["mesh", "machines", "wire", "wasimoff"], meshAloneRules),
    rule(["mesh", "artifact"], meshProgramRules),
    rule(
      ["mesh", "network", "kubernetes", "machines", "firewall", "host", "mail", "backup"],
      meshNetworkRules,
    ),
    rule(["mesh", "machines", "network", "kubernetes", "firewall", "domain", "calling", "host"], meshRules),
    rule(["wasimoff", "domain", "tls", "wire", "machines", "firewall", "host", "kubernetes"], wasimoffRules),
    rule(["wasimoff", "artifact"], wasimoffImageRules),
  ].flatMap((check) => check(config, surroundings));

function artifactRules(
  { artifact, machines = [], mesh }: Sections<"artifact"> & Partial<Sections<"machines" | "mesh">>,
  { readManifest }: Surroundings,
): Problem[] {
  const problems: Problem[] = [];
  const parts = (artifact?.sources ?? []).flatMap(({ manifest, location }, index) => {
    try {
      const read = readManifest(manifest);
      if (read.layout === "wire" && !read.charts)
        problems.push({
          key: `artifact.sources[${index}].manifest`,
          message: `${manifest} does not say which images Wire's charts take; make it anew with "npm run artifact -- manifest"`,
        });
      return [{ manifest: read, location }];
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
  const users = isGatewayAlone({ machines, mesh }) ? [checkAssetHost] : artifactUsers;
  return users.flatMap((user) => complaintOf(() => user(plan)));
}

/** A registry of the operator's own is known by certificates that can be read. */
function registryRules({ artifact }: Sections<"artifact">, { readText }: Surroundings): Problem[] {
  const file = artifact?.registry?.authorityFile;
  const key = "artifact.registry.authorityFile";
  return file === undefined ? [] : certificateFileProblems(key, file, readText);
}

/** Whatever is made of an artifact says what it lacks. */
const artifactUsers = [
  checkAssetHost,
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
  return [
    ...hostKeyWarnings(config),
    ...addressWarnings(config),
    ...capacityWarnings(config),
    ...zoneWarnings(config),
    ...wasimoffWarnings(config),
  ];
}

function hostKeyWarnings({ host: { ssh }, firewall: { gateway } }: Configuration): string[] {
  const without = (key: string, named: typeof ssh, gets: string) =>
    named && !named.hostKey
      ? [
          `${key}.hostKey is missing: whoever is between workstation and ${gets}; give its /etc/ssh/ssh_host_ed25519_key.pub`,
        ]
      : [];
  return [
    ...without("host.ssh", ssh, "host can take the host's place and gets all secrets"),
    ...without("firewall.gateway.ssh", gateway?.ssh, "gateway can take the gateway's place"),
  ];
}

function capacityWarnings(config: Configuration): string[] {
  const { capacity } = config.host;
  if (!capacity) return [];
  const vcpus = sum(ownMachines(config), (machine) => machine.vcpus);
  const diskGB = sum(ownMachines(config), (machine) => machine.diskGB);
  return [
    ...(vcpus > capacity.vcpus
      ? [
          `host.capacity.vcpus: the machines have ${quote(vcpus)} vCPUs together, the host has ${quote(capacity.vcpus)} threads: they will share them`,
        ]
      : []),
    ...(diskGB > capacity.diskGB
      ? [
          `host.capacity.diskGB: the machines' disks may grow to ${quote(diskGB)} GB together, the host has ${quote(capacity.diskGB)} GB`,
        ]
      : []),
  ];
}

const sum = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0);

function nameRules({ network, firewall, machines, ssh, domain }: Named): Problem[] {
  const taken = (key: string, name: string | undefined, reserved: (name: string) => string | undefined) => {
    const reason = name === undefined ? undefined : reserved(name);
    return reason === undefined ? [] : [{ key, message: `this name is taken: ${reason}; choose another` }];
  };
  const longest = [...publicNames(domain, { teamSettings: true, calling: true, federation: true })]
    .concat(machines.map(({ name }) => `${name}.${domain}`))
    .reduce((one, other) => (other.length > one.length ? other : one));
  return [
    ...taken("network.name", network.name, networkName),
    ...taken("firewall.publicInterface", firewall.publicInterface, interfaceName),
    ...(firewall.publicInterface === network.name
      ? [
          {
            key: "firewall.publicInterface",
            message: `is the name of the machines' bridge (network.name); choose another name`,
          },
        ]
      : []),
    ...taken("ssh.user", ssh.user, userName),
    ...taken("domain", domain, domainName),
    ...machines.flatMap(({ name }, index) => [
      ...taken(`machines[${index}].name`, name, machineName),
      ...(machines.slice(0, index).some((earlier) => earlier.name === name)
        ? [{ key: `machines[${index}].name`, message: "is the name of an earlier machine already" }]
        : []),
    ]),
    ...(longest.length > 253
      ? [
          {
            key: "domain",
            message: `is too long: the longest name below it has ${longest.length} characters, DNS takes 253`,
          },
        ]
      : []),
  ];
}

function roleRules({ machines, mesh }: Sections<"machines"> & Partial<Sections<"mesh">>): Problem[] {
  const count = (role: string) =>
    machines.filter((machine) => machine.role === role && !machine.retiring).length;
  const problems: Problem[] = machines.flatMap(({ role, retiring }, index) =>
    retiring && role === "assethost"
      ? [{ key: `machines[${index}].retiring`, message: "the asset host cannot give what it has to another" }]
      : [],
  );
  // A stack may have Wickr and nothing else (wickr-rules.ts).
  if (!hasWire({ machines }) && machines.length > 0) return problems;
  const assetHosts = machines.filter(({ role }) => role === "assethost").length;
  if (assetHosts !== 1)
    problems.push({ key: "machines", message: `there must be one assethost, found ${assetHosts}` });
  if (isGatewayAlone({ machines, mesh })) return problems;
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
          message: `the machines need ${quote(memoryGiB)} GiB together, the host has ${quote(capacity.memoryGiB)} GiB`,
        },
      ]
    : [];
}

/** No machine's disk is smaller than what it begins with. */
function diskRules({ image, machines }: Sections<"image" | "machines">): Problem[] {
  return machines.flatMap(({ existing, diskGB }, index) =>
    !existing && image && diskGB < image.virtualSizeGB
      ? [
          {
            key: `machines[${index}].diskGB`,
            message: `${quote(diskGB)} GB is smaller than the image (${quote(image.virtualSizeGB)} GB)`,
          },
        ]
      : [],
  );
}

function callingRules({ calling, machines }: Sections<"calling" | "machines">): Problem[] {
  if (calling.node === undefined) return [];
  const staying = machines.flatMap(({ name, role, retiring }, index) =>
    role === "kubenode" && !retiring ? [{ name, index }] : [],
  );
  return staying.some(({ name }) => name === calling.node)
    ? []
    : [
        {
          key: "calling.node",
          message: `${quote(calling.node)} is no kubenode that stays; accepted are the names of ${staying.map(({ index }) => `machines[${index}]`).join(", ")}`,
        },
      ];
}

function keyFileRules(
  config: Sections<"host" | "machines" | "firewall">,
  { keyFileProblem }: Surroundings,
): Problem[] {
  const files = [
    ["host.ssh.privateKeyFile", config.host.ssh?.privateKeyFile] as const,
    ["firewall.gateway.ssh.privateKeyFile", config.firewall.gateway?.ssh?.privateKeyFile] as const,
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

function publicKeyRules({ ssh }: Sections<"ssh">): Problem[] {
  return ssh.authorizedKeys.flatMap((line, index) => {
    const message = publicKeyProblem(line);
    return message ? [{ key: `ssh.authorizedKeys[${index}]`, message }] : [];
  });
}
