import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withKeys } from "./agent";
import type { StackRecord } from "./record";
import { Remote } from "./remote";

/** Where a script of the program ran, as the state has it (components/machine/target.ts). */
export interface Connection {
  readonly host: string;
  readonly port?: number;
  readonly user?: string;
  readonly privateKey?: string;
  /** What its SSH server has to prove; undefined for a machine whose key nobody has given. */
  readonly hostKey?: string;
  readonly proxy?: Connection;
}

/** The KVM host's name among those of machines, which have no dot. */
const hostAlias = "kvm.host";

/** The name of the machine that has the firewall, where that is another one than the host. */
const gatewayAlias = "gateway.host";

/** Ways to a stack's host and machines. */
export interface Reach {
  readonly host: Remote;
  /** What has the firewall, where it is not the host. */
  readonly gateway?: Remote;
  /** @throws Error for a name that no machine has. */
  readonly machine: (name: string) => Remote;
  /** Any other machine, logged in to with the operator's own keys: `user@address` or `ssh://user@address:port`. */
  readonly other: (destination: string) => Remote;
}

/** What of a stack's state tells how its machines are reached. */
interface Reachable extends Pick<StackRecord, "resources"> {
  readonly outputs: {
    readonly machines: readonly { readonly name: string }[];
    readonly network?: { readonly name: string };
  };
}

/**
 * The connections that a stack's scripts were run by: of the host (undefined where it is this machine), of the gateway
 * (undefined where the firewall is the host's, or somebody else's), and by machine.
 */
export function connectionsIn({ resources, outputs }: Reachable) {
  const inputsOf = (name: string) => resources.find((resource) => resource.name === name)?.inputs;
  const host: Connection | undefined = inputsOf("host-preflight-host")?.connection;
  const firewall: Connection | undefined = inputsOf(`firewall-${outputs.network?.name}`)?.connection;
  return {
    host,
    gateway: firewall?.host === host?.host ? undefined : firewall,
    machines: new Map<string, Connection>(
      outputs.machines.flatMap(({ name }) => {
        const connection = inputsOf(`${name}-login`)?.connection;
        return connection ? [[name, connection]] : [];
      }),
    ),
  };
}

/** SSH's configuration for connections: a host each, the key checked where it is known. */
export function renderSshConfig(
  connections: ReadonlyMap<string, Connection>,
  { knownHosts, agent }: { readonly knownHosts: string; readonly agent: string },
): { readonly config: string; readonly known: string } {
  const hosts = [...connections].map(
    ([name, { host, port = 22, user = "root", privateKey, hostKey, proxy }]) => [
      `Host ${name}`,
      `  HostName ${host}`,
      `  Port ${port}`,
      `  User ${user}`,
      ...(privateKey ? [`  IdentityAgent ${agent}`] : []),
      ...(proxy ? [`  ProxyJump ${hostAlias}`] : []),
      ...hostKeyOptions(name, hostKey, knownHosts),
    ],
  );
  const common = ["Host *", "  BatchMode yes", "  LogLevel ERROR", "  ConnectTimeout 15"];
  const alive = ["  ServerAliveInterval 5", "  ServerAliveCountMax 3"];
  const known = [...connections].flatMap(([name, { hostKey }]) => (hostKey ? [`${name} ${hostKey}`] : []));
  return {
    config: `${[...hosts.flat(), ...common, ...alive].join("\n")}\n`,
    known: `${known.join("\n")}\n`,
  };
}

/**
 * A key that is known is insisted on. Without one, a host's is that of the operator's own `known_hosts`, and a machine's
 * nobody has said, in runs of the program either.
 */
function hostKeyOptions(name: string, hostKey: string | undefined, knownHosts: string): string[] {
  if (hostKey)
    return [
      `  HostKeyAlias ${name}`,
      "  StrictHostKeyChecking yes",
      `  UserKnownHostsFile ${knownHosts}`,
      "  GlobalKnownHostsFile /dev/null",
    ];
  if (name === hostAlias || name === gatewayAlias) return ["  StrictHostKeyChecking accept-new"];
  return ["  StrictHostKeyChecking no", "  UserKnownHostsFile /dev/null"];
}

/** Does something with the ways to a stack's machines; the keys are in an agent that ends with it. */
export async function withReach<T>(record: Reachable, work: (reach: Reach) => Promise<T>): Promise<T> {
  const { host, gateway, machines } = connectionsIn(record);
  const proxy = [...machines.values()].find((connection) => connection.proxy)?.proxy;
  const jump = host ?? proxy;
  const all = new Map([
    ...machines,
    ...(jump ? ([[hostAlias, jump]] as const) : []),
    ...(gateway ? ([[gatewayAlias, gateway]] as const) : []),
  ]);
  const keys = new Set([...all.values()].flatMap(({ privateKey }) => (privateKey ? [privateKey] : [])));
  const folder = mkdtempSync(join(tmpdir(), "wiab-reach-"));
  try {
    return await withKeys([...keys], async ({ SSH_AUTH_SOCK }) => {
      const [file, knownHosts] = [join(folder, "config"), join(folder, "known_hosts")];
      const { config, known } = renderSshConfig(all, { knownHosts, agent: `${SSH_AUTH_SOCK}` });
      writeFileSync(file, config);
      writeFileSync(knownHosts, known);
      const ssh = (name: string) => ["ssh", "-F", file, name];
      return work({
        host: new Remote("the host", host ? ssh(hostAlias) : []),
        ...(gateway && { gateway: new Remote("the gateway", ssh(gatewayAlias)) }),
        machine: (name) => {
          if (!all.has(name)) throw new Error(`there is no machine ${name}`);
          return new Remote(name, ssh(name));
        },
        other: (destination) => new Remote(destination, ["ssh", "-o", "BatchMode=yes", destination]),
      });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
