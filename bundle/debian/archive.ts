import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { contentKey } from "../../toolchain/cache";
import { CommandError, run } from "../../toolchain/commands";
import { debianSources, sourcesList, wayToTheArchive } from "../../toolchain/debian";
import { architecture } from "../../toolchain/pins";
import { keyringOf } from "../read";
import type { Specification } from "../specification";
import { unfinished, type Workshop } from "../workshop";

/** A package file that apt has verified. */
export interface Deb {
  /** Name of the package. */
  readonly name: string;
  readonly version: string;
  /** Path of the file. */
  readonly file: string;
  /** Where it came from. */
  readonly url: string;
}

/** All packages of the list, and what they depend on, in a folder of its own. */
export type Closure = readonly Deb[];

/**
 * Debian packages from the archives that a list names, by an apt with a root of its own, in which no package is
 * installed: it has the archives' keyrings and the operator's proxies and passwords, and nothing else of this machine.
 * What it downloads stays in the cache, so that no package comes twice.
 */
export class DebianArchive {
  /** Release that the packages are for. */
  readonly suite: string;
  private readonly lines: readonly string[] | undefined;
  private readonly pins: Readonly<Record<string, readonly string[]>>;
  private prepared?: Promise<{ directory: string; original: (url: string) => string }>;

  constructor(
    { suite, sources, pins }: NonNullable<Specification["apt"]>,
    private readonly workshop: Workshop,
  ) {
    this.suite = suite;
    this.pins = pins;
    this.lines = sources?.map((line) => {
      const keyring = keyringOf(line);
      return keyring ? line.replace(keyring, resolve(workshop.directory, keyring)) : line;
    });
  }

  /** Words for the key of what is made of these archives. Where this machine fetches them is not among them. */
  get words(): readonly unknown[] {
    const keyrings = (this.lines ?? []).flatMap((line) => keyringOf(line) ?? []);
    return [
      this.suite,
      this.lines ?? "Debian",
      ...(Object.keys(this.pins).length > 0 ? [this.pins] : []),
      contentKey(keyrings.map((file) => readFileSync(file, "base64"))),
    ];
  }

  /**
   * Fetches packages with all that they depend on; what they merely recommend stays out.
   * @throws CommandError with what apt says.
   */
  closure(packages: readonly string[]): Promise<Closure> {
    return this.workshop.limits.apt.run(async () => {
      const { directory, original } = await this.open();
      const install = (...options: string[]) => this.apt(directory, [...options, "install", ...packages]);
      // With another folder for what has been downloaded, it tells of every package.
      const elsewhere = `Dir::Cache::archives=${join(directory, "none")}`;
      const wanted = (await install("--print-uris", "-qq", "-y", "-o", elsewhere)).split("\n").map((line) => {
        const [, url = "", name = "", sha256 = ""] =
          /^'(\S+)' (\S+) \d+ SHA256:([0-9a-f]{64})$/.exec(line) ?? [];
        if (!url) throw new Error(`apt says what nobody expected: ${line}`);
        return { url, sha256, file: join(directory, "archives", name), name };
      });
      // apt goes by the length alone of what it finds downloaded.
      const damaged = () =>
        wanted
          .filter(({ file, sha256 }) => existsSync(file) && digestOf(file) !== sha256)
          .map(({ file }) => file);
      for (const file of damaged()) rmSync(file);
      await install("--download-only", "-qq", "-y");
      const [wrong] = damaged();
      if (wrong) throw new Error(`${wrong} is not what the archive's index says`);
      return wanted.map(({ url, file, name }) => {
        const [, title = "", version = ""] = /^([^_]+)_([^_]+)_[^_]+\.deb$/.exec(name) ?? [];
        return { name: title, version: decodeURIComponent(version), file, url: original(url) };
      });
    });
  }

  /** A root for apt with the archives' present indices. */
  private open() {
    this.prepared ??= this.prepare();
    return this.prepared;
  }

  private async prepare() {
    const standard = this.lines ? [] : await debianSources(this.suite);
    const lines = this.lines ?? sourcesList(standard);
    const directory = unfinished("apt", contentKey([...lines, preferences(this.pins)].filter(Boolean)));
    for (const folder of ["lists/partial", "archives/partial", "none/partial"])
      mkdirSync(join(directory, folder), { recursive: true });
    writeFileSync(join(directory, "sources.list"), `${lines.join("\n")}\n`);
    writeFileSync(join(directory, "status"), "");
    writeFileSync(join(directory, "preferences"), preferences(this.pins));
    writeFileSync(join(directory, "apt.conf"), await configuration(directory));
    // Without `any`, apt goes on with what it had where an archive does not answer.
    await this.apt(directory, ["-q", "update", "--error-on=any"]);
    const mirrored = standard.filter(({ site, origin }) => site !== origin);
    const original = (url: string) => {
      const mirror = mirrored.find(({ site }) => url.startsWith(`${site}/`));
      return mirror ? mirror.origin + url.slice(mirror.site.length) : url;
    };
    return { directory, original };
  }

  private apt(directory: string, args: readonly string[]): Promise<string> {
    // One at a time, over all runs of the builder; apt's own locks would refuse instead of waiting.
    return run("flock", [join(directory, "flock"), "apt-get", ...args], {
      env: { APT_CONFIG: join(directory, "apt.conf"), LC_ALL: "C" },
    }).catch((error: CommandError) => {
      const said = error.message
        .split("\n")
        .filter((line) => /^(E:|Err:|W:|The following| +\S+ :)/.test(line));
      throw new CommandError(`apt-get ${args.join(" ")} failed:\n${said.join("\n") || error.message}`, {
        cause: error,
      });
    });
  }
}

async function configuration(directory: string): Promise<string> {
  const settings = {
    Dir: "/nonexistent",
    "Dir::State": directory,
    "Dir::State::lists": join(directory, "lists"),
    "Dir::State::status": join(directory, "status"),
    "Dir::Cache": directory,
    "Dir::Cache::archives": join(directory, "archives"),
    "Dir::Etc::main": "/dev/null",
    "Dir::Etc::parts": "/dev/null",
    "Dir::Etc::sourcelist": join(directory, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": join(directory, "preferences"),
    "Dir::Etc::preferencesparts": "/dev/null",
    "Dir::Etc::trusted": "/dev/null",
    "Dir::Etc::trustedparts": "/dev/null",
    // The operator's passwords for archives.
    "Dir::Etc::netrc": "/etc/apt/auth.conf",
    "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
    "Dir::Bin::methods": "/usr/lib/apt/methods",
    "APT::Architecture": architecture.go,
    "APT::Install-Recommends": "false",
    // The cache need not be open to apt's own user.
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "Acquire::ForceHash": "SHA256",
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`);
  return [...(await wayToTheArchive()), ...lines, `APT::Architectures { "${architecture.go}"; };`, ""].join(
    "\n",
  );
}

/** As apt_preferences(5) has it: of the release of a pin, apt takes what the pin names and nothing else. */
const preferences = (pins: Readonly<Record<string, readonly string[]>>): string =>
  Object.entries(pins)
    .flatMap(([release, packages]) => [
      { packages: ["*"], release, priority: -1 },
      { packages, release, priority: 900 },
    ])
    .map(
      ({ packages, release, priority }) =>
        `Package: ${packages.join(" ")}\nPin: release n=${release}\nPin-Priority: ${priority}\n`,
    )
    .join("\n");

const digestOf = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");
