import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import type { DnsRecord } from "../components/config/plan";

/** A record, and what a DNS server says of it. */
export interface RecordReport {
  readonly record: DnsRecord;
  readonly state: "ok" | "missing" | "wrong" | "unanswered";
  /** What is there instead, or why there was no answer. */
  readonly found: string;
}

/** How long a server may take, in milliseconds, and how often it is asked. */
const patience = { timeout: 5000, tries: 2 };

/** What a DNS server says when there is no such name, or none with such a record. */
const absent = ["ENOTFOUND", "ENODATA"];

/**
 * Asks for each record of a plan.
 * @param server - Address of a DNS server, with a port if it is not 53. @default the system's
 */
export function checkRecords(records: readonly DnsRecord[], server?: string): Promise<RecordReport[]> {
  const resolver = new Resolver(patience);
  if (server !== undefined) resolver.setServers([server]);
  return Promise.all(records.map((record) => checkRecord(resolver, record)));
}

async function checkRecord(resolver: Resolver, record: DnsRecord): Promise<RecordReport> {
  try {
    const values = await lookUp(resolver, record);
    // A name with one right address and one wrong is wrong for half of the clients.
    const right =
      record.type === "A" ? values.every((value) => value === record.value) : values.includes(record.value);
    if (right) return { record, state: "ok", found: "" };
    const found = record.type === "TXT" ? values.filter((value) => value.startsWith("v=spf1")) : values;
    return found.length > 0
      ? { record, state: "wrong", found: found.join(", ") }
      : { record, state: "missing", found: "" };
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    return absent.includes(code)
      ? { record, state: "missing", found: "" }
      : { record, state: "unanswered", found: code || message };
  }
}

/** The values of all records of a name and type, written as in a plan. */
async function lookUp(resolver: Resolver, { name, type }: DnsRecord): Promise<string[]> {
  switch (type) {
    case "A":
      return resolver.resolve4(name);
    case "TXT":
      return (await resolver.resolveTxt(name)).map((parts) => parts.join(""));
    case "SRV":
      return (await resolver.resolveSrv(name)).map(
        (one) => `${one.priority} ${one.weight} ${one.port} ${one.name}`,
      );
  }
}

/** Whether a text names a DNS server as {@link checkRecords} takes it. */
export const isServer = (text: string): boolean => isIP(text.replace(/:\d+$/, "")) !== 0 || isIP(text) !== 0;
