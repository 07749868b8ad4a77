import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { cached, contentKey } from "../../toolchain/cache";
import { hasOwnBackend, pulumiEnvironment } from "../../toolchain/environment";
import { goProxy, isSameSeries } from "../../toolchain/go";
import { installOfficial } from "../../toolchain/official";
import { builtTools, goVersion, libvirtProvider, pulumiVersion } from "../../toolchain/pins";
import { stackOf } from "../../toolchain/pulumi";
import { unzip } from "../../toolchain/zip";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "toolchain-test-"));
  vi.stubEnv("WIAB_CACHE", join(directory, "cache"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

describe("the cache", () => {
  test("makes a thing once, also when two ask for it at the same time", async () => {
    let made = 0;
    const make = async (target: string) => {
      made++;
      await new Promise((resolve) => setTimeout(resolve, 50));
      writeFileSync(join(target, "thing"), "whole");
    };
    const paths = await Promise.all([cached("kind", "key", make), cached("kind", "key", make)]);
    expect(new Set(paths)).toEqual(new Set([join(directory, "cache", "kind", "key")]));
    expect(readFileSync(join(paths[0], "thing"), "utf8")).toBe("whole");
    expect(made).toBe(1);
  });

  test("keeps nothing of a failure", async () => {
    const fail = async (target: string) => {
      writeFileSync(join(target, "thing"), "half");
      throw new Error("no compiler");
    };
    await expect(cached("kind", "key", fail)).rejects.toThrow("no compiler");
    expect(readdirSync(join(directory, "cache", "kind"))).toEqual([]);
  });

  test("throws away what an interrupted run left, though its process number is in use again", async () => {
    const parent = join(directory, "cache", "kind");
    mkdirSync(join(parent, `key.building-${process.pid}-1`), { recursive: true });
    await cached("kind", "key", async (target) => writeFileSync(join(target, "thing"), ""));
    expect(readdirSync(parent)).toEqual(["key"]);
  });

  test("has another key for another content, name or word", () => {
    const folder = join(directory, "folder");
    mkdirSync(folder);
    const keys = [contentKey([], folder)];
    writeFileSync(join(folder, "a"), "1");
    keys.push(contentKey([], folder), contentKey(["word"], folder));
    writeFileSync(join(folder, "a"), "2");
    keys.push(contentKey([], folder));
    rmSync(join(folder, "a"));
    writeFileSync(join(folder, "b"), "2");
    keys.push(contentKey([], folder));
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("Pulumi's own build", () => {
  const serve = async (files: Record<string, Buffer>) => {
    const server = createServer((request, response) => {
      const file = files[request.url ?? ""];
      response.writeHead(file ? 200 : 404).end(file);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { server, base: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  };
  const archive = () => {
    const source = join(directory, "source");
    mkdirSync(join(source, "pulumi"), { recursive: true });
    writeFileSync(join(source, "pulumi", "pulumi"), "#!/bin/sh\necho v1\n");
    chmodSync(join(source, "pulumi", "pulumi"), 0o755);
    return execFileSync("tar", ["-cz", "-C", source, "pulumi"]);
  };

  test("is taken from the first place that has the pinned file", async () => {
    const good = archive();
    const { server, base } = await serve({ "/other": Buffer.from("something else"), "/good": good });
    const home = join(directory, "home");
    mkdirSync(home);
    const sha256 = createHash("sha256").update(good).digest("hex");
    try {
      await installOfficial(home, { urls: [`${base}/none`, `${base}/other`, `${base}/good`], sha256 });
      expect(execFileSync(join(home, "bin", "pulumi"), { encoding: "utf8" })).toBe("v1\n");
      expect(readdirSync(home)).toEqual(["bin"]);
    } finally {
      server.close();
    }
  });

  test("is refused everywhere with a reason for each place", async () => {
    const { server, base } = await serve({ "/other": Buffer.from("something else") });
    const refused = installOfficial(directory, {
      urls: [`${base}/none`, `${base}/other`],
      sha256: "0".repeat(64),
    });
    try {
      await expect(refused).rejects.toThrow(
        /none: it answers 404\n.*other has checksum [0-9a-f]{64}, expected 0{64}/,
      );
    } finally {
      server.close();
    }
  });
});

describe("building from modules", () => {
  test("asks the operator's proxy, or Go's own", () => {
    expect(goProxy("https://go.example/proxy/,direct")).toBe("https://go.example/proxy");
    expect(goProxy("off|http://127.0.0.1:3000")).toBe("http://127.0.0.1:3000");
    expect(new URL(goProxy("direct")).protocol).toBe("https:");
  });

  test("takes a Go of the pinned minor version alone", () => {
    expect(isSameSeries("go1.26.0", "1.26.8")).toBe(true);
    expect(isSameSeries("go1.26", "1.26.8")).toBe(true);
    expect(isSameSeries("go1.19.8", "1.26.8")).toBe(false);
    expect(isSameSeries("go1.27.1", "1.26.8")).toBe(false);
    expect(isSameSeries("", "1.26.8")).toBe(false);
  });

  test("has the pinned Go in every module", () => {
    for (const { name } of builtTools) {
      const module = readFileSync(join(__dirname, "..", "..", "toolchain", "go", name, "go.mod"), "utf8");
      expect(`go${goVersion}`, name).toContain(`go${/^go (\S+)$/m.exec(module)?.[1]}`);
    }
  });

  test("unpacks stored and deflated files under their new names", () => {
    const file = join(directory, "archive.zip");
    const text = Buffer.from("text ".repeat(1000));
    writeFileSync(file, zip({ "top/bin/go": Buffer.from("program"), "top/src/_go.mod": text }));
    unzip(file, directory, (name) => name.replace("top/", "").replace("_go.mod", "go.mod"));
    expect(readFileSync(join(directory, "bin", "go"), "utf8")).toBe("program");
    expect(readFileSync(join(directory, "src", "go.mod"))).toEqual(text);
  });

  test("says so when an archive did not arrive whole", () => {
    const file = join(directory, "archive.zip");
    writeFileSync(file, zip({ name: Buffer.from("text") }).subarray(0, -22));
    expect(() => unzip(file, directory, (name) => name)).toThrow("not all of one");
  });
});

test("the pinned versions are those of the Node packages", () => {
  const root = join(__dirname, "..", "..");
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const sdk = JSON.parse(readFileSync(join(root, "sdks", libvirtProvider.name, "package.json"), "utf8"));
  const paths = builtTools.map(({ path }) => path);
  expect(dependencies["@pulumi/pulumi"]).toBe(pulumiVersion);
  for (const name of ["command", "random", "kubernetes"])
    expect(paths).toContain(
      `plugins/resource-${name}-v${dependencies[`@pulumi/${name}`]}/pulumi-resource-${name}`,
    );
  expect(paths).toContain(
    `plugins/resource-${sdk.pulumi.name}-v${sdk.pulumi.version}/pulumi-resource-${sdk.pulumi.name}`,
  );
  expect(sdk.version).toBe(libvirtProvider.version);
  expect(paths.some((path) => path.includes(`/${libvirtProvider.source}/${sdk.version}/`))).toBe(true);
});

describe("the environment", () => {
  const toolchain = {
    home: "/home",
    binDirectory: "/home/bin",
    official: false,
    env: { PULUMI_HOME: "/home" },
  };
  beforeEach(() => {
    for (const name of [
      "PULUMI_BACKEND_URL",
      "PULUMI_ACCESS_TOKEN",
      "PULUMI_HOME",
      "PULUMI_CREDENTIALS_PATH",
    ])
      vi.stubEnv(name, undefined);
    for (const name of ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
      vi.stubEnv(name, undefined);
    vi.stubEnv("HOME", directory);
  });
  const login = (current: string) => {
    mkdirSync(join(directory, ".pulumi"), { recursive: true });
    writeFileSync(join(directory, ".pulumi", "credentials.json"), JSON.stringify({ current }));
  };

  test("keeps states in the checkout, under a passphrase that only its owner can read", () => {
    const env = pulumiEnvironment(toolchain);
    expect(env.PULUMI_BACKEND_URL).toMatch(/^file:\/\/\/.*\/\.state\/backend$/);
    const passphrase = env.PULUMI_CONFIG_PASSPHRASE_FILE ?? "";
    expect(statSync(passphrase).mode & 0o777).toBe(0o600);
    expect(readFileSync(passphrase, "utf8").trim()).toMatch(/^[\w-]{43}$/);
    expect(pulumiEnvironment(toolchain)).toEqual(env);
  });

  test("leaves a passphrase of the operator's alone", () => {
    vi.stubEnv("PULUMI_CONFIG_PASSPHRASE", "");
    expect(pulumiEnvironment(toolchain)).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE");
  });

  test("takes the backend that the operator has logged in to, but not one logged out of", () => {
    login("https://pulumi.example");
    expect(hasOwnBackend()).toBe(true);
    expect(pulumiEnvironment(toolchain)).toEqual({
      PULUMI_HOME: "/home",
      PULUMI_CREDENTIALS_PATH: join(directory, ".pulumi"),
    });
    login("");
    expect(hasOwnBackend()).toBe(false);
  });

  test("takes the backend that a variable names", () => {
    vi.stubEnv("PULUMI_BACKEND_URL", "s3://states");
    expect(pulumiEnvironment(toolchain)).not.toHaveProperty("PULUMI_BACKEND_URL");
  });
});

test("a command line names its stack in any of the usual ways", () => {
  expect(stackOf(["preview", "--stack", "staging"])).toBe("staging");
  expect(stackOf(["-s", "staging", "up"])).toBe("staging");
  expect(stackOf(["up", "--stack=staging"])).toBe("staging");
  expect(stackOf(["up"])).toBeUndefined();
});

/** The smallest zip archive with these files: what is short is stored, the rest deflated. */
function zip(files: Readonly<Record<string, Buffer>>): Buffer {
  const bodies: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const method = content.length > 100 ? 8 : 0;
    const packed = method === 8 ? deflateRawSync(content) : content;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(0, 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const body = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), common, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    entries.push(
      Buffer.concat([Buffer.from("PK\x01\x02\x14\x00", "latin1"), common, rest, Buffer.from(name)]),
    );
    bodies.push(body);
    offset += body.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...bodies, directory, Buffer.from("PK\x05\x06", "latin1"), end]);
}
