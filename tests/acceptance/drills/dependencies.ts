import { randomBytes } from "node:crypto";
import { units } from "../faults/faults";
import { type DataServiceName, dataServices } from "../verify/data-services";
import { type Drill, type DrillGround, expectEqual } from "./ground";

/** What is taken away from Wire's services, and put back. */
interface Dependency {
  readonly name: string;
  /** What the page has to name, each as `service: dependency`. */
  readonly page: readonly string[];
  /** The data service whose own checks have to fail, too. @default none has */
  readonly service?: DataServiceName;
  /** The public name that leads straight to it, by its key among the stack's URLs. @default none does */
  readonly publicName?: string;
  readonly takeAway: (ground: DrillGround) => Promise<unknown>;
  /** Gives how it came back, in words. */
  readonly putBack: (ground: DrillGround) => Promise<string>;
}

/** Which of Wire's services use a data service, and under which name the conformance workload reports it. */
const users: Record<DataServiceName, { readonly as: string; readonly by: readonly string[] }> = {
  cassandra: {
    as: "cassandra",
    by: ["background-worker", "brig", "cannon", "galley", "gundeck", "spar"],
  },
  postgresql: { as: "postgresql", by: ["background-worker", "brig", "galley"] },
  elasticsearch: { as: "elasticsearch", by: ["brig"] },
  minio: { as: "s3", by: ["cargohold"] },
  // Cargohold has credentials for it, and uses it for federation alone.
  rabbitmq: { as: "rabbitmq", by: ["background-worker", "brig", "cannon", "galley", "gundeck"] },
};

const usersOf = (service: DataServiceName): string[] =>
  users[service].by.map((user) => `${user}: ${users[service].as}`);

const onDataNodes = ({ namesOf, reach }: DrillGround, script: string): Promise<string[]> =>
  Promise.all(namesOf("datanode").map((name) => reach(name).run(script)));

const stopped = (service: DataServiceName): Dependency => ({
  name: `${service} stopped on every data node`,
  page: usersOf(service),
  service,
  ...(service === "minio" && { publicName: "assets" }),
  takeAway: (ground) => onDataNodes(ground, `sudo systemctl stop ${units[service]}`),
  putBack: async (ground) => {
    await onDataNodes(ground, `sudo systemctl start ${units[service]}`);
    return "started again by hand";
  },
});

/** Runs a service's `ready.sh` anew, which puts what it needs in order. */
const putInOrder = async (ground: DrillGround, service: DataServiceName): Promise<string> => {
  const summary = await ground.up(undefined, "--replace", await ground.urnOf(`${service}-ready`));
  if (!/\b1 replaced\b/.test(summary)) throw new Error(`up has changed something else: ${summary}`);
  return `put in order by \`up --replace\` of ${service}-ready: ${summary}`;
};

const redis = "statefulset/databases-ephemeral-redis-ephemeral";

const dependencies: readonly Dependency[] = [
  ...dataServices.map(stopped),
  {
    name: "RabbitMQ's user has another password",
    page: usersOf("rabbitmq"),
    service: "rabbitmq",
    takeAway: ({ outputs, namesOf, reach }) =>
      reach(namesOf("datanode")[0] as string).run(
        `sudo rabbitmqctl --quiet change_password ${outputs.dataServices.rabbitmq.username} <<'END'\n${randomBytes(16).toString("hex")}\nEND\n`,
      ),
    putBack: (ground) => putInOrder(ground, "rabbitmq"),
  },
  {
    name: "the bucket of cargohold removed",
    page: usersOf("minio"),
    service: "minio",
    // MinIO keeps a bucket that has something in it, and so would the drill.
    takeAway: ({ outputs, namesOf, reach }) =>
      reach(namesOf("datanode")[0] as string).run(
        `cd /opt/wiab/minio && sudo python3 -B -c 'from store import ask; ask("DELETE", "/${outputs.dataServices.minio.buckets.assets}")'`,
      ),
    putBack: (ground) => putInOrder(ground, "minio"),
  },
  {
    name: "Redis stopped",
    page: ["gundeck: redis"],
    takeAway: async ({ kubectl }) => {
      await kubectl(`scale ${redis} --replicas 0`);
      await kubectl(`wait --for delete pod/${redis.split("/")[1]}-0 --timeout 120s`);
    },
    putBack: async ({ kubectl }) => {
      await kubectl(`scale ${redis} --replicas 1`);
      await kubectl(`rollout status ${redis} --timeout 300s`);
      return "started again by hand";
    },
  },
];

/** Takes away one dependency: page and `lab:verify` name what fails and nothing else, until it is put back. */
const takenAway = ({ name, page, service, publicName, takeAway, putBack }: Dependency): Drill => ({
  name,
  hold: async (ground) => {
    let failed: string[];
    let back = "";
    try {
      await takeAway(ground);
      await ground.pageNames(page, new Date());
      failed = await ground.verify();
      expectEqual(failed, [
        ...new Set(page.map((line) => `${line.split(":")[0]} and what it depends on`)),
        ...(service ? ground.namesOf("datanode").map((node) => `${node}: ${service}`) : []),
        ...(publicName ? [`internet → ${ground.outputs.wire.urls[publicName]}`] : []),
        `a browser opens ${ground.page.url}`,
      ]);
    } finally {
      back = await putBack(ground);
    }
    return `the page names ${page.join(", ")}, lab:verify ${failed.length} checks, and nothing else; ${back}`;
  },
});

export const dependencyDrills: readonly Drill[] = dependencies.map(takenAway);
