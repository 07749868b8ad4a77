import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { isServer } from "../checks/dns";
import { inspect } from "../checks/inspect";
import { type Inspection, renderPage } from "../checks/page";
import { withReach } from "../checks/reach";
import { Report } from "../checks/report";
import { redactor } from "../checks/secret";
import { quote } from "../components/config/quote";
import { runMain } from "../toolchain/commands";
import { stackRecord } from "./stack-record";

const usage = `usage: npm run verify -- [--stack staging] [--json] [--html FILE] [--server ADDRESS] [--from USER@ADDRESS]

Looks at a whole deployment, all sides at once, and changes nothing: one line a check. Ends with 1 where one fails.

  --json     prints all of it as JSON, for programs
  --html     writes a page about it
  --server   address of the DNS server that is asked, with a port if it is not 53
  --from     a machine outside (SSH by your own keys, with Python 3 and OpenSSL), which tries ports and names, too`;

/** `npm run verify`: how a deployment is, from the workstation. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "staging" },
      json: { type: "boolean", default: false },
      html: { type: "string" },
      server: { type: "string" },
      from: { type: "string" },
    },
  });
  const { stack, json, html, server, from } = values;
  if (server !== undefined && !isServer(server))
    throw new Error(`--server ${quote(server)} is not the address of a DNS server`);
  const begun = new Date();
  const record = await stackRecord(stack);
  const redact = redactor(record.deployment);
  // With --json standard output is for programs alone.
  const print = (line: string) => (json ? console.error : console.log)(redact(line));
  const report = new Report(print);
  await withReach(record, (reach) =>
    inspect(report, record, reach, { server, ...(from && { from: reach.other(from) }) }),
  );
  const code = report.conclude();
  const inspection: Inspection = {
    stack,
    at: begun.toISOString(),
    seconds: (Date.now() - begun.getTime()) / 1000,
    checks: report.entries.map((entry) => ({
      ...entry,
      name: redact(entry.name),
      text: redact(entry.text),
    })),
  };
  if (json) console.log(JSON.stringify(inspection, null, 2));
  if (html) writeFileSync(html, renderPage(inspection));
  return code;
}

runMain(main, usage);
