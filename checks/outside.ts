import type { StackOutputs } from "../components/deployment/outputs";
import { checkRecords } from "./dns";
import { checkDays } from "./machines";
import type { Report } from "./report";

type Failed = { readonly error: string };
type Lent =
  | Failed
  | { readonly refused: number; readonly text: string }
  | { readonly address: string; readonly port: number };

/** What programs/outside.py gives. */
export interface OutsideFacts {
  readonly names: Readonly<
    Record<
      string,
      | Failed
      | {
          /** Of HTTP. */
          readonly status: number;
          readonly days: number;
          readonly issuer: string;
          /** Whether the certificate is for that name. */
          readonly named: boolean;
        }
    >
  >;
  /** TCP ports, and whether they take connections. */
  readonly ports: Readonly<Record<string, boolean>>;
  /** By protocol, what came of a login to the relay. */
  readonly relay: Readonly<Record<string, Lent>>;
  /** What came of one with another secret. */
  readonly stranger: Lent | null;
}

/** Ports of what is behind the firewall: Kubernetes, etcd, the ingress's NodePorts, and the data services. */
export const closedPorts = [2379, 5432, 5672, 6443, 9000, 9042, 9200, 10250, 15672, 31772, 31773] as const;

/** Judges what a client sees. */
export async function checkOutside(
  report: Report,
  facts: OutsideFacts,
  publicAddress: string,
): Promise<void> {
  for (const [name, found] of Object.entries(facts.names))
    await report.check(`https://${name}`, () => {
      if ("error" in found) throw new Error(`${found.error}: docs/troubleshooting.md, "Wire's releases"`);
      if (!found.named) throw new Error(`is shown a certificate that is not for it, by ${found.issuer}`);
      if (found.status === 0 || found.status >= 500)
        throw new Error(`answers ${found.status}: kubectl get pods --all-namespaces`);
      return `answers ${found.status}; certificate: ${checkDays([found], () => "it")}`;
    });
  for (const [protocol, lent] of Object.entries(facts.relay))
    await report.check(`relay, ${protocol}`, () => {
      if ("error" in lent) throw new Error(`${lent.error}: kubectl get pods --selector app=coturn`);
      if ("refused" in lent) throw new Error(`refuses brig's secret: ${lent.refused} ${lent.text}`);
      if (lent.address !== publicAddress)
        throw new Error(`lends ${lent.address}, and clients reach ${publicAddress} alone`);
      return `logs in with brig's secret, and is lent ${lent.address}:${lent.port}`;
    });
  const { stranger } = facts;
  if (stranger)
    await report.check("relay, another secret", () => {
      if ("address" in stranger) throw new Error("is let in");
      if ("error" in stranger) throw new Error(stranger.error);
      return `refused with ${stranger.refused}`;
    });
}

/** Judges the ports that somebody outside reaches; from a machine behind the firewall they say nothing. */
export async function checkPorts(report: Report, { ports }: OutsideFacts): Promise<void> {
  await report.check("ports that are open", () => {
    const shut = [80, 443].filter((port) => ports[port] === false);
    if (shut.length > 0) throw new Error(`${shut.join(" and ")} take no connection`);
    return "80 and 443 take connections";
  });
  await report.check("ports that are closed", () => {
    const open = closedPorts.filter((port) => ports[port]);
    if (open.length > 0) throw new Error(`open to everybody: ${open.join(", ")}`);
    return closedPorts.join(", ");
  });
}

/** Names below these nobody can look up (RFC 6761). */
const reserved = /(^|\.)(test|example|invalid|localhost)$/;

/** Looks up every public name. @param server - Address of a DNS server. @default the system's */
export async function checkDns(
  report: Report,
  { domain, dnsRecords }: Pick<StackOutputs, "domain" | "dnsRecords">,
  server?: string,
): Promise<void> {
  if (reserved.test(domain) && !server) return report.note(`DNS has no names below ${domain} (RFC 6761)`);
  const found = await checkRecords(dnsRecords, server);
  for (const { record, state, found: values } of found)
    await report.check(`${record.type} ${record.name}`, () => {
      if (state !== "ok") throw new Error(`${state}${values && `: ${values}`}; it should be ${record.value}`);
      return record.value;
    });
}
