import { describe, expect, it } from "vitest";
import { planDeployment } from "../../components/config/plan";
import { stagingConfiguration } from "../stacks";

describe("the plan of the staging configuration", () => {
  const plan = planDeployment(stagingConfiguration());

  it("has what the machines need together: 61 GiB, 29 vCPUs, 550 GB", () => {
    expect(plan.demand).toEqual({ machines: 7, memoryMiB: 62464, vcpus: 29, diskBytes: 550e9 });
  });

  it("sorts the machines by role", () => {
    expect(plan.assethost.name).toBe("assethost");
    expect(plan.kubenodes.map(({ name }) => name)).toEqual(["kubenode1", "kubenode2", "kubenode3"]);
    expect(plan.datanodes.map(({ name }) => name)).toEqual(["datanode1", "datanode2", "datanode3"]);
  });

  it("names domains and consoles after network and machine", () => {
    expect(plan.machines.map(({ domainName }) => domainName)).toEqual([
      "wirebox-assethost",
      "wirebox-kubenode1",
      "wirebox-kubenode2",
      "wirebox-kubenode3",
      "wirebox-datanode1",
      "wirebox-datanode2",
      "wirebox-datanode3",
    ]);
    expect(plan.assethost.consoleLog).toBe("/var/log/libvirt/qemu/wirebox-assethost-console.log");
  });

  it("has the MAC addresses that deployments have been made with", () => {
    // Another one would part a machine from its address and its network configuration.
    expect(Object.fromEntries(plan.machines.map(({ name, mac }) => [name, mac]))).toMatchInlineSnapshot(`
      {
        "assethost": "52:54:00:bc:56:2e",
        "datanode1": "52:54:00:27:49:84",
        "datanode2": "52:54:00:0e:d0:e6",
        "datanode3": "52:54:00:1b:25:f6",
        "kubenode1": "52:54:00:69:d8:16",
        "kubenode2": "52:54:00:d3:76:ca",
        "kubenode3": "52:54:00:2d:ec:b2",
      }
    `);
    for (const { mac } of plan.machines) expect(mac).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
    expect(new Set(plan.machines.map(({ mac }) => mac)).size).toBe(7);
  });

  it("lists the DNS records to create: seven names and who may send mail", () => {
    expect(plan.dnsRecords).toEqual([
      ...["nginz-https", "nginz-ssl", "webapp", "assets", "account", "teams", "sftd"].map((name) => ({
        name: `${name}.wire.example.com`,
        type: "A",
        value: "203.0.113.10",
      })),
      { name: "wire.example.com", type: "TXT", value: "v=spf1 ip4:203.0.113.10 -all" },
    ]);
  });

  it("lists the public ports and where they go", () => {
    const kubenodes = "192.168.122.21, 192.168.122.22, 192.168.122.23";
    expect(plan.publicPorts).toEqual([
      { protocol: "tcp", ports: "80", target: `${kubenodes} port 31772` },
      { protocol: "tcp", ports: "443", target: `${kubenodes} port 31773` },
      { protocol: "tcp", ports: "3478", target: "192.168.122.23" },
      { protocol: "udp", ports: "3478", target: "192.168.122.23" },
      { protocol: "udp", ports: "32768-65535", target: "192.168.122.23" },
    ]);
  });

  it("has the host's address in the network and the pool's folder", () => {
    expect(plan.gateway).toBe("192.168.122.1");
    expect(plan.poolPath).toBe("/var/lib/libvirt/images/wirebox");
  });
});

describe("the plan of another configuration", () => {
  it("gives machines of another network other MAC addresses", () => {
    const macs = (name: string) =>
      planDeployment(
        stagingConfiguration((values) => {
          values.network.name = name;
        }),
      ).machines.map(({ mac }) => mac);
    expect(macs("wirebox")).toEqual(macs("wirebox"));
    expect(new Set([...macs("wirebox"), ...macs("other")]).size).toBe(14);
  });

  it("opens no port and names no service for calling where that is off", () => {
    const plan = planDeployment(
      stagingConfiguration((values) => {
        values.calling = { enabled: false };
      }),
    );
    expect(plan.callingNode).toBeUndefined();
    expect(plan.publicPorts.map(({ protocol, ports }) => `${ports}/${protocol}`)).toEqual([
      "80/tcp",
      "443/tcp",
    ]);
    expect(plan.dnsRecords.map(({ name }) => name)).not.toContain("sftd.wire.example.com");
    expect(plan.dnsRecords).toHaveLength(7);
  });

  it("has calling on the last kubenode, unless another is named", () => {
    expect(planDeployment(stagingConfiguration()).callingNode?.name).toBe("kubenode3");
    const named = stagingConfiguration((values) => {
      values.calling = { node: "kubenode1" };
    });
    const plan = planDeployment(named);
    expect(plan.callingNode?.name).toBe("kubenode1");
    expect(plan.publicPorts.at(-1)?.target).toBe("192.168.122.21");
  });

  it("sends nothing of clients to a kubenode that retires", () => {
    const plan = planDeployment(
      stagingConfiguration((values) => {
        for (const index of [2, 3]) values.machines[index].retiring = true;
      }),
    );
    expect(plan.kubenodes).toHaveLength(3);
    expect(plan.callingNode?.name).toBe("kubenode1");
    expect(plan.publicPorts[0]?.target).toBe("192.168.122.21 port 31772");
  });

  it("counts no machine that exists already, and keeps it among the others", () => {
    const plan = planDeployment(
      stagingConfiguration((values) => {
        values.machines[4].existing = { user: "root" };
      }),
    );
    expect(plan.demand).toEqual({ machines: 6, memoryMiB: 62464 - 12288, vcpus: 25, diskBytes: 450e9 });
    expect(plan.datanodes.map(({ name }) => name)).toContain("datanode1");
  });

  it("takes the pool's folder that is configured", () => {
    const config = stagingConfiguration((values) => {
      values.host.poolPath = "/srv/vm";
    });
    expect(planDeployment(config).poolPath).toBe("/srv/vm");
  });
});
