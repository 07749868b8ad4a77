import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { firewallScript, scriptParameters } from "../../components/host/firewall/firewall";
import { gatewayParameters, gatewayScript } from "../../components/host/firewall/gateway";
import type { RulesetArgs } from "../../components/host/firewall/ruleset";
import { renderInput } from "../../components/machine/script";
import { cable, type Ended, Namespace } from "../acceptance/verify/namespace";

// A gateway with its uplink, and machines behind it in two networks, as network namespaces. One cable leads to the first
// network and to a neighbour who is no machine; nothing but addresses tells them apart.
const uplinkAddress = "198.51.100.1";
const internetAddress = "198.51.100.2";
const kubenode = "10.20.0.21";
const neighbour = "10.20.7.7";
const datanode = "10.30.0.31";

const ruleset: RulesetArgs = {
  name: "wirebox",
  publicAddress: uplinkAddress,
  inside: { kind: "routed", addresses: [kubenode, datanode] },
  kubenodes: [kubenode],
  callingNode: kubenode,
  privateDeployment: false,
  hardenInput: false,
};
const machines = [kubenode, datanode];

const root = mkdtempSync(join(tmpdir(), "wiab-gateway-"));
const namespaces: Namespace[] = [];
let gateway: Namespace;
let internet: Namespace;
let kube: Namespace;
let data: Namespace;
let other: Namespace;

const onGateway = (input: string, verb: string): Promise<Ended> =>
  gateway.pipe(
    input,
    "unshare",
    "--mount",
    "bash",
    "-c",
    `mount -t tmpfs tmpfs /run && exec bash -s -- ${verb}`,
  );

async function apply(rules: RulesetArgs): Promise<void> {
  const input = renderInput(firewallScript, {
    ...scriptParameters({ ruleset: rules }, root),
    STEP: "confirm",
  });
  expect(await onGateway(input, "apply")).toMatchObject({ code: 0, stderr: "" });
}

const check = (args: Parameters<typeof gatewayParameters>[0]): Promise<Ended> =>
  onGateway(renderInput(gatewayScript, gatewayParameters(args)), "apply");

beforeAll(async () => {
  const namespace = (machine: string) => {
    const made = new Namespace(machine);
    namespaces.push(made);
    return made;
  };
  gateway = namespace("gateway");
  internet = namespace("internet");
  kube = namespace("kubenode1");
  data = namespace("datanode1");
  other = namespace("neighbour");
  gateway.run("ip", "link", "add", "lan", "type", "bridge");
  gateway.run("ip", "link", "set", "lan", "up");
  const behind = (machine: Namespace, port: string, address: string, via: string) => {
    cable(gateway, port, machine, "eth0");
    machine.run("ip", "address", "add", `${address}/24`, "dev", "eth0");
    machine.run("ip", "route", "add", "default", "via", via);
  };
  behind(kube, "port0", kubenode, "10.20.0.1");
  behind(other, "port1", neighbour, "10.20.7.1");
  for (const port of ["port0", "port1"]) gateway.run("ip", "link", "set", port, "master", "lan");
  for (const address of ["10.20.0.1/24", "10.20.7.1/24"])
    gateway.run("ip", "address", "add", address, "dev", "lan");
  behind(data, "far", datanode, "10.30.0.1");
  gateway.run("ip", "address", "add", "10.30.0.1/24", "dev", "far");
  cable(gateway, "uplink", internet, "eth0");
  gateway.run("ip", "address", "add", `${uplinkAddress}/24`, "dev", "uplink");
  internet.run("ip", "address", "add", `${internetAddress}/24`, "dev", "eth0");
  internet.run("ip", "route", "add", "10.0.0.0/8", "via", uplinkAddress);
  await Promise.all(namespaces.map((each) => each.listen([22, 80, 443, 8080, 31773], [50000])));
});

afterAll(() => {
  for (const namespace of namespaces) namespace.remove();
  rmSync(root, { recursive: true });
});

beforeEach(async () => {
  await apply(ruleset);
  for (const namespace of namespaces) await namespace.arrivals();
});

it("sends what clients send to machines behind it, who see the client and reach the public address themselves", async () => {
  expect(await internet.probe("tcp", uplinkAddress, 443)).toMatchObject({
    ...{ machine: "kubenode1", port: 31773, from: internetAddress },
  });
  expect(await internet.probe("udp", uplinkAddress, 50000)).toMatchObject({ machine: "kubenode1" });
  expect(await data.probe("tcp", uplinkAddress, 443)).toMatchObject({ port: 31773, from: uplinkAddress });
});

it("lets machines of different networks reach one another with their own addresses", async () => {
  expect(await data.probe("tcp", kubenode, 8080)).toMatchObject({ machine: "kubenode1", from: datanode });
  expect(await kube.probe("tcp", datanode, 8080)).toMatchObject({ machine: "datanode1", from: kubenode });
  expect(await data.probe("tcp", internetAddress, 8080)).toMatchObject({ from: uplinkAddress });
});

it("lets nobody else in to the machines, with a machine's address from the wrong side neither", async () => {
  await internet.knock("tcp", datanode, 8080);
  await other.knock("tcp", datanode, 8080);
  internet.run("ip", "address", "add", "10.20.0.99/32", "dev", "lo");
  internet.run("ip", "route", "replace", `${datanode}/32`, "via", uplinkAddress, "src", "10.20.0.99");
  await internet.knock("udp", datanode, 50000);
  internet.run("ip", "route", "delete", `${datanode}/32`);
  // The same way, and answered: what was sent before has arrived if it could.
  expect(await kube.probe("udp", datanode, 50000)).toMatchObject({ machine: "datanode1" });
  expect((await data.arrivals()).map(({ from }) => from)).toEqual([kubenode]);
});

it("leaves alone what passes between others", async () => {
  expect(await internet.probe("tcp", neighbour, 8080)).toMatchObject({ machine: "neighbour" });
  expect(await other.probe("tcp", internetAddress, 8080)).toMatchObject({ from: neighbour });
});

it("takes the way out of a private deployment's machines, and of nobody else", async () => {
  await apply({ ...ruleset, privateDeployment: true });
  expect(await data.probe("tcp", internetAddress, 8080)).toEqual({ none: "EHOSTUNREACH" });
  expect(await other.probe("tcp", internetAddress, 8080)).toMatchObject({ machine: "internet" });
  expect(await data.probe("tcp", kubenode, 8080)).toMatchObject({ machine: "kubenode1" });
});

it("is refused with all findings before it changes", async () => {
  expect(await check({ ruleset, machines })).toMatchObject({ code: 0, stderr: "" });
  const unfit = await check({
    ruleset: { publicAddress: "203.0.113.5" },
    machines: [...machines, "192.0.2.1"],
  });
  expect(unfit.code).not.toBe(0);
  expect(unfit.stdout).toMatch(
    /finding: it has no address 203\.0\.113\.5 \(firewall\.publicAddress.*198\.51/,
  );
  expect(unfit.stdout).toMatch(/finding: it has no route to the machine 192\.0\.2\.1/);
  expect(unfit.stderr).toContain("is not ready (2 findings above); nothing was changed");
});
