import { afterAll, beforeAll, expect, it } from "vitest";
import { clientsOf } from "../../checks/clients";
import { Remote } from "../../checks/remote";
import { type DnsServer, startDnsServer } from "../fixtures/dns-server";

let dns: DnsServer;
beforeAll(async () => {
  dns = await startDnsServer();
});
afterAll(() => dns.close());

const login = { username: "wire", password: "not-to-be-said" };

/** What a stack without TLS puts out of its data services, each at a port that nobody listens to. */
const dataServices = {
  cassandra: { replicationFactor: 3 },
  elasticsearch: { port: 1 },
  minio: { port: 1, buckets: { assets: "assets" }, cargohold: { accessKey: "a", secretKey: login.password } },
  postgresql: { ...login, port: 1, database: "wire-server" },
  rabbitmq: { ...login, port: 1 },
};

const kubelet = "clusterDNS: [127.0.0.1]\nclusterDomain: cluster.local\n";

it("tries every service of a stack without TLS, and says of each what is wrong", async () => {
  const { services, ...rest } = clientsOf({
    outputs: { dataServices } as never,
    resources: [
      { name: "kubernetes-member-a", inputs: { environment: { KUBELET_CONFIG: kubelet } } },
    ] as never,
  }) as { services: Record<string, { service: string; readers?: string }> };
  const names = Object.values(services).flatMap(({ service, readers }) => [
    service,
    ...(readers ? [readers] : []),
  ]);
  // Nobody listens there, whatever this machine serves at 127.0.0.1.
  const addresses = ["127.200.0.1", "127.200.0.2", "127.200.0.3"];
  dns.records = names.flatMap((name) =>
    addresses.map((value) => ({ name: `${name}.default.svc.cluster.local`, type: "A" as const, value })),
  );
  const [, port] = dns.address.split(":");
  const told = await new Remote("this machine", []).lookAsUser<
    Record<string, { well: boolean; text: string }>
  >("clients.py", { ...rest, services, dns: ["127.0.0.1", Number(port)] });
  expect(Object.keys(told).sort()).toEqual(Object.keys(services).sort());
  for (const [service, { well, text }] of Object.entries(told)) {
    expect(well, service).toBe(false);
    expect(text, service).toMatch(/(^| at 127\.200\.0\.1: .*)refused/);
    expect(text, service).not.toContain(login.password);
  }
});
