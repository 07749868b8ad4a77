import { expect, it } from "vitest";
import { networkPolicies } from "../../components/wire/network-policies";

// Who reaches whom by the policies, as Kubernetes defines them: a pod that no policy of a direction selects is open in it; one
// that some select has what any of them allows. Labels of pods are those that Wire's charts give them.

type Labels = Readonly<Record<string, string>>;
/** An address that is no pod's, or a pod of the namespace `default` or of another one. */
type Place = { readonly address: string } | { readonly pod: Labels; readonly elsewhere?: boolean };

const datanode = "192.168.122.31";
const gateway = "192.168.122.10";
const policies = Object.values(networkPolicies({ datanodes: [datanode, "192.168.122.32"], gateway }));

const has = (labels: Labels, selector: any): boolean =>
  Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
  (selector.matchExpressions ?? []).every(({ key, operator, values }: any) => {
    if (operator !== "NotIn") throw new Error(`this test knows no ${operator}`);
    return !values.includes(labels[key]);
  });

const number = (address: string) => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
const within = (address: string, cidr: string) => {
  const [base = "", length] = cidr.split("/");
  const size = 2 ** (32 - Number(length));
  return Math.floor(number(address) / size) === Math.floor(number(base) / size);
};

function isPeer(place: Place, { ipBlock, podSelector, namespaceSelector }: any): boolean {
  if (ipBlock)
    return (
      "address" in place &&
      within(place.address, ipBlock.cidr) &&
      !(ipBlock.except ?? []).some((cidr: string) => within(place.address, cidr))
    );
  return "pod" in place && (!!namespaceSelector || !place.elsewhere) && has(place.pod, podSelector ?? {});
}

/** Whether policies of a direction let one end speak to the other. */
function allows(direction: "Ingress" | "Egress", own: Place, other: Place, port: number): boolean {
  if (!("pod" in own) || own.elsewhere) return true;
  const selecting = policies.filter(
    (each: any) => each.policyTypes.includes(direction) && has(own.pod, each.podSelector),
  );
  const rules = selecting.flatMap((each: any) => (direction === "Ingress" ? each.ingress : each.egress));
  return (
    selecting.length === 0 ||
    rules.some((rule: any) => {
      const peers = direction === "Ingress" ? rule.from : rule.to;
      return (
        (!peers || peers.some((peer: any) => isPeer(other, peer))) &&
        (!rule.ports || rule.ports.some((each: any) => each.port === port && each.protocol === "TCP"))
      );
    })
  );
}

const reaches = (from: Place, to: Place, port: number) =>
  allows("Egress", from, to, port) && allows("Ingress", to, from, port);

const wire = (app: string): Place => ({ pod: { app, release: "wire-server" } });
const other = (app: string): Place => ({ pod: { app } });
const ingress: Place = { pod: { "app.kubernetes.io/name": "ingress-nginx" } };
const redis: Place = { pod: { "app.kubernetes.io/instance": "databases-ephemeral" } };
const dns: Place = { pod: { "k8s-app": "kube-dns" }, elsewhere: true };
const manager: Place = { pod: { "app.kubernetes.io/instance": "postgresql-external" } };
const stranger: Place = { pod: { app: "whatever" } };
const foreigner: Place = { pod: { app: "whatever" }, elsewhere: true };
const data: Place = { address: datanode };
const api: Place = { address: "192.168.122.21" };
const internet: Place = { address: "198.51.100.7" };

const services = ["brig", "cannon", "cargohold", "galley", "gundeck", "spar", "background-worker"];
const jobs = [
  ...["cassandra-migrations", "galley-migrate-data", "gundeck-migrate-data", "spar-migrate-data"],
  ...["elasticsearch-index-create", "elasticsearch-index-migrate-data"],
];

it.each([...services, ...jobs])("%s reaches the data services", (app) => {
  for (const port of [9042, 9200, 5432, 5671, 5672, 15671, 15672, 9000])
    expect(reaches(wire(app), data, port), `${port}`).toBe(true);
});

it("Wire's services find one another, names, Redis, Amazon's stand-ins, mail and the internet", () => {
  const needed: [Place, Place, number][] = [
    ...services.flatMap((app): [Place, Place, number][] => [
      [wire("nginz"), wire(app), 8080],
      [wire(app), wire("brig"), 8080],
      [wire(app), dns, 53],
      [wire(app), internet, 443],
    ]),
    [wire("gundeck"), redis, 6379],
    [wire("gundeck"), wire("cannon"), 8080],
    [wire("gundeck"), other("fake-aws-sns"), 4575],
    [wire("brig"), other("fake-aws-sqs"), 4568],
    [wire("brig"), other("smtp"), 25],
    [wire("galley"), wire("federator"), 8080],
    [wire("federator"), wire("brig"), 8080],
    [wire("federator"), internet, 443],
    [ingress, wire("nginz"), 8080],
    [ingress, wire("nginz"), 8081],
    [internet, wire("nginz"), 8080],
    [ingress, wire("federator"), 8081],
    ...["webapp", "account-pages", "team-settings"].map((app): [Place, Place, number] => [
      ingress,
      other(app),
      8080,
    ]),
    // Assets; what runs in the node's own network has its address.
    [ingress, data, 9000],
    [ingress, api, 8585],
    [manager, data, 5432],
    [manager, api, 6443],
    [other("reaper"), api, 6443],
    [{ address: gateway }, wire("brig"), 8080],
    [other("smtp"), internet, 25],
  ];
  for (const [from, to, port] of needed)
    expect(reaches(from, to, port), JSON.stringify([from, to, port])).toBe(true);
});

it("nobody else reaches what asks for no password", () => {
  const others = [
    ingress,
    manager,
    stranger,
    wire("nginz"),
    wire("federator"),
    wire("proxy"),
    other("webapp"),
  ];
  // Cassandra and its ring, its JMX, Elasticsearch and its transport, SSH, repmgr's guard.
  for (const port of [9042, 7000, 7199, 9200, 9300, 22, 5434])
    for (const from of others) expect(reaches(from, data, port), JSON.stringify([from, port])).toBe(false);
  for (const port of [7000, 7199, 9300, 22]) expect(reaches(wire("brig"), data, port)).toBe(false);
  for (const from of [...others, foreigner, wire("brig"), internet])
    expect(reaches(from, redis, 6379), JSON.stringify(from)).toBe(false);
});

it("nobody else speaks to the backend's own interfaces", () => {
  for (const from of [ingress, stranger, foreigner, internet, other("webapp")])
    for (const to of [...services, "federator"])
      expect(reaches(from, wire(to), 8080), JSON.stringify([from, to])).toBe(false);
});

it("without a mesh no address outside speaks to the backend, and a gateway on a datanode keeps its ports", () => {
  const specs = (args: Parameters<typeof networkPolicies>[0]) => JSON.stringify(networkPolicies(args));
  expect(specs({ datanodes: [datanode] })).not.toContain(gateway);
  expect(networkPolicies({ datanodes: [datanode], gateway: datanode })["wire-outgoing"]).toMatchObject({
    egress: [{ to: [{ ipBlock: { except: [] } }, {}] }, {}],
  });
});
