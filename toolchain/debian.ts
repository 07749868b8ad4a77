import { run } from "./commands";

/** Keyring that proves Debian's archive, of the package debian-archive-keyring. */
export const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Where one part of Debian's archive is fetched. */
export interface DebianSource {
  /** For example `bookworm-security`. */
  readonly release: string;
  /** Where this machine fetches it: its own mirror if it has one. */
  readonly site: string;
  /** Where everybody can. */
  readonly origin: string;
}

/** How apt on this machine reaches archives (proxies and the like), as lines of apt.conf(5). */
export async function wayToTheArchive(): Promise<string[]> {
  const configuration = (await run("apt-config", ["dump"])).split("\n");
  return configuration.filter((line) => /^Acquire::(https?::proxy|check-)/i.test(line));
}

/** The archive of a Debian release with its updates, through this machine's mirrors where it has them. */
export async function debianSources(suite: string): Promise<DebianSource[]> {
  const origins = new Map([
    [suite, "http://deb.debian.org/debian"],
    [`${suite}-updates`, "http://deb.debian.org/debian"],
    [`${suite}-security`, "http://deb.debian.org/debian-security"],
  ]);
  const mirrors = new Map<string, string>();
  const query = ["indextargets", "--format", "$(RELEASE) $(SITE) $(ORIGIN)", "Created-By: Packages"];
  for (const line of (await run("apt-get", query)).split("\n")) {
    const [release = "", site = "", origin = ""] = line.split(" ");
    // Others name their releases after Debian's, too.
    if (/^https?:/.test(site) && origin === "Debian") mirrors.set(release, site);
  }
  return [...origins].map(([release, origin]) => ({
    release,
    site: mirrors.get(release) ?? origin,
    origin,
  }));
}

/** Lines of sources.list(5) for {@link debianSources}. */
export const sourcesList = (sources: readonly DebianSource[]): string[] =>
  sources.map(({ release, site }) => `deb [signed-by=${debianKeyring}] ${site} ${release} main`);
