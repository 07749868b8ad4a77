import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { keyFileProblem } from "../../components/validation/load";

const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";

describe("a private key file", () => {
  let directory: string;
  const file = (name: string, content: string, mode: number) => {
    const path = join(directory, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "wiab-keys-"));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true });
  });

  it("can be used when it is the operator's alone", () => {
    expect(keyFileProblem(file("id", key, 0o600))).toBeUndefined();
    expect(keyFileProblem(file("pem", "-----BEGIN RSA PRIVATE KEY-----\n", 0o400))).toBeUndefined();
  });

  it.each([0o640, 0o604, 0o620, 0o601, 0o777])("is refused with mode %o, with what to do", (mode) => {
    const path = file("id", key, mode);
    expect(keyFileProblem(path)).toBe(
      `${path} can be read by others (mode ${mode.toString(8)}); run chmod 600 ${path}`,
    );
  });

  it("is refused when it is something else", () => {
    const path = file("id.pub", "ssh-ed25519 AAAA somebody\n", 0o600);
    expect(keyFileProblem(path)).toBe(`${path} is not a private key in PEM or OpenSSH format`);
  });

  it("is refused when it is not there or is a folder", () => {
    expect(keyFileProblem(join(directory, "none"))).toBe(`${join(directory, "none")} cannot be read: ENOENT`);
    chmodSync(directory, 0o700);
    expect(keyFileProblem(directory)).toBe(`${directory} cannot be read: EISDIR`);
  });

  it("may be named from the home folder", () => {
    vi.stubEnv("HOME", directory);
    expect(homedir()).toBe(directory);
    file("id", key, 0o600);
    expect(keyFileProblem("~/id")).toBeUndefined();
    expect(keyFileProblem("~/other")).toBe("~/other cannot be read: ENOENT");
  });
});
