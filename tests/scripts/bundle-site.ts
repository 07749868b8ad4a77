import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, dirname, join } from "node:path";
import { helmSource } from "../../bundle/charts/helm";
import { buildGo } from "../../bundle/sources/program";
import { Workshop } from "../../bundle/workshop";
import { listen, stop } from "../fixtures/http-server";

/** Runs a program to its end. @returns what it wrote to its standard output. */
export const sh = (script: string, cwd?: string): string =>
  execFileSync("bash", ["-euo", "pipefail", "-c", script], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });

/** Writes files below a folder, by their path. */
export function write(folder: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/** The content of every file below a folder as a checksum, and its mode, by path. */
export function contentOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => !entry.isDirectory(),
  );
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((file) => [
        file.slice(folder.length + 1),
        `${(statSync(file).mode & 0o777).toString(8)} ${createHash("sha256").update(readFileSync(file)).digest("hex")}`,
      ]),
  );
}

/** A web server on loopback that serves a folder, remembers who asked for what, and can misbehave. */
export class Site {
  readonly requests: string[] = [];
  /** Paths whose next answers break off after so many bytes. */
  readonly truncated = new Map<string, number>();
  /** Paths whose answers never go beyond their first byte. */
  readonly stalled = new Set<string>();
  private readonly server: Server;

  constructor(readonly folder: string) {
    this.server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url ?? "", "http://site").pathname);
      const file = join(folder, path);
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      this.requests.push(`${path}${from > 0 ? ` from ${from}` : ""}`);
      if (!existsSync(file) || statSync(file).isDirectory()) return response.writeHead(404).end();
      const content = readFileSync(file);
      if (from >= content.length && from > 0) return response.writeHead(416).end();
      response.writeHead(from > 0 ? 206 : 200, {
        "content-length": content.length - from,
        ...(from > 0 && { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` }),
      });
      const limit = this.truncated.get(path);
      this.truncated.delete(path);
      if (this.stalled.has(path)) return response.write(content.subarray(from, from + 1));
      if (limit === undefined) return response.end(content.subarray(from));
      response.write(content.subarray(from, from + limit), () => response.destroy());
    });
  }

  async start(): Promise<this> {
    await listen(this.server);
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    await stop(this.server);
  }
}

/**
 * Makes a Debian archive of small packages in a folder. In bookworm: `wiab-hello`, which depends on `wiab-lib` with an
 * epoch in its version and recommends `wiab-extra`. In sid: `wiab-java`, which depends on the same, and a newer
 * `wiab-lib`. @returns its key, in ASCII armour.
 */
export function debianArchive(folder: string): string {
  const control = (name: string, version: string, fields: string) =>
    `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: Test <test@example.com>\n${fields}Description: for a test\n`;
  const suites = {
    bookworm: {
      "wiab-hello": control("wiab-hello", "1.0", "Depends: wiab-lib (>= 1:2)\nRecommends: wiab-extra\n"),
      "wiab-lib": control("wiab-lib", "1:2.0+b1", ""),
      "wiab-extra": control("wiab-extra", "1.0", ""),
    },
    sid: {
      "wiab-java": control("wiab-java", "1:8u1", "Depends: wiab-lib\n"),
      "wiab-lib": control("wiab-lib", "1:3.0", ""),
    },
  };
  const gnupg = join(folder, "gnupg");
  mkdirSync(gnupg, { mode: 0o700 });
  const gpg = `gpg --homedir ${gnupg} --batch --quiet --pinentry-mode loopback --passphrase ''`;
  sh(`${gpg} --quick-generate-key test ed25519 sign never`);
  for (const [suite, packages] of Object.entries(suites)) {
    const pool = suite === "bookworm" ? "pool" : `pool-${suite}`;
    for (const [name, text] of Object.entries(packages)) {
      write(folder, {
        [`build/${name}/DEBIAN/control`]: text,
        [`build/${name}/usr/share/${name}/file`]: `${name}\n`,
      });
      sh(
        `mkdir -p ${pool}; dpkg-deb --root-owner-group -b build/${name} ${pool}/${name}.deb >/dev/null`,
        folder,
      );
    }
    sh(
      `mkdir -p dists/${suite}/main/binary-amd64
       apt-ftparchive packages ${pool} >dists/${suite}/main/binary-amd64/Packages
       apt-ftparchive -o APT::FTPArchive::Release::Codename=${suite} release dists/${suite} >Release
       ${gpg} --output dists/${suite}/InRelease --clearsign Release
       rm -r build Release`,
      folder,
    );
  }
  sh(
    `${gpg} --armor --export >key.asc
     gpgconf --homedir ${gnupg} --kill gpg-agent
     rm -r gnupg`,
    folder,
  );
  return readFileSync(join(folder, "key.asc"), "utf8");
}

/** What a run of the builder came to. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The builder as people call it, with a cache and a key of the test's own. */
export class Builder {
  constructor(private readonly root: string) {}

  /** Starts it. Its process leads a group, so that a test can end all of it at once. */
  start(
    cache: string,
    args: readonly string[],
    prefix: readonly string[] = [],
  ): { child: ChildProcess; ended: Promise<Run> } {
    const [command = "", ...rest] = [...prefix, "sh", "toolchain/run.sh", "bundle/build.ts", ...args];
    const child = spawn(command, rest, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, WIAB_CACHE: join(this.root, cache), XDG_CONFIG_HOME: join(this.root, "config") },
    });
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    const ended = new Promise<Run>((resolve) =>
      child.on("close", (code) => resolve({ code, stdout, stderr })),
    );
    return { child, ended };
  }

  run(cache: string, args: readonly string[], prefix?: readonly string[]): Promise<Run> {
    return this.start(cache, args, prefix).ended;
  }

  /**
   * Puts Helm into a cache: a tool, the same for all, whose own building takes minutes the first time.
   */
  async withHelm(cache: string): Promise<void> {
    const part = dirname(await buildGo(helmSource, new Workshop(this.root, false)));
    const folder = join(this.root, cache, "bundle-part");
    mkdirSync(folder, { recursive: true });
    sh(`cp -r '${part}' '${join(folder, basename(part))}'`);
  }
}

/** Unpacks the archives of a bundle beside each other. */
export function unpack(bundle: string, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const name of readdirSync(bundle).filter((file) => file.endsWith(".tar")))
    sh(`tar -C '${folder}' -xf '${join(bundle, name)}'`);
}
