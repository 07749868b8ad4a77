import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

// The health of a cluster as its brokers tell it; what they tell is given, for it takes minutes to come about.

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wiab-health-"));
  for (const program of ["health.py", "rejoin.py"])
    writeFileSync(
      join(folder, program),
      readFileSync(`components/data-services/rabbitmq/${program}`, "utf8"),
    );
  writeFileSync(join(folder, "amqp.py"), "Channel = Closed = OSError\n");
  const brokers = readFileSync("components/data-services/rabbitmq/brokers.py", "utf8");
  writeFileSync(join(folder, "brokers.py"), `${brokers.replace("/etc/wiab/rabbitmq", folder)}${told}`);
  writeFileSync(join(folder, "systemctl"), `#!/bin/sh\necho "systemctl $*"\n`, { mode: 0o755 });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What each broker says of itself and of those that it sees; one without a word does not answer. */
const told = `
import sys
TOLD = json.load(sys.stdin)
reachable = lambda node, port: node in SETTINGS["stopped"]
def ask(viewer, path):
    if not path.startswith("nodes"): return {"status": "ok"}
    if TOLD[viewer] is None: raise Trouble(f"the broker on {viewer} does not answer")
    seen = [name for name in STAYING if name not in TOLD[viewer] and name not in SETTINGS["stopped"]]
    return [
        {"name": f"rabbit@{name}", "running": name in seen,
         "partitions": [f"rabbit@{other}" for other in (TOLD[name] or []) if name in seen]}
        for name in STAYING
    ]
`;

/** Whom each broker has lost sight of; null is a broker that does not answer. */
type Views = Readonly<Record<string, readonly string[] | null>>;

function run(
  program: string,
  self: string,
  views: Views,
  retiring: readonly string[] = [],
  stopped: readonly string[] = [],
) {
  const names = [...Object.keys(views), ...retiring];
  const settings = {
    node: self,
    nodes: Object.fromEntries(names.map((name) => [name, "127.0.0.1"])),
    retiring,
    // Whose broker does not run, as those that answer see it.
    stopped,
    name: "u",
    password: "p",
    amqp: 1,
    management: 1,
    tls: false,
  };
  writeFileSync(join(folder, "settings.json"), JSON.stringify(settings));
  const atOnce = `import runpy, sys, time; time.sleep = lambda seconds: None; sys.path.insert(0, "${folder}"); runpy.run_path("${join(folder, program)}")`;
  return spawnSync("python3", ["-c", atOnce], {
    input: JSON.stringify(views),
    encoding: "utf8",
    env: { PATH: `${folder}:${process.env.PATH}` },
  });
}

const wrong = (views: Views, retiring?: readonly string[]) =>
  run("health.py", Object.keys(views)[0] as string, views, retiring).stderr;

/** Which brokers start anew. */
const restarted = (views: Views, retiring?: readonly string[], stopped?: readonly string[]) =>
  Object.keys(views).filter((self) => {
    const { status, stdout, stderr } = run("rejoin.py", self, views, retiring, stopped);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout.includes("systemctl restart rabbitmq-server");
  });

describe("a broker that a machine which stood still has cut off", () => {
  const views = { a: ["b"], b: ["a", "c"], c: ["b"] };

  it("is named, with the command that brings it back if it does not come by itself", () => {
    const said = wrong(views);
    expect(said).toContain("b and a, c have lost sight of each other; b starts its broker anew");
    expect(said).toContain("on b: systemctl restart rabbitmq-server");
  });

  it("starts anew, and no other does", () => {
    expect(restarted(views)).toEqual(["b"]);
    expect(run("rejoin.py", "b", views).stdout).toContain("a, c went on without it");
  });

  it("waits while nobody knows whether the others are a majority", () => {
    expect(restarted({ a: null, b: ["a", "c"], c: null })).toEqual([]);
    expect(restarted({ a: null, b: ["a", "c"], c: ["b"] })).toEqual(["b"]);
  });
});

it("starts a broker anew that answers, and whose database has ended under it", () => {
  expect(restarted({ a: [], b: null, c: [] }, [], ["b"])).toEqual(["b"]);
  // Nobody knows, or those who do are fewer than half.
  expect(restarted({ a: null, b: null, c: null, d: [] }, [], ["b"])).toEqual([]);
});

it("lets one of two brokers that lost each other alone start anew, not the first of them", () => {
  expect(restarted({ a: ["b"], b: ["a"], c: [] })).toEqual(["b"]);
  expect(wrong({ a: ["b"], b: ["a"], c: [] })).toContain("on b: systemctl restart rabbitmq-server");
});

it("lets one of two halves start anew, broker by broker", () => {
  const halves = { a: ["c", "d"], b: ["c", "d"], c: ["a", "b"], d: ["a", "b"] };
  expect(restarted(halves)).toEqual(["d"]);
});

it("tells nobody to start anew beside one that starts", () => {
  const views = { a: ["b"], b: [], c: ["b"] };
  expect(wrong(views)).toBe("a sees b as a member whose broker does not run\n");
  expect(restarted(views)).toEqual([]);
  expect(restarted({ a: [], b: [], c: [] })).toEqual([]);
});

it("counts no broker that leaves among those of a side", () => {
  const views = { a: ["b", "leaving"], b: [], c: [] };
  expect(wrong(views, ["leaving"])).toBe("a sees b as a member whose broker does not run\n");
  expect(restarted(views, ["leaving"])).toEqual([]);
});
