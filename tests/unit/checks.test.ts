import { describe, expect, it } from "vitest";
import { checkAssetHost } from "../../checks/backups";
import { checkClients } from "../../checks/clients";
import { type ClusterFacts, checkCluster } from "../../checks/cluster";
import { checkFirewall, checkHost } from "../../checks/host";
import { checkMachine, type MachineFacts } from "../../checks/machines";
import { checkDns, checkOutside, checkPorts, type OutsideFacts } from "../../checks/outside";
import { Report } from "../../checks/report";
import {
  assetHostFacts,
  clusterFacts,
  hostFacts,
  machine,
  machineFacts,
  outsideFacts,
} from "../fixtures/checks";

/** What fails, with what is said of it. */
async function failing(make: (report: Report) => Promise<void>): Promise<Record<string, string>> {
  const report = new Report(() => {});
  await make(report);
  const failed = report.entries.filter(({ state }) => state === "fail");
  return Object.fromEntries(failed.map(({ name, text }) => [name, text]));
}

type Broken<Facts> = readonly [check: string, said: RegExp, broken: Partial<Facts>];

/** Has each breakage found by the one check that it is for. */
function finds<Facts extends object>(
  well: Facts,
  make: (report: Report, facts: Facts) => Promise<void>,
  broken: readonly Broken<Facts>[],
): void {
  it("finds nothing where all is well", async () =>
    expect(await failing((report) => make(report, well))).toEqual({}));
  it.each(broken)("%s: %s", async (check, said, change) => {
    const found = await failing((report) => make(report, { ...well, ...change }));
    expect(found).toEqual({ [check]: expect.stringMatching(said) });
  });
}

describe("a machine", () => {
  const disk = machineFacts.disks[0] as MachineFacts["disks"][number];
  finds(machineFacts, (report, facts) => checkMachine(report, machine, facts), [
    ["datanode1: name and address", /found other, wanted datanode1/, { name: "other" }],
    [
      "datanode1: name and address",
      /has 192\.0\.2\.99\/24, not 192\.0\.2\.31/,
      { addresses: ["192.0.2.99/24"] },
    ],
    ["datanode1: memory", /3 % of 12 GB left: raise memoryGiB/, { memory: { bytes: 12e9, available: 0.03 } }],
    ["datanode1: memory", /ended 2 processes/, { killed: 2 }],
    ["datanode1: disks", /\/ is 86 % full of 100 GB: raise diskGB/, { disks: [{ ...disk, used: 0.86 }] }],
    ["datanode1: disks", /90 % of its inodes/, { disks: [{ ...disk, inodes: 0.9 }] }],
    ["datanode1: disks", /can only be read/, { disks: [{ ...disk, readOnly: true }] }],
    ["datanode1: clock", /-700 ms/, { offset: -700 }],
    ["datanode1: clock", /does not tell the time/, { offset: null }],
    ["datanode1: clock", /nothing keeps it/, { offset: null, kept: false }],
    ["datanode1: units", /failed: minio.service/, { failedUnits: ["minio.service"] }],
    [
      "datanode1: errors",
      /minio\.service, 40 times in ten minutes: disk is gone/,
      { errors: [{ unit: "minio.service", count: 40, text: "disk is gone" }] },
    ],
    [
      "datanode1: certificates",
      /tls\.crt has 5 days left/,
      { certificates: [{ file: "/etc/wiab/tls.crt", days: 5.5 }] },
    ],
    [
      "datanode1: certificates",
      /ended 3 days ago/,
      { certificates: [{ file: "/etc/wiab/tls.crt", days: -3 }] },
    ],
    ["datanode1: SSH takes passwords", /found yes/, { passwords: "yes" }],
  ]);
});

describe("the asset host and the backups", () => {
  const backups = machineFacts.backups;
  const [backup] = assetHostFacts.backups as [(typeof assetHostFacts.backups)[number]];
  finds(
    { ...assetHostFacts, timers: backups },
    (report, { timers, ...facts }) => checkAssetHost(report, facts, { datanode1: { backups: timers } }),
    [
      ["files for the machines", /refused: systemctl status nginx/, { files: "connection refused" }],
      ["images for the machines", /answers 502/, { registry: 502 }],
      [
        "backups off the host",
        /the last run has failed/,
        { offHost: { done: 1_199_000, result: "exit-code" } },
      ],
      ["backups off the host", /nothing .* for 5\.6 h/, { offHost: { done: 1_180_000, result: "success" } }],
      [
        "backup of cassandra",
        /40\.0 h old, and one is due every 24\.0 h/,
        { backups: [{ ...backup, made: 1_056_000 }] },
      ],
      ["backup of cassandra", /there is none, though one was due .* for 55\.6 h/, { backups: [] }],
      [
        "backup of cassandra",
        /failed on datanode1/,
        { timers: [{ ...backups[0], result: "exit-code" }] as never },
      ],
      [
        "backup of cassandra",
        /not planned any more/,
        { timers: [{ ...backups[0], active: false }] as never },
      ],
    ],
  );

  it("waits for the first backup until it is due", async () => {
    const planned = [{ service: "cassandra", active: true, result: "success", planned: 1_150_000 }];
    const report = new Report(() => {});
    await checkAssetHost(report, { ...assetHostFacts, backups: [] }, { datanode1: { backups: planned } });
    expect(report.failures).toEqual([]);
    expect(report.entries.at(-1)?.text).toMatch(/^none yet/);
  });

  it("wants a backup of each node that keeps its own", async () => {
    const found = await failing((report) =>
      checkAssetHost(report, assetHostFacts, { datanode1: { backups }, datanode2: { backups } }),
    );
    expect(Object.keys(found)).toEqual(["backup of cassandra on datanode2"]);
  });
});

describe("the host", () => {
  const well = { ...hostFacts, findings: [] as readonly string[] };
  finds(
    well as Record<string, unknown> & typeof well,
    (report, { findings, ...facts }) =>
      checkHost(report, "wirebox", facts as never, findings as readonly string[]),
    [
      ["preflight", /table ip filter drops/, { findings: ["table ip filter drops what is forwarded"] }],
      ["firewall", /is not loaded: systemctl restart wiab-firewall-wirebox/, { table: "" }],
      ["firewall", /does not start at boot/, { firewall: "disabled" }],
      ["firewall", /not forwarded/, { forwarding: "0" }],
      ["network", /virsh net-start wirebox/, { network: "no yes" }],
      ["storage pool", /inactive: virsh pool-start/, { pool: "inactive" }],
      ["disk", /95 % full/, { disk: "95" }],
      ["wirebox-datanode1", /is paused: virsh resume/, { "domain wirebox-datanode1": "paused enable" }],
      ["wirebox-datanode1", /shut off/, { "domain wirebox-datanode1": "shut off enable" }],
      ["wirebox-datanode1", /virsh autostart/, { "domain wirebox-datanode1": "running disable" }],
    ],
  );
});

describe("a host without a hypervisor", () => {
  it("is asked for neither a network nor a pool, and its firewall is looked at where it is", async () => {
    const { forwarding, firewall, disk = "" } = hostFacts;
    const report = new Report(() => {});
    await checkHost(report, "wirebox", { disk }, []);
    expect(report.entries.map(({ name }) => name)).toEqual(["preflight", "disk"]);
    const gateway = { forwarding, table: "", firewall } as typeof hostFacts;
    expect(Object.keys(await failing((part) => checkFirewall(part, "wirebox", gateway)))).toEqual([
      "firewall",
    ]);
  });
});

describe("a host without systemd", () => {
  it("has its firewall until the next boot, and that is no fault", async () => {
    const facts = { ...hostFacts, firewall: "no systemd" };
    expect(await failing((report) => checkHost(report, "wirebox", facts, []))).toEqual({});
  });
});

describe("the cluster", () => {
  const plan = { controlPlanes: { kubenode1: "192.0.2.21" }, charts: { "wire-server": "5.34.0" } };
  const [node] = clusterFacts.nodes as [ClusterFacts["nodes"][number]];
  const [pod] = clusterFacts.pods as [ClusterFacts["pods"][number]];
  const [said] = clusterFacts.complaints as [ClusterFacts["complaints"][number]];
  const members = clusterFacts.etcd.members ?? [];
  const member = members[0] as (typeof members)[number];
  const release = { status: "deployed", revision: 2, chart: "5.34.0" };
  const releases = (change: object) =>
    ({ "wire-server": { ...release, ...change } }) as ClusterFacts["releases"];
  finds(clusterFacts, (report, facts) => checkCluster(report, plan, facts), [
    ["kubenode1: API server", /refused/, { apiServers: { kubenode1: { error: "connection refused" } } }],
    ["etcd", /alarm NOSPACE/, { etcd: { members, alarms: ["NOSPACE"] } }],
    ["etcd", /0 of 1 members answer/, { etcd: { members: [] } }],
    ["etcd", /follow different leaders/, { etcd: { members: [member, { ...member, leader: 8 }] } }],
    ["etcd", /2000 entries behind/, { etcd: { members: [member, { ...member, index: 2900 }] } }],
    ["etcd", /1900 MB large/, { etcd: { members: [{ ...member, bytes: 1.9e9 }] } }],
    ["kubenode1: node", /no such node/, { nodes: [] }],
    ["kubenode1: node", /not ready/, { nodes: [{ ...node, ready: false }] }],
    ["kubenode1: node", /DiskPressure/, { nodes: [{ ...node, pressure: ["DiskPressure"] }] }],
    ["kubenode1: node", /kubectl uncordon/, { nodes: [{ ...node, cordoned: true }] }],
    [
      "kubenode1: node",
      /different versions/,
      { nodes: [node, { ...node, name: "other", kubelet: "v1.33.0" }] },
    ],
    [
      "pods",
      /brig-1 on kubenode1 is not ready: ImagePullBackOff/,
      { pods: [{ ...pod, ready: false, why: "ImagePullBackOff" }] },
    ],
    ["restarts", /OOMKilled/, { pods: [{ ...pod, restarted: ["OOMKilled"] }] }],
    [
      "deployments",
      /deployment default\/brig: 1 of 3 ready/,
      { workloads: [{ kind: "deployment", namespace: "default", name: "brig", wanted: 3, ready: 1 }] },
    ],
    [
      "logs of pods",
      /brig-1 \(brig\), 60 times in 5 minutes: connection refused/,
      { complaints: [{ ...said, count: 60 }] },
    ],
    [
      "warnings",
      /Unhealthy, 9 times/,
      { warnings: [{ kind: "Pod", name: "brig-1", reason: "Unhealthy", count: 9, message: "failed" }] },
    ],
    ["volumes", /volume-1 is Failed/, { volumes: [{ name: "volume-1", phase: "Failed" }] }],
    [
      "images",
      /not the same everywhere: quay\.io\/wire\/brig:5\.34\.0/,
      {
        pods: [
          pod,
          { ...pod, name: "brig-2", images: [{ image: "quay.io/wire/brig:5.34.0", id: "sha256:bb" }] },
        ],
      },
    ],
    ["release wire-server", /is failed/, { releases: releases({ status: "failed" }) }],
    [
      "release wire-server",
      /has chart 5\.33\.0, and the last run left 5\.34\.0/,
      { releases: releases({ chart: "5.33.0" }) },
    ],
    ["release wire-server", /is not there/, { releases: {} as ClusterFacts["releases"] }],
    [
      "certificates in the cluster",
      /default\/wildcard has 9 days left/,
      { certificates: [{ name: "default/wildcard", days: 9 }] },
    ],
  ]);
});

describe("what a client sees", () => {
  const [named] = Object.values(outsideFacts.names);
  const host = "webapp.wire.test";
  const names = (change: object) => ({ [host]: { ...named, ...change } }) as OutsideFacts["names"];
  const { tcp } = outsideFacts.relay as { tcp: OutsideFacts["relay"][string] };
  finds(outsideFacts, (report, facts) => checkOutside(report, facts, "198.51.100.7"), [
    [`https://${host}`, /refused/, { names: { [host]: { error: "connection refused" } } }],
    [`https://${host}`, /not for it, by CN = an authority/, { names: names({ named: false }) }],
    [`https://${host}`, /answers 503/, { names: names({ status: 503 }) }],
    [`https://${host}`, /it has 2 days left/, { names: names({ days: 2 }) }],
    [
      "relay, udp",
      /refuses brig's secret: 401/,
      { relay: { udp: { refused: 401, text: "Unauthorized" }, tcp } },
    ],
    ["relay, udp", /does not answer/, { relay: { udp: { error: "does not answer" }, tcp } }],
    ["relay, udp", /lends 10\.0\.0\.1/, { relay: { udp: { address: "10.0.0.1", port: 1 }, tcp } }],
    ["relay, another secret", /is let in/, { stranger: { address: "198.51.100.7", port: 1 } }],
  ]);

  describe("of ports", () => {
    finds(outsideFacts, checkPorts, [
      ["ports that are open", /443 take no connection/, { ports: { 80: true, 443: false } }],
      ["ports that are closed", /open to everybody: 6443/, { ports: { 80: true, 443: true, 6443: true } }],
    ]);
  });
});

describe("services that say how they are", () => {
  it("are passed on", async () => {
    const told = {
      minio: { well: true, text: "fine" },
      postgresql: { well: false, text: "it is a standby" },
    };
    expect(await failing((report) => checkClients(report, told, "datanode1: "))).toEqual({
      "datanode1: postgresql": "it is a standby",
    });
  });
});

describe("names in the DNS", () => {
  it("are not asked for below a domain that no DNS has", async () => {
    const report = new Report(() => {});
    await checkDns(report, { domain: "lab.wiab.test", dnsRecords: [] });
    expect(report.entries).toMatchObject([{ state: "note" }]);
  });
});
