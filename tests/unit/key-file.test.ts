import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { keyFileProblem } from "../../components/validation/load";
import { privateKeyProblem, publicKeyProblem } from "../../components/validation/ssh-keys";

/** A key as ssh-keygen makes it. */
function keygen(...options: string[]): { readonly key: string; readonly publicKey: string } {
  const folder = mkdtempSync(join(tmpdir(), "wiab-keygen-"));
  const path = join(folder, "id");
  execFileSync("ssh-keygen", ["-q", "-N", "", "-C", "somebody", "-f", path, ...options]);
  const made = { key: readFileSync(path, "utf8"), publicKey: readFileSync(`${path}.pub`, "utf8").trim() };
  rmSync(folder, { recursive: true });
  return made;
}

const { key, publicKey } = keygen("-t", "ed25519");

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
    for (const options of [
      ["-t", "rsa", "-b", "2048", "-m", "PEM"],
      ["-t", "ecdsa", "-m", "PKCS8"],
      ["-t", "rsa", "-b", "2048"],
    ])
      expect(
        keyFileProblem(file(options.join(""), keygen(...options).key, 0o400)),
        options.join(" "),
      ).toBeUndefined();
  });

  it.each([0o640, 0o604, 0o620, 0o601, 0o777])("is refused with mode %o, with what to do", (mode) => {
    const path = file("id", key, mode);
    expect(keyFileProblem(path)).toBe(
      `${path} can be read by others (mode ${mode.toString(8)}); run chmod 600 ${path}`,
    );
  });

  it("is refused when it is something else", () => {
    const path = file("id.pub", "ssh-ed25519 AAAA somebody\n", 0o600);
    expect(keyFileProblem(path)).toBe(`${path} is a public key; the private one has no .pub in its name`);
    expect(keyFileProblem(file("notes", "nothing\n", 0o600))).toMatch(
      /not a private key in PEM or OpenSSH format$/,
    );
    expect(keyFileProblem(file("ppk", "PuTTY-User-Key-File-3: ssh-ed25519\n", 0o600))).toMatch(/puttygen/);
  });

  it("is refused with a passphrase, in every format", () => {
    for (const options of [
      ["-t", "ed25519"],
      ["-t", "rsa", "-m", "PEM"],
      ["-t", "ecdsa", "-m", "PKCS8"],
    ]) {
      const path = file("id", keygen("-N", "hunter2", ...options).key, 0o600);
      expect(keyFileProblem(path), options.join(" ")).toMatch(
        /has a passphrase, and nobody can type it here/,
      );
      rmSync(path);
    }
  });

  it("is refused when it was cut short, wherever, and never shown", () => {
    const lines = key.trimEnd().split("\n");
    const pem = keygen("-t", "rsa", "-b", "2048", "-m", "PEM").key.trimEnd().split("\n");
    for (const whole of [lines, pem])
      for (let missing = 1; missing < whole.length - 1; missing++) {
        const broken = [...whole.slice(0, missing), ...whole.slice(missing + 1), ""].join("\n");
        const problem = privateKeyProblem(broken);
        expect(problem, `without line ${missing}`).toMatch(/cut short or damaged|passphrase/);
        expect(whole.some((line) => line.length > 60 && problem?.includes(line))).toBe(false);
      }
    expect(privateKeyProblem(lines.slice(0, 3).join("\n"))).toMatch(/is cut short/);
  });

  const mangled: Readonly<Record<string, (text: string) => string>> = {
    "with Windows' line ends": (text) => text.replaceAll("\n", "\r\n"),
    "with old Macs' line ends": (text) => text.replaceAll("\n", "\r"),
    "without its last line end": (text) => text.trimEnd(),
    "after a comment": (text) => `# my key\n${text}`,
    "after an empty line": (text) => `\n${text}`,
    indented: (text) => text.replace(/^(?=.)/gm, "  "),
    "with blanks behind its lines": (text) => `${text.replace(/$/gm, " ").trimEnd()}\n`,
    "with a text behind it": (text) => `${text}text\n`,
    twice: (text) => text + text,
    "with empty lines in it": (text) => text.replaceAll("\n", "\n\n"),
    "with a byte order mark": (text) => `\uFEFF${text}`,
  };
  const formats = [
    ["-t", "ed25519"],
    ["-t", "rsa", "-b", "2048", "-m", "PEM"],
    ["-t", "ecdsa", "-m", "PKCS8"],
  ];
  /** Whether OpenSSH takes it. */
  const loads = (path: string) => spawnSync("ssh-keygen", ["-y", "-P", "", "-f", path]).status === 0;

  it.each(Object.entries(mangled))(
    "%s is taken or refused as OpenSSH does, and mended as said",
    (what, mangle) => {
      for (const options of formats) {
        const path = file(options.join(""), mangle(keygen(...options).key), 0o600);
        const problem = keyFileProblem(path);
        // Go refuses a byte order mark in every format, OpenSSL only before OpenSSH's own.
        if (!what.includes("mark")) expect(problem === undefined, options.join(" ")).toBe(loads(path));
        for (let again = problem, left = 2; again?.includes("sed -i") && left > 0; left--) {
          const command = /: (sed -i .*?) FILE/.exec(again)?.[1];
          execFileSync("bash", ["-c", `${command} "$1"`, "mend", path]);
          again = keyFileProblem(path);
          if (left === 1 || again === undefined) expect([again, loads(path)]).toEqual([undefined, true]);
        }
        chmodSync(path, 0o600);
      }
    },
  );

  it("is refused as damaged, not as one with a passphrase, when a character is another one", () => {
    const [begin, end] = [key.indexOf("\n") + 1, key.indexOf("\n-----END")];
    for (let at = begin; at < end; at += 11) {
      if (key[at] === "\n") continue;
      const other = key.slice(0, at) + (key[at] === "A" ? "B" : "A") + key.slice(at + 1);
      const problem = privateKeyProblem(other);
      expect(problem ?? "", `character ${at - begin}`).not.toMatch(/passphrase/);
      const path = file("flipped", other, 0o600);
      if (!loads(path)) expect(problem, `character ${at - begin}`).toMatch(/cut short or damaged/);
    }
  });

  it("is refused when it is not there or is a folder", () => {
    expect(keyFileProblem(join(directory, "none"))).toBe(
      `${join(directory, "n…")} cannot be read: there is no such file on the workstation (ENOENT)`,
    );
    chmodSync(directory, 0o700);
    expect(keyFileProblem(directory)).toBe(
      `${directory} cannot be read: it is a folder; name the file in it (EISDIR)`,
    );
  });

  it("may be named from the home folder", () => {
    vi.stubEnv("HOME", directory);
    expect(homedir()).toBe(directory);
    file("id", key, 0o600);
    expect(keyFileProblem("~/id")).toBeUndefined();
    expect(keyFileProblem("~/other")).toBe(
      "~/o… cannot be read: there is no such file on the workstation (ENOENT)",
    );
  });
});

/** The line of a key with these fields, as SSH packs them. */
function lineOf(type: string, ...fields: readonly Buffer[]): string {
  const packed = [Buffer.from(type), ...fields].flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(field.length);
    return [length, field];
  });
  return `${type} ${Buffer.concat(packed).toString("base64")}`;
}

const offCurve = (bits: number): string =>
  lineOf(
    `ecdsa-sha2-nistp${bits}`,
    Buffer.from(`nistp${bits}`),
    Buffer.concat([Buffer.of(4), Buffer.alloc(bits / 4, 7)]),
  );
const longRsa = lineOf("ssh-rsa", Buffer.of(1, 0, 1), Buffer.concat([Buffer.of(0), Buffer.alloc(2049, 255)]));

describe("a public key", () => {
  it.each([
    ["ed25519"],
    ["rsa", "-b", "2048"],
    ["ecdsa", "-b", "256"],
    ["ecdsa", "-b", "384"],
    ["ecdsa", "-b", "521"],
  ])("of type %s is taken, and refused when any part of it is missing", (...options) => {
    const line = keygen("-t", ...options).publicKey;
    expect(publicKeyProblem(line)).toBeUndefined();
    const [type, body = ""] = line.split(" ");
    for (const cut of [4, 8, body.length / 2, body.length - 4])
      expect(publicKeyProblem(`${type} ${body.slice(0, Math.floor(cut))} x`), `${cut}`).toMatch(
        /cut short or damaged/,
      );
  });

  it.each([
    ["a DSA key", "ssh-dss AAAAB3NzaC1kc3MAAACBAP1 x", /DSA key, which OpenSSH takes no more/],
    [
      "a key of another type than it says",
      publicKey.replace("ssh-ed25519", "ssh-rsa"),
      /cut short|another type/,
    ],
    ["a short RSA key", keygen("-t", "rsa", "-b", "1024").publicKey, /RSA key of 1024 bits; 2048 or more/],
    ["a point off its curve", offCurve(256), /is no point of its curve/],
    ["an RSA key that OpenSSH does not take", longRsa, /RSA key of 16392 bits; OpenSSH takes 16384 at most/],
    ["options before it", `no-pty ${publicKey}`, /does not begin with a key type/],
    [
      "a certificate",
      publicKey.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"),
      /is a certificate/,
    ],
    ["a private key", key, /is a private key/],
    ["two keys in one entry", `${publicKey}\n${publicKey}`, /has several lines/],
  ])("is refused: %s", (_name, line, message) => {
    expect(publicKeyProblem(line)).toMatch(message);
    const body = line.split(/\s+/).find((word) => /^[A-Z]{4}[A-Za-z0-9+/]{12}/.test(word)) ?? "";
    expect(body).not.toBe("");
    expect(publicKeyProblem(line)).not.toContain(body.slice(0, 16));
  });
});
