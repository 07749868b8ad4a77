import { afterAll, beforeAll, expect, it } from "vitest";
import { directoryOf, installationParameters } from "../../components/artifact/installation/installation";
import { findBinary } from "../../components/artifact/plan";
import { Cluster } from "../fixtures/cluster";

// The programs of a service come out of the lab's bundle, and nothing of it runs.

const script = "components/artifact/installation/install.sh";
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start(["datanode1"]);
});
afterAll(() => cluster?.stop());

it("installs packages and unpacks archives, once, and starts nothing", async () => {
  const files = ["elasticsearch", "cassandra", "mc"].map((name) => {
    const file = findBinary(cluster.artifact, name);
    if (!file) throw new Error(`the lab's bundle has no ${name}`);
    return file;
  });
  const plan = { service: "example", packages: ["unzip", "rabbitmq-server"], units: ["rabbitmq-*"], files };
  const parameters = installationParameters(plan, cluster.assets);
  const node = cluster.machine("datanode1");
  expect(await cluster.script("datanode1", script, parameters)).toEqual({
    code: 0,
    stdout: "the programs of example are on datanode1\n",
    stderr: "",
  });
  const directories = files.map((file) => directoryOf("example", file));
  expect(await node.run(`cd ${directories[0]}; echo */bin/elasticsearch`)).toMatch(/^elasticsearch-6/);
  expect(await node.run(`test -x ${directories[2]}/mc; test -x /usr/sbin/rabbitmqctl`)).toBe("");
  expect(await node.run("pgrep --count beam || true")).toBe("0");
  const stamp = `stat --format '%n %Z' ${directories.join(" ")}`;
  const before = await node.run(stamp);
  expect((await cluster.script("datanode1", script, parameters)).code).toBe(0);
  expect(await node.run(stamp)).toBe(before);
});
