import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dataServices } from "../../components/config/data-services-schema";
import { ServicesStack } from "../fixtures/services-stack";

// All five services on three machines, brought up by the real engine over SSH with the real programs. Each test goes
// on where the one before it has ended.

const minutes = 60_000;
const services = ["cassandra", "postgresql", "elasticsearch", "minio", "rabbitmq"];
const names = ["datanode1", "datanode2", "datanode3"];
const settings = dataServices.parse({});

let stack: ServicesStack;

beforeAll(async () => {
  stack = await ServicesStack.start(names);
  stack.configure({ nodes: stack.cluster.nodes(), settings });
}, 25 * minutes);
afterAll(() => stack?.stop(), 2 * minutes);

/** What the services say of themselves, by node and service; a complaint is an answer too. */
async function health(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of names)
    for (const service of services)
      found[`${name} ${service}`] = await stack.cluster
        .machine(name)
        .run(`/opt/wiab/${service}/health 2>&1 || echo "not healthy"`);
  return found;
}

/** The processes that have been running all the time since they were asked last, by node. */
const processes = () =>
  Promise.all(
    names.map((name) =>
      stack.cluster
        .machine(name)
        .run("for file in /run/units/*.service.pid; do echo $file $(cat $file); done | grep -v wiab-"),
    ),
  );

describe("the five data services on three machines", () => {
  it("come up although the engine was killed while they formed their clusters", {
    timeout: 15 * minutes,
  }, async () => {
    const first = stack.pulumi("up", "--yes", "--skip-preview");
    await expect
      .poll(() => /(cassandra|rabbitmq|postgresql)-datanode2 creating/.test(first.output()), {
        timeout: 10 * minutes,
        interval: 20,
      })
      .toBe(true);
    process.kill(stack.enginePid() as number, "SIGKILL");
    expect((await first.ended).code, "a killed run does not pretend to have succeeded").not.toBe(0);

    expect(await stack.recover()).toContain("gave back the lock of a run that is gone");
    await stack.up();
  });

  it("are healthy as each node sees them", { timeout: 5 * minutes }, async () => {
    const found = await health();
    expect(Object.keys(found)).toHaveLength(names.length * services.length);
    expect(Object.entries(found).filter(([, line]) => /not healthy/.test(line))).toEqual([]);
    expect(new Set(Object.values(found).map((line) => line.split("\n").length))).toEqual(new Set([1]));
  });

  it("are left alone by another run", { timeout: 5 * minutes }, async () => {
    const before = await processes();
    expect(before.join("\n")).toMatch(/cassandra/);
    expect(await stack.preview()).toEqual({});
    await stack.up("--expect-no-changes");
    expect(await processes()).toEqual(before);
  });

  it("keep running while a setting of one of them changes", { timeout: 10 * minutes }, async () => {
    const others = async () =>
      (await processes()).map((list) => list.split("\n").filter((line) => !/postgres|repmgr/.test(line)));
    const before = await others();
    stack.configure({
      nodes: stack.cluster.nodes(),
      settings: { ...settings, postgresql: { maxConnections: 120 } },
    });
    const changes = await stack.preview();
    expect(Object.keys(changes).filter((name) => !name.startsWith("postgresql-"))).toEqual([]);
    expect(changes).toMatchObject(Object.fromEntries(names.map((name) => [`postgresql-${name}`, "update"])));
    await stack.up();
    expect(await others()).toEqual(before);
    for (const [, line] of Object.entries(await health())) expect(line).not.toMatch(/not healthy/);
  });

  it("refuse to lose a node that has data, before anything changes", { timeout: 10 * minutes }, async () => {
    const before = await processes();
    stack.configure({ nodes: stack.cluster.nodes().slice(0, 2), settings });
    const { code, stdout, stderr } = await stack.pulumi("up", "--yes", "--skip-preview").ended;
    expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(/datanode3 is not among the machines any more/);
    expect(await processes()).toEqual(before);
    stack.configure({
      nodes: stack.cluster.nodes(),
      settings: { ...settings, postgresql: { maxConnections: 120 } },
    });
    await stack.up();
    expect(await processes()).toEqual(before);
  });
});
