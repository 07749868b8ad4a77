import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";

// What a node that has voted keeps, whatever is restarted meanwhile; see guard.py. Times are seconds since the boot.

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "guard-"));
});
afterEach(() => rmSync(home, { recursive: true }));

/** A guard, or a start of PostgreSQL, that begins at this time and does one thing. */
async function at(clock: number, scenario: string, words: readonly string[] = [], boot = "first boot") {
  const env = { ...process.env, CLOCK: `${clock}`, BOOT: boot };
  const program = ["-B", "tests/fixtures/guard.py", home, scenario, ...words];
  return JSON.parse((await promisify(execFile)("python3", program, { env })).stdout) as unknown;
}

it("follows the primary that it lost sight of where it has promised nothing", async () => {
  expect(await at(1000, "look")).toEqual(["127.0.0.1"]);
});

it("keeps its promise over a restart of the guard, and for as long as it lasts", async () => {
  expect(await at(1000, "vote", ["node2"])).toBe("yes");
  expect(await at(1010, "look")).toEqual([]);
  expect(await at(1020, "vote", ["node1"])).toBe("no");
  expect(await at(1030, "vote", ["node2"])).toBe("yes");
  expect(await at(1089, "look")).toEqual([]);
  expect(await at(1091, "look")).toEqual(["127.0.0.1"]);
});

it("keeps its promise over a boot, whose clock begins anew", async () => {
  expect(await at(1000, "vote", ["node2"])).toBe("yes");
  expect(await at(20, "look", [], "second boot")).toEqual([]);
  expect(await at(61, "look", [], "second boot")).toEqual(["127.0.0.1"]);
});

it("keeps its promise over a start of PostgreSQL", async () => {
  expect(await at(1000, "start")).toMatchObject({ followed: ["127.0.0.1"] });
  expect(await at(1000, "vote", ["node2"])).toBe("yes");
  expect(await at(1010, "start")).toMatchObject({ followed: [] });
  expect(await at(1061, "start")).toMatchObject({ followed: ["127.0.0.1"] });
});

it("has one that was promoted wait until its own promise is over before it follows the former primary", async () => {
  expect(await at(1000, "vote", ["node3"])).toBe("yes");
  expect(await at(1010, "start", ["primary"])).toEqual({
    followed: ["127.0.0.1"],
    says: ["waiting: this node has promised to follow node3, and node1 is the primary"],
    clock: 1060,
  });
});

it("does not go on to follow the former primary once it has voted", async () => {
  expect(await at(1000, "vote_while_following")).toEqual({ vote: ["yes"], followed: [] });
});

it("has repmgr follow nobody but the one that it has promised to follow", async () => {
  const command = (id: number) => ["standby", "follow", "--wait", `--upstream-node-id=${id}`];
  expect(await at(1000, "vote", ["node2"])).toBe("yes");
  expect(await at(1010, "repmgr_follows", ["1"])).toEqual({
    ...{ code: 1, commands: [], votes: [] },
    says: ["does not follow node1: this node has promised to follow node2"],
  });
  expect(await at(1020, "repmgr_follows", ["2"])).toMatchObject({ code: 0, commands: [command(2)] });
  expect(await at(1061, "repmgr_follows", ["1"])).toMatchObject({ code: 0, commands: [command(1)] });
});

it("gives no vote while repmgr turns it to a primary", async () => {
  expect(await at(1000, "repmgr_follows", ["1"])).toMatchObject({ code: 0, votes: ["no"], says: [] });
  expect(await at(1000, "vote", ["node2"])).toBe("yes");
});

it("gives one of two candidates its vote, also where both ask at a time", async () => {
  expect(await at(1000, "two_candidates")).toEqual(["no", "yes"]);
});

it("is promoted by fresh votes, and not by those whose promises may be over", async () => {
  expect(await at(1000, "promote", ["1"])).toMatchObject({ code: 0, commands: [["standby", "promote"]] });
  for (const late of ["31", "3600"])
    expect(await at(1000, "promote", [late])).toEqual({
      code: 1,
      commands: [],
      says: [`not promoted: its votes are ${late} s old, and count for 30 s`],
    });
});
