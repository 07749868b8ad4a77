import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

// A node of Cassandra whose disk was full: its log as it was seen then, shortened.
const segment = "CommitLog-7-1796097403286.log";
const gaveUp = `Started cassandra.service - Cassandra 5.0.9.
INFO  [main] CommitLog.java:206 - Replaying /var/lib/cassandra/commitlog/${segment}, /var/lib/cassandra/commitlog/CommitLog-7-1796097403287.log
ERROR [main] JVMStabilityInspector.java:212 - Exiting due to error while processing commit log during initialization.
org.apache.cassandra.db.commitlog.CommitLogReadHandler$CommitLogReadException: Mutation checksum failure at 208836 in Next section at 208836 in ${segment}
\tat org.apache.cassandra.db.commitlog.CommitLogReader.readSection(CommitLogReader.java:387)
cassandra.service: Scheduled restart job, restart counter is at 5.
`;
const serves =
  "INFO  [main] PipelineConfigurator.java:126 - Starting listening for CQL clients on /10.0.0.1:9042\n";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wiab-commitlog-"));
  mkdirSync(join(folder, "commitlog"));
  for (const name of [segment, "CommitLog-7-1796097403287.log"])
    writeFileSync(join(folder, "commitlog", name), "records");
  const text = readFileSync("components/data-services/cassandra/before-start.py", "utf8");
  writeFileSync(
    join(folder, "before-start"),
    text
      .replace("/var/lib/cassandra", folder)
      .replace("/etc/wiab/cassandra/ring.json", join(folder, "ring.json"))
      .replace("/run/wiab-cassandra.damaged", join(folder, "note")),
  );
});
afterEach(() => rmSync(folder, { recursive: true }));

function start(log: string, nodes: number): string {
  writeFileSync(join(folder, "log"), log);
  writeFileSync(join(folder, "journalctl"), `#!/bin/sh\ncat ${folder}/log\n`, { mode: 0o755 });
  writeFileSync(join(folder, "ring.json"), JSON.stringify({ nodes: Array(nodes).fill({}) }));
  const { status, stdout, stderr } = spawnSync("python3", [join(folder, "before-start")], {
    encoding: "utf8",
    env: { PATH: `${folder}:${process.env.PATH}` },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}
const left = () => readdirSync(join(folder, "commitlog"));

it("sets the damaged segment aside where other nodes have what was in it, and asks for a repair", () => {
  expect(start(gaveUp, 3)).toContain(`${segment} is damaged`);
  expect(left()).toEqual(["CommitLog-7-1796097403287.log"]);
  expect(readFileSync(join(folder, "damaged", segment), "utf8")).toBe("records");
  expect(existsSync(join(folder, "repair-wanted"))).toBe(true);
  expect(start(gaveUp, 3)).toBe("");
});

it("keeps it on a node that is alone, and says what its operator may do", () => {
  start(gaveUp, 1);
  expect(left()).toHaveLength(2);
  expect(existsSync(join(folder, "repair-wanted"))).toBe(false);
  expect(readFileSync(join(folder, "note"), "utf8")).toContain(`sudo mv ${folder}/commitlog/${segment}`);
  start(gaveUp + serves, 1);
  expect(existsSync(join(folder, "note"))).toBe(false);
});

it("touches nothing where the last start did not end for it", () => {
  for (const log of ["", serves, gaveUp + serves, "ERROR something else\n"]) expect(start(log, 3)).toBe("");
  expect(left()).toHaveLength(2);
});
