import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { moveStates, stateHome } from "../../toolchain/states";

let root: string;
let former: string;
let home: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-states-"));
  former = join(root, "checkout", ".state");
  home = join(root, "data", "checkout-1");
  mkdirSync(join(former, "backend", ".pulumi", "stacks"), { recursive: true });
  writeFileSync(join(former, "backend", ".pulumi", "stacks", "staging.json"), "the state");
  writeFileSync(join(former, "passphrase"), "the passphrase\n", { mode: 0o600 });
  vi.stubEnv("WIAB_STATE", "");
  vi.stubEnv("XDG_DATA_HOME", "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

const state = (folder: string) => join(folder, "backend", ".pulumi", "stacks", "staging.json");

describe("the folder of a checkout's states", () => {
  it("is outside of it, one for each, and the operator's choice", () => {
    const checkout = join(root, "checkout");
    expect(stateHome(checkout)).toMatch(
      new RegExp(`^${homedir()}/\\.local/share/wiab-staging/checkout-[0-9a-f]{8}$`),
    );
    mkdirSync(join(root, "other", "checkout"), { recursive: true });
    expect(stateHome(join(root, "other", "checkout"))).not.toBe(stateHome(checkout));
    vi.stubEnv("XDG_DATA_HOME", "/data");
    expect(stateHome(checkout)).toMatch(/^\/data\/wiab-staging\/checkout-/);
    vi.stubEnv("WIAB_STATE", "/mine");
    expect(stateHome(checkout)).toBe("/mine");
  });
});

describe("states in a checkout", () => {
  it("move out of it once, closed to others", () => {
    expect(moveStates(former, home)).toBe(true);
    expect(readFileSync(state(home), "utf8")).toBe("the state");
    expect(readFileSync(join(home, "passphrase"), "utf8")).toBe("the passphrase\n");
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect(statSync(join(home, "passphrase")).mode & 0o777).toBe(0o600);
    for (const name of ["backend", "passphrase"]) expect(existsSync(join(former, name))).toBe(false);
    expect(moveStates(former, home)).toBe(false);
  });

  it("go on where a move was killed, and replace nothing", () => {
    mkdirSync(join(home, "backend.part"), { recursive: true });
    writeFileSync(join(home, "passphrase"), "another\n");
    expect(moveStates(former, home)).toBe(true);
    expect(existsSync(state(home))).toBe(true);
    expect(existsSync(join(home, "backend.part"))).toBe(false);
    expect(readFileSync(join(home, "passphrase"), "utf8")).toBe("another\n");
    expect(existsSync(join(former, "passphrase"))).toBe(true);
  });

  it("stay while a run is at work on one of them", () => {
    const locks = join(former, "backend", ".pulumi", "locks", "staging");
    mkdirSync(locks, { recursive: true });
    writeFileSync(join(locks, "one.json"), JSON.stringify({ pid: process.pid }));
    expect(() => moveStates(former, home)).toThrow(`process ${process.pid} is at work`);
    expect(existsSync(state(former))).toBe(true);
    writeFileSync(join(locks, "one.json"), JSON.stringify({ pid: 2 ** 22 + 1 }));
    expect(moveStates(former, home)).toBe(true);
  });
});
