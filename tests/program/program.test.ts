import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { releaseNames } from "../../components/config/releases";
import { type WireRole, wireRoles } from "../../components/config/schema";
import { makeCertificate } from "../../lab/certificate";
import { labValues, stagingValues, type Values } from "../stacks";
import { type Registered, type Run, runProgram } from "./program";

const secretNames = [
  "minio-root-access-key",
  "minio-root-secret-key",
  "minio-cargohold-access-key",
  "minio-cargohold-secret-key",
  "turn",
  "zauth",
  "mls-removal-ed25519",
  "mls-removal-p256",
  "mls-removal-p384",
  "mls-removal-p521",
  "postgresql-wire-server",
  "postgresql-repmgr",
  "rabbitmq",
  "rabbitmq-erlang-cookie",
  "nginz-basic-auth",
  "smtp",
  "prometheus",
  "authority",
  "kubernetes-authority",
  "kubernetes-etcd",
  "kubernetes-front-proxy",
  "kubernetes-service-accounts",
  "kubernetes-admin",
  "registry",
  "backups",
  "ssh",
];

/** Every resource of a deployment as "type name": commands for the host run locally or over SSH. */
function expectedResources(
  command: "local" | "remote",
  firewall: readonly string[],
  images: readonly string[],
  machines: readonly string[],
): string[] {
  const onHost = (name: string) => `command:${command}:Command ${name}`;
  return [
    "wiab:secrets:Secrets secrets",
    ...secretNames.map((name) => `random:index/randomPassword:RandomPassword secrets-${name}`),
    "wiab:host:Host host",
    "wiab:host:Preflight host-preflight",
    onHost("host-preflight-host"),
    onHost("host-preflight-libvirt"),
    "pulumi:providers:libvirt host-libvirt",
    "libvirt:index/network:Network host-network",
    "libvirt:index/pool:Pool host-pool",
    "wiab:host:BaseImage host-image",
    ...images.map((what) => onHost(`host-image-${what}`)),
    "wiab:host:Firewall firewall",
    ...firewall.map(onHost),
    ...machines.flatMap((name) => [
      `wiab:host:VirtualMachine ${name}`,
      `random:index/randomPassword:RandomPassword secrets-ssh-host-${name}`,
      `libvirt:index/volume:Volume ${name}-disk`,
      onHost(`${name}-disk-size`),
      onHost(`${name}-cloud-init`),
      onHost(`${name}-address`),
      `libvirt:index/domain:Domain ${name}-domain`,
      onHost(`${name}-traffic`),
      onHost(`${name}-boot`),
      `command:remote:Command ${name}-login`,
    ]),
  ].sort();
}

/** What comes out of an artifact, on top of that. */
function artifactResources(machines: readonly string[]): string[] {
  const component = (token: string, name: string) => [`wiab:${token} ${name}`];
  const kubenodes = machines.filter((name) => name.startsWith("kubenode"));
  const others = machines.filter((name) => name !== "assethost");
  return [
    "random:index/randomPassword:RandomPassword secrets-registry-tls",
    ...component("host:TimeServer", "time"),
    "command:local:Command time-chrony",
    ...component("artifact:Artifact", "artifact"),
    ...component("artifact:ArtifactStore", "artifact-store"),
    "command:local:Command artifact-store-archives",
    ...component("artifact:AssetHost", "artifact-assethost"),
    ...["packages", "images"].flatMap((kind) => [
      ...component("artifact:Release", `artifact-assethost-${kind}`),
      `command:local:Command artifact-assethost-${kind}-files`,
      `command:remote:Command artifact-assethost-${kind}-published`,
    ]),
    ...component("artifact:Supplies", "artifact-assethost-supplies"),
    "command:remote:Command artifact-assethost-supplies-sources",
    "command:remote:Command artifact-assethost-services",
    ...component("artifact:Registry", "artifact-registry"),
    "command:local:Command artifact-registry-system-images",
    "command:local:Command artifact-registry-images",
    ...others.flatMap((name) => [
      ...component("artifact:Supplies", `artifact-${name}`),
      `command:remote:Command artifact-${name}-sources`,
    ]),
    ...kubenodes.flatMap((name) => [
      ...component("kubernetes:ContainerRuntime", `runtime-${name}`),
      `command:remote:Command runtime-${name}-containerd`,
      ...component("kubernetes:Admission", `admission-${name}`),
      `command:remote:Command admission-${name}-nodes`,
      `command:remote:Command admission-${name}-version`,
      `command:remote:Command kubernetes-${name}-kept`,
      `command:remote:Command kubernetes-${name}-programs`,
      `command:remote:Command kubernetes-${name}-node`,
      `command:remote:Command kubernetes-member-${name}`,
    ]),
    ...component("kubernetes:KubernetesCluster", "kubernetes"),
    "command:remote:Command kubernetes-addons",
    "pulumi:providers:kubernetes kubernetes-api",
    ...component("backup:BackupStore", "backups"),
    "command:remote:Command backups-assethost",
    ...others.flatMap((name) => [
      ...component("backup:Backups", `backups-${name}`),
      `random:index/randomPassword:RandomPassword secrets-backup-${name}`,
      `command:remote:Command backups-${name}-timers`,
    ]),
    ...dataServiceResources(machines.filter((name) => name.startsWith("datanode"))),
    ...wireResources,
  ];
}

/** What of Wire a lab has: no cert-manager, for its certificate is its own, and nothing of Smallstep. */
const wireResources = [
  "wiab:wire:ChartRenderer charts",
  "pulumi:providers:kubernetes charts-helm",
  "wiab:wire:Wire wire",
  ...releaseNames
    .filter((name) => !["cert-manager", "smallstep-accomp"].includes(name))
    .map((name) => `kubernetes:helm.sh/v3:Release wire-${name}`),
  "command:remote:Command wire-calling-ports",
  "kubernetes:core/v1:Secret wire-postgresql-repmgr",
  "kubernetes:core/v1:Secret wire-postgresql-wire-server",
  "command:remote:Command wire-front",
];

/** The five services on the data nodes. */
function dataServiceResources(nodes: readonly string[]): string[] {
  const services = ["Cassandra", "Elasticsearch", "Minio", "Postgresql", "Rabbitmq"];
  const names = services.map((service) => service.toLowerCase());
  const onNodes = (name: string) => nodes.map((node) => `command:remote:Command ${name}-${node}`);
  return [
    "wiab:data-services:DataServices data-services",
    ...services.map((service) => `wiab:data-services:${service} ${service.toLowerCase()}`),
    ...names.flatMap((name) => [
      ...onNodes(`${name}-programs`),
      ...onNodes(name),
      `command:remote:Command ${name}-ready`,
    ]),
    "command:remote:Command cassandra-founder",
    ...onNodes("postgresql-prepare"),
    ...nodes.flatMap((node) => [
      `command:remote:Command data-services-${node}`,
      `command:remote:Command data-services-${node}-kept`,
    ]),
  ];
}

const seven = ["assethost", "kubenode1", "kubenode2", "kubenode3", "datanode1", "datanode2", "datanode3"];
const three = ["assethost", "kubenode1", "datanode1"];

const registered = ({ resources }: Run) => resources.map(({ type, name }) => `${type} ${name}`).sort();
const inputsOf = ({ resources }: Run, name: string): Values => {
  const found = resources.filter((each) => each.name === name);
  expect(found, name).toHaveLength(1);
  return found[0]?.inputs ?? {};
};
/** The value of a shell variable in what a script gets by standard input. */
const parameter = (run: Run, name: string, variable: string) =>
  new RegExp(`^${variable}='([^']*)'$`, "m").exec(inputsOf(run, name).stdin)?.[1];

/** What `secret` generated texts and keys look like, see the stand-in in program.ts. */
const secretText = /PRIVATE KEY-----|secrets[a-z0-9]+x{20}/;

function expectSecrecy(run: Run): void {
  const carriers = run.resources.flatMap(({ name, inputs, secretInputs }) =>
    Object.entries(inputs)
      .filter(([, value]) => secretText.test(JSON.stringify(value)))
      .map(([key]) => ({ input: `${name}.${key}`, secret: secretInputs.includes(key) })),
  );
  expect(carriers.filter(({ secret }) => !secret)).toEqual([]);
  // Every machine that the stack makes is logged in to with the stack's key.
  expect(carriers.length).toBeGreaterThanOrEqual(3);
  const remote = run.resources.filter(({ type }) => type === "command:remote:Command");
  expect(remote.length).toBeGreaterThanOrEqual(3);
  for (const { name, secretInputs } of remote) expect(secretInputs, name).toContain("connection");
  const publicOutputs = Object.entries(run.outputs).filter(([key]) => !run.secretOutputs.includes(key));
  expect(JSON.stringify(publicOutputs)).not.toMatch(secretText);
  expect(run.secretOutputs).toEqual([
    ...(run.outputs.kubeconfig ? ["dataServices", "kubeconfig"] : []),
    "sshPrivateKey",
    "backupKey",
  ]);
  // What opens backups goes to nobody who brings them, or keeps them.
  const { backupKey } = run.outputs;
  expect(backupKey).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  for (const { name, inputs } of remote) expect(`${inputs.stdin}`.includes(backupKey), name).toBe(false);
  expect(run.outputs.sshPrivateKey).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----/);
}

describe("the program with Pulumi.staging.yaml", () => {
  let run: Run;
  beforeAll(async () => {
    run = await runProgram("staging", stagingValues());
  });

  it("registers exactly these resources", () => {
    const firewall = ["firewall-wirebox", "firewall-wirebox-confirm"];
    expect(registered(run)).toEqual(expectedResources("remote", firewall, ["disk"], seven));
  });

  it.each([
    ["assethost", "192.168.122.10", 4, 2, 100],
    ["kubenode1", "192.168.122.21", 7, 5, 50],
    ["kubenode2", "192.168.122.22", 7, 5, 50],
    ["kubenode3", "192.168.122.23", 7, 5, 50],
    ["datanode1", "192.168.122.31", 12, 4, 100],
    ["datanode2", "192.168.122.32", 12, 4, 100],
    ["datanode3", "192.168.122.33", 12, 4, 100],
  ])("makes %s at %s with %i GiB, %i vCPUs and %i GB", (name, address, memoryGiB, vcpus, diskGB) => {
    const domain = inputsOf(run, `${name}-domain`);
    expect(domain).toMatchObject({
      name: `wirebox-${name}`,
      memory: memoryGiB * 1024,
      vcpu: vcpus,
      type: "kvm",
      cpu: { mode: "host-passthrough" },
      autostart: true,
      running: true,
      disks: [
        { volumeId: `${name}-disk-id` },
        { file: `/var/lib/libvirt/images/wirebox/${name}-cloud-init.iso` },
      ],
    });
    expect(domain.networkInterfaces).toEqual([
      { networkId: "host-network-id", mac: parameter(run, `${name}-address`, "MAC") },
    ]);
    expect(domain).not.toHaveProperty("kernel");
    expect(domain.xml.xslt).toContain(`file="/var/log/libvirt/qemu/wirebox-${name}-console.log"`);
    expect(inputsOf(run, `${name}-disk`)).toMatchObject({
      size: diskGB * 1_000_000_000,
      pool: "wirebox",
      baseVolumePool: "wirebox",
      baseVolumeName: parameter(run, "host-image-disk", "VOLUME"),
      format: "qcow2",
    });
    expect(parameter(run, `${name}-cloud-init`, "IMAGE")).toBe(domain.disks[1].file);
    expect(inputsOf(run, `${name}-cloud-init`).stdin).toContain(`hostname: ${name}`);
    expect(parameter(run, `${name}-disk-size`, "BYTES")).toBe(`${diskGB}000000000`);
    expect(parameter(run, `${name}-address`, "ADDRESS")).toBe(address);
    expect(parameter(run, `${name}-boot`, "DOMAIN_ID")).toBe(`${name}-domain-id`);
    expect(parameter(run, `${name}-boot`, "SECONDS_TO_BOOT")).toBe("300");
    expect(inputsOf(run, `${name}-login`).connection).toMatchObject({
      host: address,
      user: "demo",
      proxy: { host: "kvm.example.com", user: "root", port: 22 },
    });
  });

  it("gives every machine a MAC address of its own", () => {
    const macs = seven.map((name) => parameter(run, `${name}-address`, "MAC"));
    expect(new Set(macs)).toHaveProperty("size", seven.length);
  });

  it("makes a routed network that libvirt adds no rules to, with the DHCP range of the configuration", () => {
    const network = inputsOf(run, "host-network");
    expect(network).toMatchObject({
      name: "wirebox",
      bridge: "wirebox",
      mode: "open",
      addresses: ["192.168.122.0/24"],
      dhcp: { enabled: true },
      autostart: true,
    });
    expect(network.xml.xslt).toContain('<range start="192.168.122.100" end="192.168.122.240"/>');
    expect(inputsOf(run, "host-pool")).toMatchObject({
      name: "wirebox",
      type: "dir",
      target: { path: "/var/lib/libvirt/images/wirebox" },
    });
  });

  it("reaches libvirt through the host's SSH server", () => {
    expect(inputsOf(run, "host-libvirt").uri).toMatch(/^qemu\+ssh:\/\/root@kvm\.example\.com:22\/system/);
  });

  it("has the preflight look for what all machines need together", () => {
    expect(parameter(run, "host-preflight-host", "MEMORY_MIB")).toBe("62464");
    expect(parameter(run, "host-preflight-host", "VCPUS")).toBe("29");
    expect(parameter(run, "host-preflight-host", "DISK_BYTES")).toBe("550000000000");
    expect(inputsOf(run, "host-preflight-host").update).toMatch(/-- update [a-z-]+\/host-preflight-host;/);
  });

  it("hardens the host's input on probation", () => {
    expect(inputsOf(run, "firewall-wirebox").stdin).toContain("type filter hook input");
    expect(parameter(run, "firewall-wirebox", "STEP")).toBe("load");
    expect(parameter(run, "firewall-wirebox-confirm", "STEP")).toBe("confirm");
  });

  it("asks no script for what it does not have, and forgets none that has something to take away", () => {
    // The confirmation is the firewall's script once more; what it has loaded, the first run takes away.
    const scripts = run.resources.filter(
      ({ type, name }) => type === "command:remote:Command" && name !== "firewall-wirebox-confirm",
    );
    for (const { name, inputs } of scripts) {
      // With the name of the record that the run leaves.
      expect(inputs.create, name).toMatch(new RegExp(`-- apply [a-z-]+/${name};`));
      expect(inputs.delete !== undefined, name).toBe(/^remove\(\)/m.test(inputs.stdin));
      expect(inputs.update !== undefined, name).toBe(/^update\(\)/m.test(inputs.stdin));
    }
    const removing = scripts.filter(({ inputs }) => inputs.delete?.includes("-- remove "));
    expect(removing.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        "firewall-wirebox",
        "host-image-disk",
        ...seven.map((name) => `${name}-address`),
      ]),
    );
  });

  it("marks every input and output that carries a secret", () => expectSecrecy(run));

  it("puts out what people and other stacks need", () => {
    expect(run.outputs.machines).toHaveLength(7);
    expect(run.outputs.machines[6]).toEqual({
      name: "datanode3",
      role: "datanode",
      address: "192.168.122.33",
      memoryGiB: 12,
      vcpus: 4,
      diskGB: 100,
      existing: false,
      ssh: "ssh -J root@kvm.example.com:22 demo@192.168.122.33",
    });
    expect(run.outputs).toMatchObject({
      domain: "wire.example.com",
      network: { name: "wirebox", cidr: "192.168.122.0/24", gateway: "192.168.122.1" },
      publicAddress: "203.0.113.10",
      callingNode: "192.168.122.23",
      sshUser: "demo",
    });
    expect(run.outputs.dnsRecords).toHaveLength(8);
    expect(run.outputs.publicPorts).toHaveLength(5);
    expect(run.outputs.sshPublicKey).toMatch(/^ssh-ed25519 \S+ wiab-staging\/staging\n?$/);
  });
});

describe.each([
  { size: "full", names: seven, memoryGiB: { assethost: 1, kubenode: 2, datanode: 2 } },
  { size: "small", names: three, memoryGiB: { assethost: 1, kubenode: 3, datanode: 3 } },
] as const)("the program with the $size lab's configuration", ({ size, names, memoryGiB }) => {
  let run: Run;
  beforeAll(async () => {
    run = await runProgram("lab", labValues(size));
  });

  it("registers exactly these resources, and runs scripts for the host on this machine", () => {
    const images = ["disk", "kernel", "initrd"];
    expect(registered(run)).toEqual(
      [
        ...expectedResources("local", ["firewall-wiab-lab"], images, names),
        ...artifactResources(names),
      ].sort(),
    );
  });

  it("emulates its machines and starts their kernel itself", () => {
    for (const name of names) {
      const role = wireRoles.find((each) => name.startsWith(each)) as WireRole;
      const domain = inputsOf(run, `${name}-domain`);
      expect(domain).toMatchObject({
        name: `wiab-lab-${name}`,
        type: "qemu",
        memory: memoryGiB[role] * 1024,
        kernel: `/var/lib/libvirt/images/wiab-lab/${parameter(run, "host-image-kernel", "VOLUME")}`,
        initrd: `/var/lib/libvirt/images/wiab-lab/${parameter(run, "host-image-initrd", "VOLUME")}`,
      });
      expect(domain).not.toHaveProperty("cpu");
      const words = domain.cmdlines.flatMap((group: Record<string, string>) =>
        Object.entries(group).flatMap(([key, value]) => (key === "_" ? value.split(" ") : `${key}=${value}`)),
      );
      expect(words.sort()).toEqual([
        ...["clocksource=tsc", "console=ttyS0", "quiet", "root=/dev/vda", "rw", "tsc=reliable"],
      ]);
      expect(parameter(run, `${name}-boot`, "SECONDS_TO_BOOT")).toBe("1200");
      expect(inputsOf(run, `${name}-disk`).size).toBe(20_000_000_000);
      expect(inputsOf(run, `${name}-login`).connection).not.toHaveProperty("proxy");
    }
    expect(inputsOf(run, "host-libvirt").uri).toBe("qemu:///system");
  });

  it("sends the artifact from the host to the asset host, and everything else to get it there", () => {
    expect(parameter(run, "artifact-store-archives", "STORE")).toBe("/var/lib/wiab/wiab-lab");
    expect(parameter(run, "artifact-assethost-packages-files", "ADDRESS")).toBe("192.168.230.10");
    expect(parameter(run, "artifact-assethost-supplies-sources", "REPOSITORIES")).toMatch(
      /^file:\/opt\/assets\/packages\/current\/debs-bookworm\/public file:\S+\/gpg [0-9a-f]{64} bookworm main$/,
    );
    for (const name of names.filter((each) => each !== "assethost")) {
      const sources = parameter(run, `artifact-${name}-sources`, "REPOSITORIES");
      expect(sources).toMatch(/^http:\/\/192\.168\.230\.10:8080\/debs-bookworm\/public /);
      expect(parameter(run, `artifact-${name}-sources`, "TIME_SERVER")).toBe("192.168.230.1");
    }
    expect(parameter(run, "runtime-kubenode1-containerd", "REGISTRIES")).toBe(
      "docker.io\nquay.io\nregistry.k8s.io",
    );
    expect(parameter(run, "runtime-kubenode1-containerd", "SEED_IMAGES")).toBe("");
    expect(parameter(run, "runtime-kubenode1-containerd", "HOSTS")).toContain("https://192.168.230.10:5001");
  });

  it("asks every kubenode whether it may become the artifact's Kubernetes, before it gets any of it", () => {
    for (const name of names.filter((each) => each.startsWith("kubenode"))) {
      const version = parameter(run, `kubernetes-member-${name}`, "VERSION");
      expect(version).toMatch(/^v1\.\d+\.\d+$/);
      expect(parameter(run, `admission-${name}-version`, "VERSION")).toBe(version);
      expect(parameter(run, "kubernetes-addons", "VERSION")).toBe(version);
    }
  });

  it("has the first kubenode found the cluster, and gives its keys to every other one", () => {
    const kubenodes = names.filter((name) => name.startsWith("kubenode"));
    kubenodes.forEach((name, index) => {
      const step = `kubernetes-member-${name}`;
      expect(parameter(run, step, "FOUNDS")).toBe(index === 0 ? "yes" : "no");
      expect(parameter(run, step, "PKI")).toBe(parameter(run, "kubernetes-member-kubenode1", "PKI"));
      const peers = parameter(run, step, "PEERS")?.split("\n").filter(Boolean) ?? [];
      expect(peers.map((line) => line.split(" ")[0])).toEqual(kubenodes.filter((other) => other !== name));
      expect(inputsOf(run, step).update ?? "").toContain("update");
    });
    expect(parameter(run, "kubernetes-addons", "NODES")?.split("\n")).toEqual(kubenodes);
    expect(run.outputs.kubeconfig).toContain("server: https://192.168.230.21:6443");
  });

  it("leaves the host's input and uplink alone", () => {
    expect(inputsOf(run, "firewall-wiab-lab").stdin).not.toMatch(/policy drop|hook input priority filter;/);
    expect(parameter(run, "firewall-wiab-lab", "PUBLIC_INTERFACE")).toBe("pub-lab");
    expect(parameter(run, "firewall-wiab-lab", "PUBLIC_ADDRESS")).toBe("198.51.100.230");
  });

  it("marks every input and output that carries a secret", () => expectSecrecy(run));

  it("puts out its machines", () => {
    expect(run.outputs.machines.map(({ name }: { name: string }) => name)).toEqual(names);
  });
});

describe("the program with a second place for backups", () => {
  it("has the asset host bring them there with a key of its own, through the firewall", async () => {
    const values = labValues("full");
    values.backup = {
      offHost: {
        ...{ address: "198.51.100.20", user: "keeper" },
        hostKey: `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}`,
      },
    };
    const run = await runProgram("lab", values);
    expect(run.outputs.offHostPublicKey).toMatch(/^ssh-ed25519 \S+ wiab-backups$/);
    expect(parameter(run, "offhost-assethost", "KNOWN_HOSTS")).toMatch(/^198\.51\.100\.20 ssh-ed25519 /);
    expect(inputsOf(run, "offhost-assethost").stdin).toContain("BEGIN OPENSSH PRIVATE KEY");
    const rules = parameter(run, "firewall-wiab-lab", "RULESET");
    expect(rules).toContain("ip daddr 198.51.100.20 tcp dport 22 accept");
  });
});

describe("the program with kubenodes that retire", () => {
  it("takes the founder and another one out after the one that stays", async () => {
    const values = labValues("full");
    for (const machine of values.machines)
      if (["kubenode1", "kubenode2"].includes(machine.name)) machine.retiring = true;
    const run = await runProgram("lab", values);
    const of = (name: string, variable: string) => parameter(run, `kubernetes-member-${name}`, variable);
    const kubenodes = ["kubenode3", "kubenode1", "kubenode2"];
    expect(run.resources.flatMap(({ name }) => /^kubernetes-member-(.*)$/.exec(name)?.[1] ?? [])).toEqual(
      kubenodes,
    );
    expect(kubenodes.map((name) => of(name, "RETIRING"))).toEqual(["no", "yes", "yes"]);
    expect(kubenodes.map((name) => of(name, "FOUNDS"))).toEqual(["yes", "no", "no"]);
    expect(of("kubenode1", "PEERS")?.split("\n")[0]).toMatch(/^kubenode3 /);
    expect(parameter(run, "kubernetes-addons", "NODES")).toBe("kubenode3");
    expect(run.outputs.kubeconfig).toContain("server: https://192.168.230.23:6443");
    expect(run.outputs.callingNode).toBe("192.168.230.23");
    for (const name of kubenodes) {
      const list = "kubenode1 yes\nkubenode2 yes\nkubenode3 no";
      expect(parameter(run, `admission-${name}-nodes`, "NODES")).toBe(list);
      expect(parameter(run, `kubernetes-${name}-kept`, "NODES")?.split("\n").sort().join("\n")).toBe(list);
      expect(parameter(run, `backups-${name}-timers`, "SERVICES")).toBe(name === "kubenode3" ? "etcd" : "");
    }
  });
});

describe("the program with another domain", () => {
  it("has the same cluster, so that nothing in it is made anew", async () => {
    const values = labValues("full");
    const run = await runProgram("lab", values);
    const folder = mkdtempSync(join(tmpdir(), "wiab-another-domain-"));
    const domain = `another.${values.domain}`;
    const { certificateFile, privateKeyFile } = await makeCertificate(folder, domain);
    const another = await runProgram("lab", { ...values, domain, tls: { certificateFile, privateKeyFile } });
    rmSync(folder, { recursive: true });
    const names = [
      "kubernetes-api",
      ...["kubenode1", "kubenode2"].map((name) => `kubernetes-member-${name}`),
    ];
    for (const name of names) expect(inputsOf(another, name)).toEqual(inputsOf(run, name));
    expect(inputsOf(run, "kubernetes-api").clusterIdentifier).toBe("wiab-lab");
  });
});

describe("the program with an encrypted value of a chart", () => {
  it("keeps it a secret, and shows the values of other releases", async () => {
    const values = labValues("full");
    const key = "correct-horse-battery-staple";
    values.wire.values = {
      webapp: { replicaCount: 1, tracker: { password: key } },
      "account-pages": { replicaCount: 1 },
    };
    const run = await runProgram("lab", values, ["wire"]);
    const carriers = run.resources.filter(({ inputs }) => JSON.stringify(inputs).includes(key));
    expect(carriers.map(({ name, secretInputs }) => [name, secretInputs])).toEqual([
      ["wire-webapp", ["values"]],
    ]);
    await expect(runProgram("lab", values)).rejects.toThrow(
      "wire.values.webapp.tracker.password: is a secret in plain text",
    );
  });
});

describe("the program that imports every image beforehand", () => {
  it("tells the nodes each image with where it is served", async () => {
    const values = labValues("full");
    values.artifact.seed = "all";
    const run = await runProgram("lab", values);
    for (const name of ["kubenode1", "kubenode2", "kubenode3"])
      expect(parameter(run, `runtime-${name}-containerd`, "SEED_IMAGES")?.split("\n")).toEqual(
        expect.arrayContaining([
          expect.stringMatching(
            /^http:\/\/192\.168\.230\.10:8080\/containers-helm\/docker\.io_library_hello_1\.tar [0-9a-f]{64} docker\.io\/library\/hello:1 sha256:[0-9a-f]{64}$/,
          ),
          expect.stringContaining(" registry.k8s.io/pause:3.10 sha256:"),
        ]),
      );
  });
});

describe("the program before it makes anything", () => {
  const hello = "docker.io/library/hello:1";

  it("goes on where the artifact has every image of every chart, rendered with the stack's values", async () => {
    const asked = new Map<string, Values>();
    const run = await runProgram("lab", labValues("full"), [], [], (release, values) => {
      asked.set(release, values);
      return ["hello:1", hello];
    });
    expect([...asked.keys()].sort()).toEqual(
      releaseNames.filter((name) => !["cert-manager", "smallstep-accomp"].includes(name)).sort(),
    );
    expect(asked.get("sftd")?.host).toBe("sftd.lab.wiab.test");
    expect(asked.get("wire-server")?.brig.config.optSettings.setFederationDomain).toBe("lab.wiab.test");
    expect(registered(run)).toContain("wiab:wire:Wire wire");
  });

  it("refuses pods that no kubenode has room for, before anything is made", async () => {
    const resources: Registered[] = [];
    const containers = [{ resources: { requests: { memory: "3Gi" } } }];
    const brig = {
      ...{ kind: "Deployment", metadata: { name: "brig" } },
      spec: { replicas: 2, template: { spec: { containers } } },
    };
    const failure: Error = await runProgram("lab", labValues("full"), [], resources, (release) =>
      release === "wire-server" ? [brig] : [],
    ).then(
      () => expect.fail("it was not refused"),
      (error) => error,
    );
    expect(failure.message).toMatch(
      /^the Kubernetes nodes have no room for what is to be installed, nothing was changed:\n {2}- the pods on the kubenodes together ask for 9356 MiB of memory, .* wire-server: Deployment brig, 3 × 3072 MiB \(wire\.values\.wire-server\.brig\)/,
    );
    expect(resources.map(({ name }) => name)).toEqual(["charts", "charts-helm"]);
  });

  it("refuses an image that the artifact lacks: release, image, and the nearest that is there", async () => {
    const resources: Registered[] = [];
    const failure: Error = await runProgram("lab", labValues("full"), [], resources, (release) =>
      release === "sftd" ? [hello, "docker.io/library/hello:2"] : [hello],
    ).then(
      () => expect.fail("it was not refused"),
      (error) => error,
    );
    expect(failure.message).toContain(
      "nothing was changed:\n  - sftd: needs docker.io/library/hello:2, which the artifact does not have; " +
        `the nearest is ${hello}`,
    );
    // What it is found out with, and nothing else.
    expect(resources.map(({ name }) => name)).toEqual(["charts", "charts-helm"]);
  });
});

describe("the program with a machine that exists already", () => {
  let run: Run;
  beforeAll(async () => {
    const values = stagingValues();
    values.machines[4].address = "10.1.2.3";
    values.machines[4].existing = { user: "admin", port: 2222 };
    run = await runProgram("staging", values);
  });

  it("makes nothing for it, logs in to it and hands it out like the others", () => {
    const others = seven.filter((name) => name !== "datanode1");
    const firewall = ["firewall-wirebox", "firewall-wirebox-confirm"];
    expect(registered(run)).toEqual(
      [
        ...expectedResources("remote", firewall, ["disk"], others),
        "wiab:host:ExistingMachine datanode1",
        "command:remote:Command datanode1-login",
      ].sort(),
    );
    const { connection } = inputsOf(run, "datanode1-login");
    expect(connection).toMatchObject({ host: "10.1.2.3", port: 2222, user: "admin" });
    expect(connection).not.toHaveProperty("proxy");
    expect(run.outputs.machines.map(({ name }: { name: string }) => name)).toEqual(seven);
    expect(run.outputs.machines[4]).toMatchObject({
      address: "10.1.2.3",
      ssh: "ssh -p 2222 admin@10.1.2.3",
    });
  });

  it("keeps to the keys that the machine has", () => {
    expect(parameter(run, "datanode1-login", "AUTHORIZED_KEYS")).toBe("");
    expect(parameter(run, "datanode2-login", "AUTHORIZED_KEYS")).toMatch(/^ssh-ed25519 /);
  });

  it("does not count it among what the host has to carry", () => {
    expect(parameter(run, "host-preflight-host", "MEMORY_MIB")).toBe(`${62464 - 12 * 1024}`);
    expect(parameter(run, "host-preflight-host", "MACHINES")).toBe("6");
  });
});
