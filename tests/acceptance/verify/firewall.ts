import { existsSync, readFileSync } from "node:fs";
import { expectSame, type Report } from "../../../checks/report";
import { ingressNodePorts } from "../../../components/config/ports";
import type { LabOutputs } from "../../../lab/context";
import { uplink } from "./internet";
import type { RemoteMachine } from "./machine";
import type { Namespace, Outcome } from "./namespace";

/** Ports that nothing forwards; the machines listen on them all the same, so that a hole would show. */
const closed = { tcp: [8080], udp: [32767] } as const;

/**
 * Sends packets from a network namespace that plays the internet: what is public arrives at the right
 * machine and port, nothing else does, and the machines reach the public address but not the internet.
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a list of checks
export async function checkFirewall(
  report: Report,
  outputs: LabOutputs,
  reach: (name: string) => RemoteMachine,
  internet: Namespace,
): Promise<void> {
  const { machines, publicAddress } = outputs;
  const kubenodes = machines.filter(({ role }) => role === "kubenode");
  const calling = machines.find(({ address }) => address === outputs.callingNode);
  const datanode = machines.find(({ role }) => role === "datanode");
  // Where Wire is, its own servers have these ports: that they answer is for checkWire to see.
  const served = outputs.wire !== null;
  const relay = served
    ? []
    : ([
        ["tcp", 3478],
        ["udp", 3478],
      ] as const);
  const ends: (() => void)[] = [];
  try {
    const listen = async ({ name }: (typeof kubenodes)[number]) => {
      const web = served ? [] : [ingressNodePorts.http, ingressNodePorts.https];
      const media =
        name === calling?.name ? [...relay, ...[32768, 50000, 65535].map((port) => ["udp", port])] : [];
      const ports = [
        ...[...web, ...closed.tcp].map((port) => ["tcp", port]),
        ...media,
        ...closed.udp.map((port) => ["udp", port]),
      ];
      ends.push(await reach(name).listen(ports.map((port) => port.join(":"))));
    };
    await Promise.all([...kubenodes.map(listen), internet.listen([8443], [])]);

    for (const [port, nodePort] of served
      ? []
      : ([
          [80, ingressNodePorts.http],
          [443, ingressNodePorts.https],
        ] as const))
      await report.check(`internet → ${publicAddress}:${port}/tcp`, async () => {
        const seen = new Set<string>();
        // Every kubenode has its turn; twice as many connections show that it is not by chance.
        for (let i = 0; i < 2 * kubenodes.length; i++) {
          const answer = arrived(await internet.probe("tcp", publicAddress, port));
          expectSame(answer.port, nodePort);
          seen.add(answer.machine);
        }
        return `${expectSame([...seen].sort().join(", "), kubenodes.map(({ name }) => name).join(", "))} port ${nodePort}`;
      });
    const open = [...relay, ["udp", 32768], ["udp", 50000], ["udp", 65535]] as const;
    await report.each(calling ? open : [], (report, [protocol, port]) =>
      report.check(`internet → ${publicAddress}:${port}/${protocol}`, async () => {
        const answer = arrived(await internet.probe(protocol, publicAddress, port));
        return `${expectSame(answer.machine, calling?.name ?? "")} port ${expectSame(answer.port, port)}`;
      }),
    );
    const shut = [
      ["tcp", 8080],
      ["tcp", ingressNodePorts.http],
      ["udp", 32767],
    ] as const;
    await report.each(shut, (report, [protocol, port]) =>
      report.check(`internet → ${publicAddress}:${port}/${protocol} (closed)`, async () =>
        refused(await internet.knock(protocol, publicAddress, port)),
      ),
    );
    await report.each(kubenodes, (report, { name, address }) =>
      report.check(`internet → ${name} itself, ${address}:${ingressNodePorts.http}/tcp (closed)`, async () =>
        refused(await internet.knock("tcp", address, ingressNodePorts.http)),
      ),
    );
    const alone = kubenodes.length === 1 && filtersBridges();
    if (alone)
      report.note(
        `${kubenodes[0]?.name} → itself through ${publicAddress} is not checked: this kernel filters bridged packets (docs/troubleshooting.md)`,
      );
    const inside = [alone ? undefined : kubenodes[0], datanode].flatMap((machine) => machine ?? []);
    await report.each(inside, (report, machine) =>
      report.check(`${machine.name} → ${publicAddress}:443/tcp (hairpin)`, async () => {
        if (served) {
          const session = `openssl s_client -connect ${publicAddress}:443 -servername webapp.${outputs.domain}`;
          const subject = await reach(machine.name).run(
            `timeout 20 ${session} </dev/null 2>/dev/null | openssl x509 -noout -subject`,
          );
          return `shown a certificate, ${subject.trim()}`;
        }
        const answer: { machine: string; port: number } = JSON.parse(
          await reach(machine.name).run(
            `exec 3<>/dev/tcp/${publicAddress}/443 && printf '?' >&3 && timeout 20 cat <&3`,
          ),
        );
        return `${answer.machine} port ${expectSame(answer.port, ingressNodePorts.https)}`;
      }),
    );
    await report.each(machines, (report, { name }) =>
      report.check(`${name} → internet (closed)`, () =>
        // Bash says why on its standard error; the listener out there would be reached.
        reach(name)
          .run(`timeout 20 bash -c 'exec 3<>/dev/tcp/${uplink.internet}/8443' 2>&1 && echo arrived || true`)
          .then((answer) => {
            if (answer.includes("arrived")) throw new Error(`arrived at ${uplink.internet}:8443`);
            return answer.trim().split(": ").at(-1) ?? "";
          }),
      ),
    );
  } finally {
    for (const end of ends) end();
  }
}

/**
 * With bridged packets filtered, the kernel turns a translated packet round on the bridge, which takes
 * nothing back at the port that it came from: a machine cannot reach itself.
 */
function filtersBridges(): boolean {
  const setting = "/proc/sys/net/bridge/bridge-nf-call-iptables";
  return existsSync(setting) && readFileSync(setting, "utf8").trim() === "1";
}

function arrived(outcome: Outcome) {
  if ("none" in outcome) throw new Error(outcome.none);
  return outcome;
}

function refused(outcome: Outcome): string {
  if (!("none" in outcome)) throw new Error(`arrived at ${outcome.machine} port ${outcome.port}`);
  return `does not arrive (${outcome.none})`;
}
