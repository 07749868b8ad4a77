import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { checkRecords, isServer } from "../../checks/dns";
import type { DnsRecord } from "../../components/config/plan";
import { projectDirectory } from "../../toolchain/environment";
import { type DnsServer, startDnsServer } from "../fixtures/dns-server";

let server: DnsServer;

beforeAll(async () => {
  server = await startDnsServer();
});
afterAll(() => server.close());
beforeEach(() => {
  server.records = [];
  server.refused = [];
});

const webapp: DnsRecord = { name: "webapp.wire.test", type: "A", value: "203.0.113.10" };
const mail: DnsRecord = { name: "wire.test", type: "TXT", value: "v=spf1 ip4:203.0.113.10 -all" };
const federator: DnsRecord = {
  name: "_wire-server-federator._tcp.wire.test",
  type: "SRV",
  value: "0 10 443 federator.wire.test",
};

const look = async (...records: DnsRecord[]) =>
  (await checkRecords(records, server.address)).map(({ state, found }) => [state, found]);

describe("the records of a domain", () => {
  it("are well where the server has them as they should be", async () => {
    server.records = [webapp, mail, federator];
    expect(await look(webapp, mail, federator)).toEqual([
      ["ok", ""],
      ["ok", ""],
      ["ok", ""],
    ]);
  });

  it("are missing where there is no such name, or none of that type", async () => {
    server.records = [{ ...mail, name: webapp.name }];
    expect(await look(webapp, federator)).toEqual([
      ["missing", ""],
      ["missing", ""],
    ]);
  });

  it("are wrong with another address, and with one too many", async () => {
    const other = { ...webapp, value: "203.0.113.99" };
    server.records = [other];
    expect(await look(webapp)).toEqual([["wrong", "203.0.113.99"]]);
    server.records = [webapp, other];
    const [[state, found] = []] = await look(webapp);
    expect(state).toBe("wrong");
    expect(found?.split(", ").sort()).toEqual(["203.0.113.10", "203.0.113.99"]);
  });

  it("may stand beside texts of others; another sender's policy is wrong, and none is missing", async () => {
    const verification = { ...mail, value: "site-verification=1" };
    server.records = [verification, mail];
    expect(await look(mail)).toEqual([["ok", ""]]);
    server.records = [verification, { ...mail, value: "v=spf1 -all" }];
    expect(await look(mail)).toEqual([["wrong", "v=spf1 -all"]]);
    server.records = [verification];
    expect(await look(mail)).toEqual([["missing", ""]]);
  });

  it("are not said to be missing by a server that says nothing", async () => {
    server.refused = [webapp.name];
    expect(await look(webapp)).toEqual([["unanswered", "EREFUSED"]]);
  });
});

it("takes addresses for servers, with a port or without, and no names", () => {
  expect(["192.0.2.1", "192.0.2.1:5353", "2001:db8::1"].map(isServer)).toEqual([true, true, true]);
  expect(["dns.example.com", "192.0.2.300", ""].map(isServer)).toEqual([false, false, false]);
});

describe("npm run dns:check", () => {
  const stack = `dns-check-test-${process.pid}`;
  const file = join(projectDirectory, `Pulumi.${stack}.yaml`);
  afterAll(() => rmSync(file, { force: true }));

  const check = (...args: string[]) =>
    new Promise<{ code: number | null; text: string }>((resolve) => {
      const tsx = join(projectDirectory, "node_modules/.bin/tsx");
      const child = spawn(tsx, [join(projectDirectory, "cli/dns-check.ts"), ...args]);
      let text = "";
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
      child.on("close", (code) => resolve({ code, text }));
    });
  const configure = (config: Record<string, unknown>) =>
    writeFileSync(
      file,
      stringify({
        config: Object.fromEntries(
          Object.entries(config).map(([key, value]) => [`wiab-staging:${key}`, value]),
        ),
      }),
    );

  it("asks for every name that a stack's file comes to, and ends with 1 until all are there", async () => {
    configure({
      domain: "wire.test",
      firewall: { publicAddress: "203.0.113.10" },
      calling: { enabled: false },
    });
    const names = ["nginz-https", "nginz-ssl", "webapp", "assets", "account", "teams"];
    server.records = [...names.map((name) => ({ ...webapp, name: `${name}.wire.test` })), mail];
    expect(await check("--stack", stack, "--server", server.address)).toMatchObject({ code: 0 });
    server.records = server.records.filter(({ name }) => name !== "teams.wire.test");
    const { code, text } = await check("--stack", stack, "--server", server.address);
    expect(code).toBe(1);
    expect(text).toMatch(/^teams\.wire\.test +A +203\.0\.113\.10 +missing$/m);
    expect(text.match(/ missing$/gm)).toHaveLength(1);
  });

  it("says what is wrong with the file instead, or that there is none", async () => {
    configure({ domain: "no domain", firewall: { publicAddress: "203.0.113.10" } });
    expect(await check("--stack", stack)).toMatchObject({
      code: 2,
      text: expect.stringMatching(/cannot be used:\n {2}- domain: /),
    });
    expect(await check("--stack", "there-is-none")).toMatchObject({
      code: 2,
      text: expect.stringMatching(/^error: there is no .*Pulumi\.there-is-none\.yaml; usage: /),
    });
  });
});
