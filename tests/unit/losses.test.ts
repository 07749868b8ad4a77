import { describe, expect, it } from "vitest";
import { planDeployment } from "../../components/config/plan";
import { findLosses } from "../../components/validation/losses";
import { recordedMachines } from "../../components/validation/recorded";
import { stagingConfiguration, stagingValues, type Values } from "../stacks";

const path = "/var/lib/libvirt/images/wirebox";

/**
 * The resources of a staging that is up, as far as they matter here: those of a version that did not record what becomes
 * of disks, or with `disks` by machine.
 */
function staging(disks?: Readonly<Record<string, string>>) {
  const urn = (type: string, name: string) => `urn:pulumi:staging::wiab-staging::${type}::${name}`;
  const resource = (parent: string, type: string, name: string, outputs: Values) =>
    [urn(parent ? `${parent}$${type}` : type, name), { type, outputs }] as const;
  const vm = "wiab:host:VirtualMachine";
  return Object.fromEntries([
    resource("wiab:host:Host", "libvirt:index/pool:Pool", "host-pool", { name: "wirebox", target: { path } }),
    ...stagingValues().machines.flatMap(({ name, address, role }: Values) => [
      resource("", vm, name, disks ? { address, role, disk: disks[name] ?? "keep" } : { address }),
      resource(vm, "libvirt:index/volume:Volume", `${name}-disk`, { name: `${name}.qcow2`, pool: "wirebox" }),
      resource(vm, "command:remote:Command", `${name}-login`, {}),
    ]),
  ]);
}

/** What is said of an edit of that staging, a line each. */
function saidOf(change: (values: Values) => void, resources = staging()): string[] {
  const config = stagingConfiguration(change);
  return findLosses(config, planDeployment(config), recordedMachines(resources)).map(
    ({ key, message }) => `${key}: ${message}`,
  );
}

const machine = (values: Values, name: string): Values =>
  values.machines.find((one: Values) => one.name === name);
const setDisks = (values: Values, disk: string) => {
  for (const one of values.machines) one.disk = disk;
};
const rename = (values: Values) => {
  machine(values, "datanode2").name = "datanode4";
};
const allOf = (disk: string) =>
  Object.fromEntries(stagingValues().machines.map(({ name }: Values) => [name, disk]));

describe("the disk of a machine", () => {
  it("is not concerned by edits that leave it where it is", () => {
    expect(saidOf(() => {})).toEqual([]);
    expect(
      saidOf((values) => {
        machine(values, "kubenode1").memoryGiB = 8;
        machine(values, "kubenode1").diskGB = 80;
        machine(values, "datanode1").disk = "release";
        values.image.source = "/another/image.qcow2";
        values.host.capacity.memoryGiB = 128;
        values.machines.push(
          { ...machine(values, "datanode1"), name: "datanode4", address: "192.168.122.34" },
          { ...machine(values, "datanode1"), name: "datanode5", address: "192.168.122.35" },
        );
        values.machines.reverse();
      }),
    ).toEqual([]);
  });

  it("is named when its machine is renamed or taken out, with what to do", () => {
    expect(saidOf(rename)).toEqual([
      `machines: datanode2 is missing, and the disk ${path}/datanode2.qcow2 of datanode2 would be deleted, with all that is on it. ` +
        "To keep it, put the machine back under that name. To let it go, put it back with `disk: release` (or `disk: aside`, which leaves the file on the host) and run `up`; then take it out",
    ]);
    expect(saidOf(rename, staging({}))[0]).toContain("with its part of the data of Cassandra");
    expect(
      saidOf((values) => {
        machine(values, "assethost").name = "assets";
      }, staging({}))[0],
    ).toContain("the backups of all services");
  });

  it.each<[string, (values: Values) => void, RegExp]>([
    [
      "network",
      (values) => {
        values.network.name = "other";
      },
      /^network\.name: .*To keep it, set it back to wirebox/,
    ],
    [
      "pool",
      (values) => {
        values.host.poolPath = "/srv/disks";
      },
      /^host\.poolPath: .*To keep it, set it back to \/var\/lib\/libvirt\/images\/wirebox\./,
    ],
  ])("is named for all machines when another %s would replace it", (_, change, text) => {
    const said = saidOf(change);
    expect(said).toHaveLength(7);
    for (const line of said) expect(line).toMatch(text);
  });

  it("is named when its machine is to be one that exists already", () => {
    const said = saidOf((values) => {
      machine(values, "datanode2").existing = { user: "root" };
    });
    expect(said).toEqual([
      expect.stringMatching(/^machines\[5\]\.existing: the disk .*To keep it, take that out again/),
    ]);
  });

  it.each(["release", "aside"])("goes where an earlier run has recorded %s, and not before", (disk) => {
    const resources = staging({ datanode2: disk });
    expect(saidOf(rename, resources)).toEqual([]);
    const dropped = (values: Values) => {
      values.machines.splice(5, 2);
    };
    expect(saidOf(dropped, resources)).toEqual([expect.stringContaining("datanode3 is missing")]);
    const moved = (values: Values) => {
      setDisks(values, disk);
      values.network.name = "other";
    };
    expect(saidOf(moved, staging())).toHaveLength(7);
    expect(saidOf(moved, staging(allOf(disk)))).toEqual([]);
  });

  it("stays where the configuration has changed its mind since", () => {
    const moved = (values: Values) => {
      values.network.name = "other";
    };
    expect(saidOf(moved, staging(allOf("release")))).toHaveLength(7);
    // What the state says is what happens to the file: one that is recorded for deletion would not be put aside.
    const aside = (values: Values) => {
      setDisks(values, "aside");
      moved(values);
    };
    expect(saidOf(aside, staging(allOf("release")))).toHaveLength(7);
  });

  it("is known where its machine never came up", () => {
    const resources = Object.fromEntries(
      Object.entries(staging()).filter(([urn]) => !/-login$|VirtualMachine::/.test(urn)),
    );
    expect(saidOf(rename, resources)).toEqual([expect.stringContaining("datanode2.qcow2")]);
  });
});

describe("another address", () => {
  const move = (name: string) => (values: Values) => {
    machine(values, name).address = "192.168.122.99";
  };

  it.each([
    ["kubenode2", "machines[2].address: kubenode2 is at 192.168.122.22, where its member of etcd"],
    ["datanode3", "machines[6].address: datanode3 is at 192.168.122.33, where Cassandra's node"],
  ])("is refused for %s, whose services stay at the former one", (name, text) => {
    const said = saidOf(move(name));
    expect(said).toEqual([expect.stringContaining(text)]);
    expect(said[0]).toContain("add a machine of another name at 192.168.122.99");
  });

  it("is refused for a machine that the stack did not make, too", () => {
    const resources = Object.fromEntries(
      Object.entries(staging())
        .filter(([urn]) => !urn.endsWith("datanode3-disk"))
        .map(([urn, resource]) =>
          urn.endsWith("::datanode3")
            ? [urn.replace("Virtual", "Existing"), { ...resource, type: "wiab:host:ExistingMachine" }]
            : [urn, resource],
        ),
    );
    const moved = (values: Values) => {
      machine(values, "datanode3").existing = { user: "root" };
      move("datanode3")(values);
    };
    expect(saidOf(moved, resources)).toHaveLength(1);
  });

  it("is taken for the asset host, which nothing on it remembers, and for a machine that never came up", () => {
    expect(saidOf(move("assethost"))).toEqual([]);
    const resources = Object.fromEntries(
      Object.entries(staging()).filter(([urn]) => !urn.endsWith("kubenode2-login")),
    );
    expect(saidOf(move("kubenode2"), resources)).toEqual([]);
  });
});

it("a machine keeps its role", () => {
  const swap = (values: Values) => {
    Object.assign(machine(values, "datanode3"), { role: "kubenode" });
    Object.assign(machine(values, "kubenode3"), { role: "datanode" });
  };
  expect(saidOf(swap, staging({}))).toEqual([
    expect.stringContaining("machines[3].role: kubenode3 was made as a kubenode"),
    expect.stringContaining("machines[6].role: datanode3 was made as a datanode"),
  ]);
});
