import * as pulumi from "@pulumi/pulumi";
import { Artifact } from "./components/artifact/artifact";
import { storePath } from "./components/artifact/plan";
import { Backups } from "./components/backup/client";
import { BackupStore } from "./components/backup/store";
import { planDeployment } from "./components/config/plan";
import { DataServices } from "./components/data-services/data-services";
import type { PendingOutputs } from "./components/deployment/outputs";
import { Firewall } from "./components/host/firewall/firewall";
import { planRuleset } from "./components/host/firewall/ruleset";
import { Host } from "./components/host/host";
import { ExistingMachine } from "./components/host/machine/existing-machine";
import { VirtualMachine } from "./components/host/machine/virtual-machine";
import { hostTarget } from "./components/host/target";
import { TimeServer } from "./components/host/time/time-server";
import { Admission } from "./components/kubernetes/admission";
import { KubernetesCluster } from "./components/kubernetes/cluster";
import { ContainerRuntime } from "./components/kubernetes/container-runtime/container-runtime";
import type { Target } from "./components/machine/target";
import { Secrets } from "./components/secrets/secrets";
import {
  loadArtifact,
  loadCharts,
  loadConfiguration,
  loadFederation,
  loadTls,
  readPrivateKey,
} from "./components/validation/load";
import { wireServices } from "./components/wire/context";
import { Wire } from "./components/wire/wire";

const config = loadConfiguration();
const plan = planDeployment(config);
// Whatever may still fail does so here, before the first resource exists.
const artifactPlan = loadArtifact(config);
const chart = loadCharts(config);
const tls = loadTls(config);
const federation = loadFederation(config);
const target = hostTarget(config.host, readPrivateKey(config.host.ssh?.privateKeyFile));

const secrets = new Secrets("secrets", {
  sshKeyComment: `${pulumi.getProject()}/${pulumi.getStack()}`,
  authorityName: `${config.domain} (${pulumi.getProject()}/${pulumi.getStack()})`,
  smtpPassword: config.mail.relay?.password && pulumi.secret(config.mail.relay.password),
});
const host = new Host("host", { target, config, plan });
const firewall = new Firewall("firewall", {
  target: host.target,
  ruleset: planRuleset(config, plan),
  publicInterface: config.firewall.publicInterface,
});
const machines = plan.machines.map((machine) =>
  machine.existing
    ? new ExistingMachine(machine.name, {
        plan: machine,
        privateKey: readPrivateKey(machine.existing.privateKeyFile),
      }).machine
    : new VirtualMachine(machine.name, {
        plan: machine,
        config,
        host,
        poolPath: plan.poolPath,
        sshKey: secrets.ssh,
      }).machine,
);

const artifact =
  artifactPlan &&
  new Artifact("artifact", {
    plan: artifactPlan,
    host: host.target,
    storePath: storePath(config),
    machines,
    domain: config.domain,
    secrets,
    timeServer: new TimeServer("time", {
      target: host.target,
      network: host.network,
      networkName: config.network.name,
      gateway: plan.gateway,
      cidr: config.network.cidr,
    }).address,
  });
const { seed } = config.artifact ?? { seed: "needed" as const };
const kubenodes = plan.kubenodes.flatMap((machine) =>
  artifact
    ? {
        plan: machine,
        target: new ContainerRuntime(`runtime-${machine.name}`, {
          target: new Admission(`admission-${machine.name}`, {
            target: artifact.targetOf(machine.name),
            nodes: plan.kubenodes,
            artifact: artifactPlan,
          }).target,
          artifact: artifactPlan,
          assetHost: artifact.assetHost,
          seed,
        }).target,
      }
    : [],
);
// A machine that exists already is as quick as it is.
const emulated = config.host.virtualization === "qemu" && plan.kubenodes.some((machine) => !machine.existing);
const cluster =
  artifact &&
  new KubernetesCluster("kubernetes", {
    clusterName: config.network.name,
    nodes: kubenodes,
    machines: plan.machines,
    settings: config.kubernetes,
    artifact: artifactPlan,
    assetHost: artifact.assetHost,
    registry: artifact.registry,
    secrets,
    callingNode: plan.callingNode?.name,
    publicAddress: config.firewall.publicAddress,
    emulated,
  });

const dataServices =
  artifact &&
  artifactPlan &&
  new DataServices("data-services", {
    nodes: plan.datanodes.map((node) => ({ ...node, target: artifact.targetOf(node.name) })),
    clients: plan.kubenodes.map(({ address }) => address),
    artifact: artifactPlan,
    assetHost: artifact.assetHost,
    secrets,
    settings: config.dataServices,
  });

if (artifact && dataServices) {
  const store = new BackupStore("backups", {
    target: artifact.assetHost.target,
    address: plan.assethost.address,
    keys: secrets.backup,
    clients: [...plan.datanodes, ...plan.kubenodes].map(({ address }) => address),
    keep: config.backup.keep,
  });
  const backUp = (name: string, target: Target, services: readonly string[]) =>
    new Backups(`backups-${name}`, {
      node: { name, target },
      store,
      services,
      schedule: config.backup.schedule,
    });
  if (cluster)
    for (const { name, retiring } of plan.kubenodes)
      backUp(name, cluster.targetOf(name), retiring ? [] : ["etcd"]);
  const services = Object.keys(dataServices.connections);
  for (const { name } of plan.datanodes) backUp(name, dataServices.targetOf(name), services);
}

const wire =
  artifact &&
  cluster &&
  dataServices &&
  chart &&
  tls &&
  new Wire("wire", {
    context: {
      domain: config.domain,
      publicAddress: config.firewall.publicAddress,
      callingNode: plan.callingNode,
      kubenodes: plan.servingKubenodes.length,
      datanodes: plan.datanodes.length,
      podNetwork: config.kubernetes.podCidr,
      mail: config.mail,
      features: config.features,
      federation,
      tls,
      services: wireServices(dataServices.connections),
      secrets,
    },
    chart,
    values: config.wire.values,
    provider: cluster.provider,
    kubeconfig: cluster.kubeconfig,
    viewpoint: artifact.assetHost.target,
    callingTarget: kubenodes.find((node) => node.plan.name === plan.callingNode?.name)?.target,
    firewall,
    // Machines that are emulated in software unpack an image in minutes.
    patience: emulated ? 6 : 1,
    deletedWith: host.network,
  });

/** What other stacks and people get to know; examples/consumer shows how to read it. */
export = {
  domain: config.domain,
  machines: machines.map(({ plan, sshCommand, address }) => ({
    name: plan.name,
    role: plan.role,
    address,
    memoryGiB: plan.memoryGiB,
    vcpus: plan.vcpus,
    diskGB: plan.diskGB,
    existing: plan.existing !== undefined,
    ssh: sshCommand,
  })),
  network: { name: config.network.name, cidr: config.network.cidr, gateway: plan.gateway },
  publicAddress: config.firewall.publicAddress,
  callingNode: plan.callingNode?.address ?? null,
  publicPorts: firewall.applied.apply(() => plan.publicPorts),
  dnsRecords: plan.dnsRecords,
  /** Null without an artifact. */
  assets: artifact
    ? {
        url: artifact.assetHost.url,
        registry: artifact.assetHost.registry,
        authority: secrets.authority.certificate,
      }
    : null,
  /** Where the data services are, and how to log in to them. Null without an artifact. */
  dataServices: dataServices ? pulumi.secret(dataServices.connections) : null,
  /** Null without a cluster. */
  kubeconfig: cluster ? cluster.kubeconfig : null,
  /** Null without charts. */
  wire: wire
    ? {
        urls: wire.urls,
        turnUris: wire.turnUris,
        sftUrl: wire.sftUrl ?? null,
        adminCommands: wire.adminCommands,
        releases: wire.releases,
      }
    : null,
  sshUser: config.ssh.user,
  sshPublicKey: secrets.ssh.publicKey,
  sshPrivateKey: secrets.ssh.privateKey,
} satisfies PendingOutputs;
