import { asRoot, run } from "../../toolchain/commands";

/** Debian packages that the lab needs, by the names that Debian and Ubuntu share, each with its use. */
export const hostPackages: Readonly<Record<string, string>> = {
  "qemu-system-x86": "runs the virtual machines",
  "qemu-utils": "makes their disks",
  "libvirt-daemon-system": "manages them",
  "libvirt-clients": "asks libvirt about them",
  "dnsmasq-base": "gives them addresses",
  nftables: "the lab's firewall",
  iproute2: "the lab's public address",
  "openssh-client": "reaches them",
  genisoimage: "writes their cloud-init disks",
  xsltproc: "adjusts what the libvirt provider hands to libvirt",
  mmdebstrap: "builds their system",
  "debian-archive-keyring": "proves that system's packages",
  e2fsprogs: "makes its file system",
  skopeo: "fills the image registry",
  chrony: "gives the machines the time",
};

/** What `npm run lab:verify` needs besides: a browser, a place for authorities that it trusts, and a client. */
export const verifyPackages: readonly string[] = ["chromium", "curl", "libnss3-tools"];

/** Installs those of the packages that are missing, and says so: `purpose` is what they are for. */
export async function ensurePackages(purpose: string, names: readonly string[]): Promise<void> {
  const missing = await missingPackages(names);
  if (missing.length === 0) return;
  console.log(`installing ${purpose}: ${missing.join(", ")}`);
  await installPackages(missing, () => {});
}

/** The subset of `names` that is not installed. */
export async function missingPackages(names: readonly string[]): Promise<string[]> {
  // A name that dpkg has never heard of makes it exit with 1; what it prints is right all the same.
  const script = 'format=$1; shift; dpkg-query -W -f "$format" -- "$@" 2>/dev/null || true';
  // biome-ignore lint/suspicious/noTemplateCurlyInString: these are dpkg's own placeholders
  const output = await run("sh", ["-c", script, "sh", "${Package} ${db:Status-Status}\n", ...names]);
  const installed = new Set(
    output
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.split(" ")[0]),
  );
  return names.filter((name) => !installed.has(name));
}

/** Seconds that apt waits for another package manager (such as unattended-upgrades) to finish. */
const lockTimeoutSeconds = 900;

/**
 * Installs packages without the ones they merely recommend, and upgrades nothing that they do not
 * require. Waits for a package manager that is at work.
 * @throws CommandError with apt's last lines.
 */
export async function installPackages(
  names: readonly string[],
  onLine: (line: string) => void,
): Promise<void> {
  const apt = (...args: string[]) =>
    asRoot(
      "env",
      [
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-o",
        `DPkg::Lock::Timeout=${lockTimeoutSeconds}`,
        ...args,
      ],
      { onLine },
    );
  // A source of the operator's that does not answer must not stop us: the install tells whether it mattered.
  await apt("-q", "update").catch((error: Error) => onLine(`apt-get update: ${error.message}`));
  await apt("-q", "install", "--yes", "--no-install-recommends", ...names);
}
