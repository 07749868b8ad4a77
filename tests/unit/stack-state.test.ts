import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkStackState } from "../../cli/stack-state";
import { stacksIn, stateFile } from "../../toolchain/states";

// Salts as the engine has made them with the passphrase "one", and with "another".
const salt = "v1:weYoZH40dtE=:v1:B63haHUMZtsjMVX/:fFFIMDbrKC/sM6k3QO4yyzZdv8LyKA==";
const laterSalt = "v1:kys0p0JgBEM=:v1:NduqJbqB9y5V3xmJ:mb6VnTNxQ/BDVd9cBIchf4DDbWRz+A==";
const anothersSalt = "v1:hilmkBi12FE=:v1:pRhGAPS6JELOJ9bC:tOfgbZsMjIsCvlyB46TEFP+VZOfgdw==";

let root: string;
let backend: string;
let passphrase: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-stack-state-"));
  backend = join(root, "backend");
  passphrase = join(root, "passphrase");
  mkdirSync(dirname(stateFile(backend, "")), { recursive: true });
  writeFileSync(passphrase, "one\n");
  vi.stubEnv("PULUMI_CONFIG_PASSPHRASE", undefined);
  vi.stubEnv("PULUMI_CONFIG_PASSPHRASE_FILE", undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetModules();
  rmSync(root, { recursive: true });
});

const stateWith = (text: string) =>
  JSON.stringify({
    version: 3,
    checkpoint: { latest: { secrets_providers: { type: "passphrase", state: { salt: text } } } },
  });
const state = stateWith(salt);
const put = (stack: string, text: string) => writeFileSync(stateFile(backend, stack), text);
const configure = (text: string) => writeFileSync(join(root, "Pulumi.staging.yaml"), text);
const check = (stack = "staging") =>
  checkStackState(
    stack,
    { PULUMI_BACKEND_URL: `file://${backend}`, PULUMI_CONFIG_PASSPHRASE_FILE: passphrase },
    root,
  );

describe("a stack's state", () => {
  it("that belongs to configuration and passphrase is let through, and so is a stack that has none", () => {
    check();
    configure("config: {}\n");
    check();
    put("staging", state);
    configure(`encryptionsalt: ${salt}\nconfig: {}\n`);
    check();
    configure(`encryptionsalt: ${laterSalt}\n`);
    check();
  });

  it("that was cut short is named, with the engine's copy where that is whole, and the host's", () => {
    configure(`encryptionsalt: ${salt}\n`);
    const file = stateFile(backend, "staging");
    for (const text of ["", "{", "{}", "null", state.slice(0, state.length / 2), state.slice(0, -1)]) {
      put("staging", text);
      expect(check).toThrow(
        `the state ${file} is cut short or damaged. Take the copy that the host has: move the file away, then npm run adopt -- --stack staging`,
      );
    }
    // The engine's copy of a stack that is new has nothing in it.
    for (const text of ['{"version":0,"checkpoint":{}}', "{"]) {
      writeFileSync(`${file}.bak`, text);
      expect(check).toThrow(/damaged\. Take the copy/);
    }
    writeFileSync(`${file}.bak`, state);
    expect(check).toThrow(`copy ${file}.bak over it, then npm run pulumi -- refresh --stack staging`);
    cpSync(`${file}.bak`, file);
    check();
  });

  it("is not looked at where the stack's file is no YAML, whose line is named and never its text", () => {
    const refused = (text: string) => {
      configure(text);
      try {
        check();
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
    const secret = "hunter2-Correct-Horse";
    for (const [text, words] of [
      [`config:\n  a:b:\n    password: ${secret}: oops\n`, "Pulumi.staging.yaml is not YAML: line 3, column"],
      [`config: {a: "${secret}}\n`, "a quotation mark, bracket or comma is missing"],
      [`config: {}\n---\nconfig: {a: ${secret}}\n`, "line 2, column 1: a second document begins here"],
    ] as const) {
      const message = refused(text);
      expect(message).toContain(words);
      expect(message).not.toContain("hunter2");
    }
    // These are the engine's and the program's to judge.
    for (const text of ["", "hello", "- a\n", "config: &a {x: *a}\n", "encryptionsalt: 5\nconfig: 5\n"])
      expect(refused(text)).not.toMatch(/circular|undefined|TypeError/);
  });

  it("that is damaged does not stop another stack", () => {
    put("broken", "{");
    put("staging", state);
    configure(`encryptionsalt: ${salt}\n`);
    check();
    expect(stacksIn(backend).sort()).toEqual(["broken", "staging"]);
    expect(() => check("broken")).toThrow("broken.json is cut short");
  });
});

describe("a salt", () => {
  it("that the configuration has lost is taken from the state", () => {
    put("staging", state);
    for (const line of ["", `encryptionsalt: ${salt.slice(0, 40)}`, "encryptionsalt: 7"]) {
      configure(`${line}\nconfig: {}\n`);
      expect(check).toThrow(
        new RegExp(
          `^Pulumi\\.staging\\.yaml has lost .*top:\nencryptionsalt: ${salt.replaceAll("+", "\\+")}$`,
        ),
      );
    }
  });

  it("that nothing has any more is missed where something is encrypted with it", () => {
    configure("config:\n  wiab-staging:image: { sha256: abc }\n");
    check();
    configure("config:\n  wiab-staging:token:\n    secure: v1:abc:def\n");
    expect(check).toThrow(/^Pulumi\.staging\.yaml has encrypted values, and its line encryptionsalt is lost/);
  });

  it("of another passphrase gives way to that of the state", () => {
    put("staging", state);
    configure(`encryptionsalt: ${anothersSalt}\n`);
    expect(check).toThrow(/does not belong to the passphrase, and that of the state does/);
  });
});

describe("a passphrase", () => {
  it("that is wrong is told, with the file that it came from and never its text", () => {
    const wrong = "the wrong words";
    writeFileSync(passphrase, wrong);
    configure(`encryptionsalt: ${salt}\n`);
    const message = () => {
      try {
        check();
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
    expect(message()).toMatch(`the passphrase in ${passphrase} is not the one that Pulumi.staging.yaml was`);
    put("staging", state);
    expect(message()).toMatch(`the passphrase in ${passphrase} is not the one`);
    expect(message()).not.toContain(wrong);
    writeFileSync(passphrase, "one");
    put("staging", stateWith(anothersSalt));
    expect(message()).toMatch(`is not the one that ${stateFile(backend, "staging")} was encrypted with`);
    put("staging", state);
    vi.stubEnv("PULUMI_CONFIG_PASSPHRASE", wrong);
    expect(message()).toMatch("the passphrase in the variable PULUMI_CONFIG_PASSPHRASE is not the one");
    expect(message()).not.toContain(wrong);
  });

  it("whose file is not there is told", () => {
    vi.stubEnv("PULUMI_CONFIG_PASSPHRASE_FILE", join(root, "none"));
    configure(`encryptionsalt: ${salt}\n`);
    expect(check).toThrow(`PULUMI_CONFIG_PASSPHRASE_FILE is ${join(root, "none")} (ENOENT`);
  });

  it("is not made anew where stacks are encrypted with one", async () => {
    rmSync(passphrase);
    vi.stubEnv("WIAB_STATE", root);
    const { localBackend } = await import("../../toolchain/environment");
    put("staging", "{");
    expect(localBackend).toThrow(
      new RegExp(`^${passphrase} is missing, and the secrets of staging are encrypted`),
    );
    expect(existsSync(passphrase)).toBe(false);
    vi.stubEnv("PULUMI_CONFIG_PASSPHRASE_FILE", "/mine");
    expect(localBackend()).toEqual({ PULUMI_BACKEND_URL: `file://${backend}` });
    expect(existsSync(passphrase)).toBe(false);
    vi.stubEnv("PULUMI_CONFIG_PASSPHRASE_FILE", undefined);
    rmSync(stateFile(backend, "staging"));
    expect(localBackend()).toMatchObject({ PULUMI_CONFIG_PASSPHRASE_FILE: passphrase });
    expect(existsSync(passphrase)).toBe(true);
  });
});
