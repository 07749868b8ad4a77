import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { portsParameters } from "../../components/wickr/wickr";
import { cable, Namespace } from "../acceptance/verify/namespace";
import { ended, onHost, scriptInput } from "../fixtures/machine";

// The machine's own part of the table of ports, in network namespaces: the kernel decides, from three networks.

const networks = { admin: "198.51.100", internal: "192.0.2", foreign: "203.0.113" } as const;
type Where = keyof typeof networks;
const tried = [22, 80, 443, 3306, 8800, 9869, 9870, 9875, 9881, 9882];

let server: Namespace;
const clients = {} as Record<Where, Namespace>;

/** Programs of the machine that the script calls and that must not reach this one. */
const setting = [
  "mount -t tmpfs tmpfs /usr/local/sbin",
  "printf '#!/bin/sh\\n' >/usr/local/sbin/systemctl",
  "printf '#!/bin/sh\\necho installed' >/usr/local/sbin/dpkg-query",
  "chmod 755 /usr/local/sbin/*",
  "mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work",
  "mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc",
];
const script = (verb: "apply" | "remove", adminRanges = [`${networks.admin}.0/24`]) => {
  const plan = { adminRanges, internalRanges: [`${networks.internal}.0/24`] };
  return ended(
    onHost({ verb, network: server, setting }),
    scriptInput("components/wickr/ports.sh", portsParameters({ plan, sshPort: 22 })),
  );
};

beforeAll(async () => {
  server = new Namespace("server");
  for (const [name, prefix] of Object.entries(networks) as [Where, string][]) {
    clients[name] = new Namespace(name);
    cable(server, `to-${name}`, clients[name], "up0");
    server.run("ip", "address", "add", `${prefix}.1/24`, "dev", `to-${name}`);
    clients[name].run("ip", "address", "add", `${prefix}.2/24`, "dev", "up0");
  }
  await server.listen(tried, []);
}, 300_000);
afterAll(() => {
  for (const namespace of [server, ...Object.values(clients)]) namespace.remove();
});

/** The ports that are open from a network: what is expected is waited for, and of the rest nothing may arrive. */
async function openFrom(where: Where, expected: readonly number[]): Promise<number[]> {
  const address = `${networks[where]}.1`;
  const others = tried.filter((port) => !expected.includes(port));
  await Promise.all(others.map((port) => clients[where].knock("tcp", address, port)));
  const answered = await Promise.all(
    expected.map(async (port) =>
      "none" in (await clients[where].probe("tcp", address, port)) ? [] : [port],
    ),
  );
  const arrived = (await server.arrivals()).map(({ port }) => port);
  return [...new Set([...answered.flat(), ...arrived])].sort((a, b) => a - b);
}

describe("the ports of Wickr's machine", { timeout: 300_000 }, () => {
  it("are all open before", async () => {
    expect(await openFrom("foreign", tried)).toEqual(tried);
  });

  it.each<[Where, number[]]>([
    ["foreign", [443]],
    ["admin", [22, 443, 8800]],
    ["internal", [443, 9870, 9875, 9881]],
  ])("are those of the guide's table from the %s network", async (where, expected) => {
    expect(await script("apply")).toMatchObject({ code: 0, stderr: "" });
    expect(await openFrom(where, expected)).toEqual(expected);
  });

  it("stay as they are where whoever is logged in would be shut out", async () => {
    await clients.admin.open(`${networks.admin}.1`, 22);
    expect(await script("apply", [`${networks.foreign}.0/24`])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /would be shut out: 198\.51\.100\.2; add the network to wickr\.adminRanges/,
      ),
    });
    // The connection of the one who is logged in.
    await server.arrivals();
    expect(await openFrom("foreign", [443])).toEqual([443]);
  });

  it("are all open again after it is taken away", async () => {
    expect(await script("remove")).toMatchObject({ code: 0, stderr: "" });
    expect(await openFrom("foreign", tried)).toEqual(tried);
  });
});
