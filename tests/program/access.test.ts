import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { methodFor } from "../fixtures/hba";
import { labValues, type Values } from "../stacks";
import { type Run, runProgram } from "./program";

// Who talks to whom: for every client of a data service in the values of Wire's releases, the service's own rules let it
// in, and nobody else. Both sides are those of one run of the program; pods arrive with their machines' addresses.

const services = ["cassandra", "elasticsearch", "minio", "postgresql", "rabbitmq"] as const;
type Service = (typeof services)[number];

/** Ports that Wire's charts have by themselves. */
const chartPorts = { cassandra: 9042, elasticsearch: 9200, postgresql: 5432, rabbitmq: 5672, minio: 9000 };
const chartAdminPort = 15672;

/** Ports that machines of the cluster may reach although no value names them. */
const unnamed: Readonly<Record<number, string>> = {
  9187: "metrics of PostgreSQL, for a Prometheus in the cluster",
};

interface Client {
  readonly name: string;
  readonly service: Service;
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  /** Of PostgreSQL, the virtual host of RabbitMQ, the bucket of MinIO. */
  readonly database?: string;
}

/** The clients that the values of wire-server and postgresql-external make. */
function clientsIn(server: Values, manager: Values): Client[] {
  const broker = (name: string, section: Values, settings: Values, port: number): Client => ({
    ...{ name, service: "rabbitmq", port, database: settings.vHost ?? "/" },
    user: section.secrets.rabbitmq.username,
    password: section.secrets.rabbitmq.password,
  });
  const ofSection = ([name, section]: [string, Values]): Client[] => {
    const config: Values = { ...section, ...section.config };
    const external = Object.values(config).flatMap((settings: Values): Client[] => {
      const service = /^([a-z]+)-external(-rw)?$/.exec(settings?.host ?? "")?.[1] as Service | undefined;
      if (!service) return [];
      const port = Number(settings.port ?? chartPorts[service]);
      if (service === "rabbitmq")
        return [
          broker(name, section, settings, port),
          ...(name === "background-worker"
            ? [broker(`${name} (admin)`, section, settings, Number(settings.adminPort ?? chartAdminPort))]
            : []),
        ];
      const login = { user: settings.user, password: section.secrets?.pgPassword, database: settings.dbname };
      return [{ ...{ name, service, port }, ...(service === "postgresql" && login) }];
    });
    const s3 = config.aws?.s3Endpoint && new URL(config.aws.s3Endpoint);
    return [
      ...external,
      ...(s3
        ? [
            {
              ...{ name, service: "minio" as const, port: Number(s3.port), database: config.aws.s3Bucket },
              ...{ user: section.secrets.awsKeyId, password: section.secrets.awsSecretKey },
            },
          ]
        : []),
    ];
  };
  return [
    ...Object.entries(server)
      .filter(([, section]) => typeof section === "object")
      .flatMap(ofSection),
    {
      ...{ name: "endpoint manager", service: "postgresql", port: chartPorts.postgresql },
      ...{ user: "repmgr", database: "repmgr", password: manager.cronJob.env.PGPASSWORD },
    },
  ];
}

const machines = {
  assethost: "192.168.230.10",
  kubenodes: ["192.168.230.21", "192.168.230.22", "192.168.230.23"],
  datanodes: ["192.168.230.31", "192.168.230.32", "192.168.230.33"],
};
const datanodes = ["datanode1", "datanode2", "datanode3"];

const inputsOf = ({ resources }: Run, name: string): Values => {
  const found = resources.find((each) => each.name === name);
  if (!found) throw new Error(`there is no resource ${name}`);
  return found.inputs;
};

/** Runs commands where a script's parameters and functions are known. */
function inScript(run: Run, name: string, commands: (script: string) => string): string {
  const { stdin } = inputsOf(run, name);
  const script = stdin.slice(0, stdin.indexOf('\n"$1" </dev/null'));
  return execFileSync("bash", ["-s"], { input: `${script}\n${commands(script)}\n}\n`, encoding: "utf8" });
}
const parameter = (run: Run, name: string, variable: string) =>
  inScript(run, name, () => `printf %s "$${variable}"`);

/** What the guests' program gets by standard input. */
const specification = (run: Run, name: string): Values => JSON.parse(inputsOf(run, name).stdin);

/** Ports of RabbitMQ with the addresses that are let at them, as its program does (guest/rabbitmq/broker.go). */
function admittedToRabbitmq(run: Run, node: string): [ports: string, addresses: string][] {
  const { settings } = specification(run, `rabbitmq-${node}`);
  const nodes = settings.nodes.map(({ address }: Values) => address);
  return [
    [`${settings.amqp} ${settings.management}`, [...nodes, ...settings.clients].join(" ")],
    [settings.clusterPorts.join(" "), nodes.join(" ")],
  ];
}

/** Which addresses a node's own firewall lets at which ports, from the lines that set it up. */
function admitted(run: Run, service: Service, node: string): Map<number, string[]> {
  const rules = service === "rabbitmq" ? admittedToRabbitmq(run, node) : admittedByScript(run, service, node);
  return new Map(
    rules.flatMap(([ports, addresses]) =>
      ports.split(" ").flatMap((range) => {
        const [first = Number.NaN, last = first] = range.split("-").map(Number);
        return Array.from({ length: last - first + 1 }, (_, at): [number, string[]] => [
          first + at,
          addresses.split(" ").sort(),
        ]);
      }),
    ),
  );
}

function admittedByScript(run: Run, service: Service, node: string): [ports: string, addresses: string][] {
  const text = inScript(run, `${service}-${node}`, (script) =>
    [
      'admit() { printf "%s|%s\\n" "$2" "$3"; }',
      ...script.split("\n").filter((line) => /^ +(admit |set -- \$PORTS$)/.test(line)),
    ].join("\n"),
  );
  return text
    .trim()
    .split("\n")
    .map((rule) => {
      const [ports = "", addresses = ""] = rule.split("|");
      return [ports, addresses];
    });
}

describe.each([
  ["without TLS", false],
  ["by TLS", true],
])("the data services, %s", (_, tls) => {
  let run: Run;
  let clients: Client[];
  const of = (service: Service) => clients.filter((client) => client.service === service);

  beforeAll(async () => {
    const values = labValues("full");
    run = await runProgram("lab", { ...values, dataServices: { ...values.dataServices, tls } });
    const valuesOf = (release: string) => inputsOf(run, `wire-${release}`).values;
    clients = clientsIn(valuesOf("wire-server"), valuesOf("postgresql-external"));
  });

  it("have these clients", () => {
    const names = (service: Service) => of(service).map(({ name }) => name);
    const backend = ["brig", "galley", "gundeck", "cannon", "background-worker"];
    expect(names("cassandra")).toEqual(
      expect.arrayContaining([...backend, "spar", "cassandra-migrations", "elasticsearch-index"]),
    );
    expect(names("elasticsearch").sort()).toEqual(["brig", "elasticsearch-index"]);
    expect(names("minio")).toEqual(["cargohold"]);
    expect(names("postgresql")).toEqual(
      // background-worker reads galley's configuration.
      expect.arrayContaining(["brig", "galley", "endpoint manager"]),
    );
    expect(names("rabbitmq")).toEqual(expect.arrayContaining([...backend, "background-worker (admin)"]));
  });

  it("are where the names in the cluster lead", () => {
    // Where MinIO's nodes are its script says, which nobody runs here.
    for (const service of services.filter((name) => name !== "minio")) {
      const { IPs, RWIPs, ROIPs } = inputsOf(run, `wire-${service}-external`).values;
      expect((IPs ?? [...RWIPs, ...ROIPs]).sort(), service).toEqual(machines.datanodes);
    }
  });

  it.each(services)(
    "let the cluster's machines and their own at the ports of %s, and nobody else",
    (service) => {
      const everybody = [...machines.datanodes, ...machines.kubenodes].sort();
      const wanted = new Set(of(service).map(({ port }) => port));
      for (const node of datanodes) {
        const rules = admitted(run, service, node);
        expect(
          [...wanted].filter((port) => !rules.has(port)),
          `ports of ${service} that clients want`,
        ).toEqual([]);
        for (const [port, addresses] of rules)
          expect({ port, addresses }).toEqual({
            port,
            addresses: wanted.has(port) || unnamed[port] ? everybody : machines.datanodes,
          });
        expect([...rules.values()].flat()).not.toContain(machines.assethost);
      }
    },
  );

  it("let into PostgreSQL just the users of the values, each into its database", () => {
    const wanted = new Set(of("postgresql").map(({ user, database }) => `${user} ${database}`));
    const names = [
      ...new Set(["repmgr", "postgres", "wiab_monitor", ...of("postgresql").map(({ user }) => user)]),
    ];
    const bases = [
      ...new Set(["replication", "postgres", ...of("postgresql").map(({ database }) => database)]),
    ];
    for (const node of datanodes) {
      const hba = parameter(run, `postgresql-${node}`, "PG_HBA");
      const letIn = (address: string, encrypted: boolean) =>
        names.flatMap((user) =>
          bases.flatMap((database) =>
            methodFor(hba, { address, user: `${user}`, database: `${database}`, tls: encrypted }) === "reject"
              ? []
              : [`${user} ${database}`],
          ),
        );
      for (const address of machines.kubenodes) {
        expect(letIn(address, true).sort()).toEqual([...wanted].sort());
        expect(letIn(address, false).sort()).toEqual(tls ? [] : [...wanted].sort());
      }
      expect(letIn(machines.assethost, true)).toEqual([]);
    }
  });

  it("are PostgreSQL with the settings that its own library can use with the stack's certificates", () => {
    const server: Values = inputsOf(run, "wire-wire-server").values;
    const settings = Object.values(server).flatMap(
      (section) => section?.config?.postgresql ?? section?.postgresql ?? [],
    );
    expect(settings.length).toBeGreaterThan(2);
    for (const given of settings)
      expect([given.sslmode, given.channel_binding]).toEqual(
        tls ? ["require", "disable"] : [undefined, undefined],
      );
  });

  it("know the passwords of the values", () => {
    const pgpass = parameter(run, "postgresql-datanode1", "PGPASS");
    for (const { user, password, name } of of("postgresql").filter(
      ({ name }) => name !== "elasticsearch-index",
    ))
      expect(pgpass, name).toContain(`:${user}:${password}\n`);
    const { users, permissions } = JSON.parse(specification(run, "rabbitmq-datanode1").secrets.definitions);
    for (const { user, password, database, name } of of("rabbitmq")) {
      const hash = Buffer.from(users[0].password_hash, "base64");
      const expected = createHash("sha256")
        .update(hash.subarray(0, 4))
        .update(password ?? "")
        .digest();
      expect({ name, user, hash: hash.subarray(4) }).toEqual({ name, user: users[0].name, hash: expected });
      expect(permissions).toEqual([expect.objectContaining({ user, vhost: database })]);
    }
    // And knows no other.
    expect(users).toHaveLength(1);
    const minio = JSON.parse(parameter(run, "minio-datanode1", "SETTINGS"));
    for (const { user, password, database } of of("minio")) {
      expect({ accessKey: user, secretKey: password }).toEqual(minio.cargohold);
      const resources = minio.cargoholdPolicy.Statement.flatMap(({ Resource }: Values) => Resource);
      expect(resources.sort()).toEqual([`arn:aws:s3:::${database}`, `arn:aws:s3:::${database}/*`]);
      expect(minio.publicPolicy.Statement[0].Resource).not.toContain(`arn:aws:s3:::${database}/*`);
    }
  });
});
