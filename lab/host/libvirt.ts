import { existsSync, readFileSync } from "node:fs";
import { asRoot, run, succeeds, waitUntil } from "../../toolchain/commands";
import { hasSystemd } from "./facts";
import { endStartedProcesses, recordProcess, startedProcesses } from "./processes";

const connection = ["-c", "qemu:///system"];

/** Whether libvirt's system daemon answers this user. */
export function libvirtAnswers(): Promise<boolean> {
  return succeeds("virsh", [...connection, "version"]);
}

/** What starting libvirt will do here, for saying so beforehand. */
export function describeStart(): string {
  return hasSystemd()
    ? "libvirtd and virtlogd, now and at boot (systemctl enable --now)"
    : "virtlogd and libvirtd as plain processes, since no systemd runs here; `npm run lab:destroy` ends them";
}

/**
 * Starts libvirt's daemons and waits until they answer. No network is started: libvirt itself starts
 * those that are marked so, which Debian's `default` network is not.
 */
export async function startLibvirt(): Promise<void> {
  if (hasSystemd()) {
    await asRoot("systemctl", ["enable", "--now", "libvirtd.service", "virtlogd.socket"]);
  } else {
    for (const daemon of ["virtlogd", "libvirtd"]) {
      const pidFile = `/run/${daemon}.pid`;
      if (daemonRuns(daemon, pidFile)) continue;
      await asRoot(daemon, ["--daemon", "--pid-file", pidFile]);
      recordProcess(daemon, Number(readFileSync(pidFile, "utf8")));
    }
  }
  await waitUntil("libvirt answers root", 60, () => rootIsAnswered(), lastWords);
}

function daemonRuns(daemon: string, pidFile: string): boolean {
  if (!existsSync(pidFile)) return false;
  const command = `/proc/${readFileSync(pidFile, "utf8").trim()}/comm`;
  return existsSync(command) && readFileSync(command, "utf8").trim() === daemon;
}

async function rootIsAnswered(): Promise<boolean> {
  return asRoot("virsh", [...connection, "version"]).then(
    () => true,
    () => false,
  );
}

async function lastWords(): Promise<string> {
  return run("virsh", [...connection, "version"]).catch((error: Error) => error.message);
}

/** The domains and networks that run. @throws CommandError if libvirt does not answer. */
async function inUse(): Promise<readonly string[]> {
  const domains = await asRoot("virsh", [...connection, "list", "--name"]);
  const networks = await asRoot("virsh", [...connection, "net-list", "--name"]);
  return `${domains}\n${networks}`.split("\n").filter((name) => name.trim() !== "");
}

/**
 * Takes away the table in which libvirt filters what machines send (by ebtables), which stays behind empty. Nothing is
 * touched while any domain or network runs, nor if the table has a rule, a chain of somebody's or another policy.
 * @returns what was taken away; undefined if nothing was.
 */
export async function removeEmptyFilter(): Promise<string | undefined> {
  if ((await inUse().catch(() => ["libvirt does not answer"])).length > 0) return undefined;
  // Fails where there is no such table.
  const listed = await asRoot("nft", ["--json", "list", "table", "bridge", "nat"]).catch(() => undefined);
  if (listed === undefined) return undefined;
  const { nftables }: { nftables: readonly Record<string, { readonly policy?: string }>[] } =
    JSON.parse(listed);
  const isNothing = (part: (typeof nftables)[number]) =>
    part.metainfo ?? part.table ?? part.chain?.policy === "accept";
  if (!nftables.every(isNothing)) return undefined;
  await asRoot("nft", ["delete", "table", "bridge", "nat"]);
  return "took away libvirt's table bridge nat, which was empty";
}

/**
 * Ends the daemons that {@link startLibvirt} started as plain processes, unless somebody else has come
 * to use them: while any domain or network runs they stay, and the reason is returned.
 */
export async function stopLibvirt(): Promise<string | undefined> {
  if (startedProcesses().length === 0) return undefined;
  const users = await inUse();
  if (users.length > 0) return `libvirt keeps running, it is in use by ${users.join(", ")}`;
  await endStartedProcesses();
  return undefined;
}
