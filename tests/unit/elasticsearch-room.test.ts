import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

// What becomes of indices when a disk was full, as Elasticsearch tells it; tests/services asks a real one.

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wiab-room-"));
  const settings = { node: "a", members: { a: "127.0.0.1", b: "127.0.0.2" }, leaving: {} };
  writeFileSync(join(folder, "cluster.json"), JSON.stringify(settings));
  const text = readFileSync("components/data-services/elasticsearch/cluster.py", "utf8");
  writeFileSync(join(folder, "cluster.py"), text.replace("/etc/wiab/elasticsearch", folder));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Told {
  /** Indices, and whether each takes no writes. */
  readonly blocked: Readonly<Record<string, boolean>>;
  /** Nodes, and the share of each disk that is free. */
  readonly free: Readonly<Record<string, number>>;
  /** Copies that an index of three has. @default 3 */
  readonly copies?: number;
}

/** Asks a function of cluster.py; gives what it says, and what it has Elasticsearch do. */
function ask(question: "need_writable" | "release", told: Told): string {
  const program = `
import json, sys
sys.path.insert(0, ${JSON.stringify(folder)})
import cluster
told = json.load(sys.stdin)
def ask(method, path, body=None, node=None):
    if method != "GET":
        print(method, path, json.dumps(body))
    elif path.startswith("/_cluster/health"):
        index = {"number_of_shards": 1, "number_of_replicas": 2, "active_shards": told.get("copies", 3)}
        return {"number_of_data_nodes": 3, "indices": {"directory": index}}
    elif path.startswith("/_all/_settings"):
        return {name: {"settings": {cluster.BLOCK: "true"} if blocked else {}} for name, blocked in told["blocked"].items()}
    else:
        fs = lambda free: {"total": {"total_in_bytes": 1000, "available_in_bytes": 1000 * free}}
        return {"nodes": {name: {"name": name, "fs": fs(free)} for name, free in told["free"].items()}}
cluster.ask = ask
try:
    cluster.${question}()
except cluster.Trouble as trouble:
    print(trouble)
`;
  const { stdout, stderr } = spawnSync("python3", ["-c", program], {
    input: JSON.stringify(told),
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return stdout;
}

const blocked = { directory: true, other: false };

it("has indices take writes again as soon as every disk has room", () => {
  expect(ask("release", { blocked, free: { a: 0.11, b: 0.5 } })).toBe(
    'PUT /directory/_settings {"index.blocks.read_only_allow_delete": null}\ndirectory take writes again\n',
  );
  expect(ask("release", { blocked, free: { a: 0.09, b: 0.5 } })).toBe("");
  expect(ask("release", { blocked: { directory: false }, free: { a: 0.5 } })).toBe("");
});

it("has copies tried again that a full disk has made Elasticsearch give up", () => {
  const none = { directory: false };
  expect(ask("release", { blocked: none, free: { a: 0.5 }, copies: 2 })).toBe(
    "POST /_cluster/reroute?retry_failed=true&metric=none null\n",
  );
  expect(ask("release", { blocked: none, free: { a: 0.05 }, copies: 2 })).toBe("");
});

it("calls no cluster healthy whose indices take no writes, and says what to do", () => {
  expect(ask("need_writable", { blocked, free: { a: 0.5, b: 0.01 } })).toContain(
    "directory take no writes since a disk was full: free a tenth of the disk of b",
  );
  expect(ask("need_writable", { blocked, free: { a: 0.5, b: 0.5 } })).toContain("within two minutes");
  expect(ask("need_writable", { blocked: { other: false }, free: { a: 0.01 } })).toBe("");
});
