import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inflateInput } from "../components/machine/script";
import type { StackRecord } from "./record";
import type { Remote } from "./remote";
import type { Report } from "./report";

/** What programs/host.sh prints, by its keys. */
export type HostFacts = Readonly<Record<string, string>>;

const program = readFileSync(join(__dirname, "programs", "host.sh"), "utf8");

/** What a host may carry of a stack. */
type Aspect = "firewall" | "hypervisor";

/** Asks what carries something of a stack. */
export async function askHost(
  { resources, outputs }: StackRecord,
  host: Remote,
  aspects: readonly Aspect[],
): Promise<HostFacts> {
  const pool = resources.find(({ type }) => type.endsWith(":Pool"))?.inputs.target?.path ?? "/";
  const domains = resources.filter(({ type }) => type.endsWith(":Domain")).map(({ inputs }) => inputs.name);
  const said = await host.root(
    ["bash", "-s", "--", aspects.join(" "), outputs.network.name, pool, ...domains],
    program,
  );
  return Object.fromEntries(said.split("\n").map((line) => line.split("\t", 2)));
}

/** How the preflight ends a run that it stops; here it stops none. */
const conclusion = "findings above); nothing was changed";

/**
 * What the preflight of the last run finds on the host now, a line each: it changes nothing, and looks at what others
 * have installed since, such as Docker's rules.
 */
export async function findingsOn(
  { resources }: Pick<StackRecord, "resources">,
  host: Remote,
): Promise<string[]> {
  const preflight = resources.find(({ name }) => name === "host-preflight-host")?.inputs.stdin;
  if (!preflight) return [];
  const said = await host
    .root(["bash", "-s", "--", "update"], inflateInput(preflight))
    .catch((error: Error) => error.message);
  return said
    .split("\n")
    .flatMap((line) => /^(?:finding \d+|gave up.*|error): (.*)$/.exec(line)?.[1] ?? [])
    .filter((line) => !line.endsWith(conclusion));
}

/** Percent of the host's disk from which on guests may soon be paused for want of room. */
const fullest = 90;

/** Judges what the host says of itself, as far as it was asked. @param findings - Of {@link findingsOn}. */
export async function checkHost(
  report: Report,
  network: string,
  facts: HostFacts,
  findings: readonly string[],
): Promise<void> {
  await report.check("preflight", () => {
    if (findings.length > 0) throw new Error(findings.join("\n"));
    return "finds nothing in the way";
  });
  if (facts.table !== undefined) await checkFirewall(report, network, facts);
  await report.check("disk", () => {
    if (Number(facts.disk) >= fullest)
      throw new Error(`${facts.disk} % full: machines are paused once it is full; make room`);
    return `${facts.disk} % full`;
  });
  if (facts.network !== undefined) await checkHypervisor(report, network, facts);
}

/** Judges what carries the firewall. */
export const checkFirewall = (report: Report, network: string, facts: HostFacts): Promise<void> =>
  report.check("firewall", () => {
    if (facts.table !== "there")
      throw new Error(`table inet ${network} is not loaded: systemctl restart wiab-firewall-${network}`);
    if (facts.firewall !== "enabled" && facts.firewall !== "no systemd")
      throw new Error(
        `wiab-firewall-${network} does not start at boot: systemctl enable wiab-firewall-${network}`,
      );
    if (facts.forwarding !== "1")
      throw new Error("packets are not forwarded: sysctl --write net.ipv4.ip_forward=1");
    return facts.firewall === "enabled"
      ? "loaded, now and at boot"
      : "loaded; systemd does not run here, and nothing loads it at a boot";
  });

async function checkHypervisor(report: Report, network: string, facts: HostFacts): Promise<void> {
  await report.check("network", () => {
    if (facts.network !== "yes yes")
      throw new Error(
        `is not active, or not at boot: virsh net-start ${network}; virsh net-autostart ${network}`,
      );
    return "active, now and at boot";
  });
  await report.check("storage pool", () => {
    if (facts.pool !== "running")
      throw new Error(`is ${facts.pool || "not there"}: virsh pool-start ${network}`);
    return "active";
  });
  for (const [key, state = ""] of Object.entries(facts).filter(([key]) => key.startsWith("domain "))) {
    const domain = key.slice("domain ".length);
    await report.check(domain, () => {
      if (state === "running enable") return "runs, now and at boot";
      if (state.startsWith("paused"))
        throw new Error(`is paused: virsh resume ${domain}, once virsh domblkerror ${domain} names no error`);
      if (state.startsWith("running")) throw new Error(`is not started at boot: virsh autostart ${domain}`);
      throw new Error(`is ${state.trim() || "not there"}: npm run pulumi -- up --refresh`);
    });
  }
}
