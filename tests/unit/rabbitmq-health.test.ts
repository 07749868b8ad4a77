import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

// The health of a cluster as its brokers tell it; what they tell is given, for it takes minutes to come about.

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wiab-health-"));
  const health = readFileSync("components/data-services/rabbitmq/health.py", "utf8");
  writeFileSync(join(folder, "health.py"), health);
  writeFileSync(join(folder, "amqp.py"), "Channel = Closed = OSError\n");
  writeFileSync(join(folder, "brokers.py"), brokers);
});
afterAll(() => rmSync(folder, { recursive: true }));

const brokers = `
import json, sys
TOLD = json.load(sys.stdin)
STAYING = NODES = list(TOLD["lost"])
SELF, SETTINGS = STAYING[0], {"retiring": []}
class Trouble(Exception): pass
encryption = None
def members(viewer): return {name: name not in TOLD["lost"][viewer] for name in STAYING}
def divided(viewer): return iter(TOLD["lost"][viewer])
def ask(viewer, path): return {"status": "ok"}
`;

/** What is wrong where each broker has lost sight of some. */
const wrong = (lost: Readonly<Record<string, readonly string[]>>) =>
  spawnSync("python3", [join(folder, "health.py")], { input: JSON.stringify({ lost }), encoding: "utf8" })
    .stderr;

it("names the broker that a machine which stood still has cut off, and the command that brings it back", () => {
  const said = wrong({ a: [], b: ["a", "c"], c: ["b"] });
  expect(said).toContain("b and a, c have lost sight of each other");
  expect(said).toContain("on b, systemctl restart rabbitmq-server");
});

it("tells nobody to restart one of the larger side", () => {
  expect(wrong({ a: ["b"], b: [], c: ["b"] })).toBe("a sees b as a member whose broker does not run\n");
});

it("counts no broker that leaves among those of a side", () => {
  expect(wrong({ a: ["b", "leaving"], b: [], c: [] })).toBe(
    "a sees b as a member whose broker does not run\n",
  );
});
