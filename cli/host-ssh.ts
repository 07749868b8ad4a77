import type { z } from "zod";
import { hostSsh } from "../components/config/ssh-schema";
import { shellQuote } from "../components/machine/script";
import { run } from "../toolchain/commands";
import type { Virsh } from "./half-made";

/** How a KVM host is reached: `host.ssh` of a stack's configuration. */
export type HostSsh = z.infer<typeof hostSsh>;

/**
 * Reads `host.ssh` where no other rule has seen it yet: all of it goes into a command line.
 * @throws Error that names the key.
 */
export function hostSshIn(value: unknown): HostSsh {
  const { data, error } = hostSsh.safeParse(value);
  if (data) return data;
  const problems = error.issues.map(({ path, message }) => `${["host.ssh", ...path].join(".")} ${message}`);
  throw new Error(`${problems.join("\n")}\nnothing was changed`);
}

/**
 * The command that logs in to a host; what to run there follows. With a `hostKey` the server has to prove that one, whatever
 * the workstation's `known_hosts` says. Without it a key that `known_hosts` has is insisted on, and a new one believed.
 */
export function sshTo({ address, user, port, privateKeyFile, hostKey }: HostSsh): string[] {
  const [type, key] = hostKey?.split(" ") ?? [];
  const options = hostKey
    ? [
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        `HostKeyAlgorithms=${type}`,
        // A command that prints the line spares a file; %H is the name that is looked for.
        `KnownHostsCommand=/usr/bin/env echo %H ${type} ${key}`,
      ]
    : ["StrictHostKeyChecking=accept-new"];
  return [
    "ssh",
    ...[...options, "ServerAliveInterval=15"].flatMap((option) => ["-o", option]),
    ...(privateKeyFile ? ["-i", privateKeyFile] : []),
    ...["-p", `${port}`, `${user}@${address}`],
  ];
}

/** Asks libvirt on the host, through SSH if it is another machine, for a workstation need not have its client. */
export function virshOn(ssh: HostSsh | undefined): Virsh {
  const virsh = ["virsh", "--connect", "qemu:///system"];
  const [command = "", ...before] = ssh ? [...sshTo(ssh), ...virsh] : virsh;
  return (...args) => run(command, [...before, ...(ssh ? args.map(shellQuote) : args)]);
}
