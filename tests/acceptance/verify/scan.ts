import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Report } from "../../../checks/report";
import { machineServices } from "../../../components/host/firewall/host-services";
import type { LabOutputs } from "../../../lab/context";
import { run } from "../../../toolchain/commands";
import type { RemoteMachine } from "./machine";
import { type Namespace, question } from "./namespace";

/** What a scan should find of an address; ports as `tcp/443`. */
export interface Expected {
  /** What has to answer. */
  readonly answers: readonly string[];
  /** What may, or may not. @default nothing */
  readonly may?: (port: string) => boolean;
}

const program = readFileSync(join(__dirname, "guest", "scan.py"), "utf8");

/** Those of UDP that are asked for, by port: there nothing answers but what understands the question. */
function datagrams(name: string): string[] {
  const questions: Readonly<Record<number, Buffer>> = {
    53: question(name),
    // A client's packet of NTP 4 (RFC 5905), and STUN's question for one's own address (RFC 8489).
    123: Buffer.from([0x23, ...Array(47).fill(0)]),
    3478: Buffer.from("000100002112a442776961622d7363616e210000", "hex"),
  };
  return [53, 67, 68, 69, 111, 123, 137, 161, 500, 1900, 3478, 4500, 5353, 51820].map(
    (port) => `udp:${port}:${(questions[port] ?? Buffer.from("?")).toString("base64")}`,
  );
}

/** Arguments of scan.py for every TCP port of an address, and those of UDP; `name` is what a name server is asked for. */
export const everyPort = (address: string, name: string): string[] => [
  address,
  "tcp:1-65535",
  ...datagrams(name),
];

/** What machines should find of the host: what is listed, without what takes a way out. */
export const expectedOfHost: Expected = {
  answers: machineServices
    .filter(({ outside, silent }) => !outside && !silent)
    .map(({ protocol, port }) => `${protocol}/${port}`),
};

/**
 * What should be found at the public address: what is forwarded, where something is there that answers.
 * @param own - Whether the host itself may answer at a port, and not a machine.
 */
export function expectedInPublic(
  { publicPorts, wire }: Pick<LabOutputs, "publicPorts" | "wire">,
  own: (port: string) => boolean,
): Expected {
  const forwarded = (port: string) =>
    publicPorts.some(({ protocol, ports }) => {
      const [first = 0, last = first] = ports.split("-").map(Number);
      const [asked, number] = port.split("/");
      return asked === protocol && Number(number) >= first && Number(number) <= last;
    });
  return {
    answers: wire ? ["tcp/80", "tcp/443", "tcp/3478", "udp/3478"].filter(forwarded) : [],
    may: (port) => forwarded(port) || own(port),
  };
}

/** Compares what scan.py has printed with what it should have. @throws Error naming each port that differs. */
export function compareScan(printed: string, { answers, may = () => false }: Expected): string {
  const found = printed.split("\n").flatMap((line) => line.split(" ")[1] ?? []);
  const wrong = [
    ...found
      .filter((port) => !answers.includes(port) && !may(port))
      .map((port) => `${port} answers and is on no list`),
    ...answers
      .filter((port) => !found.includes(port))
      .map((port) => `${port} is on the list and does not answer`),
  ];
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  return found.length === 0 ? "nothing answers" : `${found.sort().join(", ")} and nothing else`;
}

/** A command line that runs scan.py, given by standard input, in the network of a pod of the machine that runs it. */
const inPod = `for container in $(sudo crictl ps --quiet); do
  pid=$(sudo crictl inspect --output go-template --template '{{.info.pid}}' "$container")
  [ "$(sudo readlink "/proc/$pid/ns/net")" = "$(readlink /proc/self/ns/net)" ] || break
  pid=
done
[ -n "$pid" ] || { echo "no pod with a network of its own runs here" >&2; exit 1; }
as=(sudo nsenter --net --target "$pid")
`;

/** Asks every port of the host from a machine and a pod, and from the internet that is played those of the public address. */
export async function checkScans(
  report: Report,
  outputs: LabOutputs,
  reach: (name: string) => RemoteMachine,
  internet: Namespace,
): Promise<void> {
  const { machines, network, publicAddress, kubeconfig } = outputs;
  const named = (role: string) => machines.filter((machine) => machine.role === role);
  const [datanode] = named("datanode");
  const [kubenode, another] = named("kubenode");
  const known = machines[0]?.name ?? "";
  const on = (name: string, before: string) => (args: readonly string[]) =>
    reach(name).run(
      `as=()\n${before}echo ${Buffer.from(program).toString("base64")} | base64 -d | "\${as[@]}" python3 - ${args.join(" ")}`,
    );
  const outside = async (args: readonly string[]) => {
    const { code, stdout, stderr } = await internet.pipe(program, "python3", "-", ...args);
    if (code !== 0) throw new Error(`scan.py ended with ${code}: ${stderr.trim()}`);
    return stdout;
  };
  const listening = (await run("ss", ["--no-header", "--listening", "--tcp", "--udp", "--numeric"]))
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .map(([protocol, , , , local = ""]) => `${protocol}/${local.slice(local.lastIndexOf(":") + 1)}`);
  const hosts = expectedInPublic(outputs, (port) => listening.includes(port));
  const machinesOwn = expectedInPublic(outputs, (port) =>
    machineServices.some(({ protocol, port: number }) => port === `${protocol}/${number}`),
  );
  const elsewhere = (address: string) => [address, `udp:53:${question("example.com").toString("base64")}`];

  // One after another: each asks for all there are, and a busy machine answers late.
  for (const [from, scan, hairpin] of [
    ...(datanode ? [[datanode.name, on(datanode.name, ""), true] as const] : []),
    // A machine that is the only one behind the public address may not reach itself (docs/troubleshooting.md).
    ...(kubenode && kubeconfig
      ? [[`a pod on ${kubenode.name}`, on(kubenode.name, inPod), another !== undefined] as const]
      : []),
  ]) {
    // The host has an address of the machines' network where it makes them.
    const { gateway } = network;
    if (gateway) {
      await report.check(`${from} → the host, every port`, async () =>
        compareScan(await scan(everyPort(gateway, known)), expectedOfHost),
      );
      await report.check(`${from} → the host, a name elsewhere`, async () =>
        compareScan(await scan(elsewhere(gateway)), { answers: [] }),
      );
    }
    if (hairpin)
      await report.check(`${from} → ${publicAddress}, every port`, async () =>
        compareScan(await scan(everyPort(publicAddress, known)), machinesOwn),
      );
  }
  report.note("the lab's host is not hardened: what it serves itself is not compared, from the internet");
  await report.check(`internet → ${publicAddress}, every port`, async () =>
    compareScan(await outside(everyPort(publicAddress, known)), hosts),
  );
  for (const { name, address } of [datanode, kubenode].flatMap((machine) => machine ?? []))
    await report.check(`internet → ${name}, every port`, async () =>
      compareScan(await outside(everyPort(address, known)), { answers: [] }),
    );
}
