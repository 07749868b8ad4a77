import { createHmac } from "node:crypto";
import { knownHostsFile } from "../config/schema";
import type { Problem, Sections } from "./problem";
import type { Surroundings } from "./surroundings";

/** libvirt's provider takes a host's key from the workstation's file alone: it has to be there, and no other one. */
export function knownHostRules(
  { host: { ssh, hypervisor } }: Sections<"host">,
  { readText }: Surroundings,
): Problem[] {
  if (!ssh?.hostKey || hypervisor === "none") return [];
  const name = ssh.port === 22 ? ssh.address : `[${ssh.address}]:${ssh.port}`;
  const wanted = withoutComment(ssh.hostKey);
  let text = "";
  try {
    text = readText(`~/${knownHostsFile}`);
  } catch {
    // As good as empty: the same line has to go into it.
  }
  const keys = knownKeys(text, name);
  if (keys.includes(wanted)) return [];
  const others = keys.some((key) => key.startsWith("ssh-ed25519 "));
  return [
    {
      key: "host.ssh.hostKey",
      message: others
        ? `is not the key that ~/${knownHostsFile} has for the host: one of them is wrong, or somebody is in the host's place`
        : `is not in ~/${knownHostsFile}, which libvirt's connection is checked by; append the line: ${name} ${wanted}`,
    },
  ];
}

/** The keys that a known_hosts file has for a name, without their comments; other forms of patterns are passed over. */
export const knownKeys = (text: string, name: string): string[] =>
  text.split("\n").flatMap((line) => {
    const [hosts = "", ...key] = line.trim().split(/\s+/);
    return hosts.split(",").some((host) => host === name || isHashOf(host, name))
      ? [withoutComment(key.join(" "))]
      : [];
  });

/** `|1|salt|hash`, as `HashKnownHosts` has OpenSSH write names. */
function isHashOf(host: string, name: string): boolean {
  const [, version, salt, hash] = host.split("|");
  if (version !== "1" || salt === undefined) return false;
  return createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest("base64") === hash;
}

const withoutComment = (key: string): string => key.split(" ").slice(0, 2).join(" ");
