import { describe, expect, it } from "vitest";
import { bytesOfGB } from "../../components/config/units";
import { calendarProblem } from "../../components/validation/calendar";
import type { Values } from "../stacks";
import { problemsOf } from "./refused";

/** As many machines of a role, beside the others of staging. */
const many = (role: string, count: number) => (c: Values) => {
  const others = c.machines.filter((machine: Values) => machine.role !== role);
  const made = Array.from({ length: count }, (_, index) => ({
    ...{ name: `${role}${index + 1}`, role, address: `192.168.122.${index + 40}` },
    ...{ memoryGiB: 12, vcpus: 4, diskGB: 100 },
  }));
  c.machines = [...others, ...made];
  delete c.host.capacity;
};

describe("sizes", () => {
  it.each([
    [64, 64_000_000_000],
    [64.1, 64_100_000_256],
    [2.4, 2_400_000_000],
    [0.3, 300_000_256],
    [1.000000001, 1_000_000_512],
  ])("%d GB are whole sectors, and never less than was asked for", (gigabytes, bytes) => {
    expect(bytesOfGB(gigabytes)).toBe(bytes);
  });

  it("are whole numbers of bytes for every size in steps of a tenth", () => {
    for (let tenths = 1; tenths < 20_000; tenths++) {
      const bytes = bytesOfGB(tenths / 10);
      expect(bytes % 512).toBe(0);
      expect(bytes - tenths * 1e8).toBeGreaterThanOrEqual(0);
      expect(bytes - tenths * 1e8).toBeLessThan(512);
    }
  });
});

describe("what fails late", () => {
  it.each<[string, (c: Values) => void, string]>([
    [
      "a control plane with one vCPU",
      (c) => (c.machines[1].vcpus = 1),
      "machines[1].vcpus: kubenode1: 1 is too few",
    ],
    [
      "one with little memory",
      (c) => (c.machines[2].memoryGiB = 1.5),
      "machines[2].memoryGiB: kubenode2: 1.5 GiB",
    ],
    [
      "25 members of etcd",
      many("kubenode", 25),
      "machines: 25 kubenodes are too many: each is a member of etcd; at most 7",
    ],
    ["17 disks of one erasure set", many("datanode", 17), "machines: 17 datanodes are too many"],
    [
      "a heap larger than the machine",
      (c) => (c.dataServices = { cassandra: { heapMiB: 16384 } }),
      "dataServices.cassandra.heapMiB: 16384 MiB do not fit into datanode1",
    ],
    [
      "a heap that leaves the others nothing",
      (c) => (c.dataServices = { elasticsearch: { heapMiB: 10000 } }),
      "dataServices.elasticsearch.heapMiB: 10000 MiB do not fit into datanode1",
    ],
    [
      "mail to a relay without a way out",
      (c) => {
        c.firewall.privateDeployment = true;
        c.mail = { relay: { host: "198.51.100.25" } };
      },
      "mail.relay.host: 198.51.100.25 is outside, and firewall.privateDeployment",
    ],
    [
      "mail to a port of the host's that the firewall sends on",
      (c) => (c.mail = { relay: { host: c.firewall.publicAddress, port: 443 } }),
      "mail.relay.port: 443 of the host",
    ],
    [
      "mail to the host's SSH server",
      (c) => {
        c.host.ssh = { ...c.host.ssh, port: 2222 };
        c.mail = { relay: { host: "192.168.122.1", port: 2222 } };
      },
      "mail.relay.port: 2222 of the host (192.168.122.1) is its SSH server's",
    ],
    [
      "a kubenode without room for etcd",
      (c) => {
        c.kubernetes = { volumes: { perNode: 0 } };
        c.machines[2].diskGB = 4.5;
      },
      "machines[2].diskGB: kubenode2: 4.5 GB are too few for a kubenode",
    ],
    [
      "a schedule of cron",
      (c) => (c.backup = { schedule: "30 2 * * *" }),
      "backup.schedule: is a schedule of cron; one of systemd.time(7) is wanted",
    ],
  ])("is refused: %s", (_name, change, message) => {
    expect(problemsOf(change).join("\n")).toContain(message);
  });

  it("is not what fits", () => {
    expect(problemsOf((c) => (c.dataServices = { cassandra: { heapMiB: 4096 } }))).toEqual([]);
    expect(problemsOf(many("kubenode", 7))).toEqual([]);
    expect(problemsOf(many("datanode", 15))).toEqual([]);
    expect(problemsOf((c) => (c.backup = { schedule: "Sun *-*-* 03:00" }))).toEqual([]);
    const onHost = (c: Values) => {
      c.firewall.privateDeployment = true;
      c.mail = { relay: { host: "192.168.122.1" } };
    };
    expect(problemsOf(onHost)).toEqual([]);
    // The host is the host under each of its addresses; the gateway's port 443 is not forwarded.
    for (const relay of [{ host: "203.0.113.10" }, { host: "192.168.122.1", port: 443 }])
      expect(
        problemsOf((c) => {
          c.firewall.publicAddress = "203.0.113.10";
          onHost(c);
          c.mail = { relay };
        }),
      ).toEqual([]);
  });

  it("is a kubenode's disk that the artifact's images do not fit on", () => {
    const image = (set: "helm" | "adminhost") => ({
      ...{ path: `${set}.tar`, archive: "a.tar", sha256: "0".repeat(64), size: 20e9, kind: "image" as const },
      image: { reference: set, id: `sha256:${"0".repeat(64)}`, format: "docker-archive" as const, set },
    });
    const holding = (diskGB: number, ...sets: readonly ("helm" | "adminhost")[]) =>
      problemsOf(
        (c) => {
          c.artifact = { sources: [{ location: "/a", manifest: "/a/manifest.json" }] };
          c.machines[0].diskGB = 500;
          c.machines[1].diskGB = diskGB;
        },
        {
          readManifest: () => ({
            ...{ format: 1, name: "a", layout: "bundle", archives: [], apt: [] },
            files: sets.map(image),
          }),
        },
      ).filter((line) => line.startsWith("machines[1].diskGB"));
    expect(holding(27, "helm")).toEqual([
      expect.stringMatching(/^machines\[1\]\.diskGB: .* the artifact's images \(20\.0 GB\) .*; at least 28$/),
    ]);
    expect(holding(28, "helm")).toEqual([]);
    expect(holding(27, "adminhost")).toEqual([]);
  });
});

describe("a schedule of cron", () => {
  it.each([
    ["30 2 * * *", "*-*-* 02:30:00"],
    ["*/15 * * * *", "*-*-* *:0/15:00"],
    ["0 3 * * 0", "sun *-*-* 03:00:00"],
    ["0 3 * * 1-5", "mon..fri *-*-* 03:00:00"],
    ["0 3 1,15 * *", "*-*-01,15 03:00:00"],
    ["@daily", "daily"],
    ["@midnight", "daily"],
    ["@yearly", "monthly"],
    ["0 3 1 1 *", "*-*-* 02:30:00"],
  ])("%s is refused with the same in systemd's language: %s", (cron, event) => {
    expect(calendarProblem(cron)).toContain(`"${event}"`);
    expect(calendarProblem(event)).toBeUndefined();
  });
});
