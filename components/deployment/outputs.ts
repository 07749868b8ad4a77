import * as pulumi from "@pulumi/pulumi";
import type { DnsRecord, Plan, PublicPort } from "../config/plan";
import type { ReleaseName } from "../config/releases";
import type { Configuration, Role } from "../config/schema";
import type { DataServices } from "../data-services/data-services";
import type { Firewall } from "../host/firewall/firewall";
import { planRuleset, renderRuleset } from "../host/firewall/ruleset";
import type { Machine } from "../machine/machine";
import type { Secrets } from "../secrets/secrets";
import type { ReleaseState } from "../wire/wire";
import type { Platform } from "./platform";
import type { makeWickr } from "./wickr";

/** What a stack puts out, as those see it who read it: other stacks, the lab, people. */
export interface StackOutputs {
  readonly domain: string;
  readonly machines: readonly {
    readonly name: string;
    readonly role: Role;
    readonly address: string;
    readonly memoryGiB: number;
    readonly vcpus: number;
    readonly diskGB: number;
    /** Whether it was there before the stack. */
    readonly existing: boolean;
    /** The command by which a person logs in. */
    readonly ssh: string;
  }[];
  /** The gateway is the host's address; null where the machines exist already. */
  readonly network: { readonly name: string; readonly cidr: string; readonly gateway: string | null };
  readonly publicAddress: string;
  /** Address of the machine that carries calls; null where calling is off. */
  readonly callingNode: string | null;
  readonly publicPorts: readonly PublicPort[];
  /** The rules for nft, where the stack is told to make no firewall; else not there. */
  readonly firewallRules?: string;
  readonly dnsRecords: readonly DnsRecord[];
  /** Null without an artifact. */
  readonly assets: {
    readonly url: string;
    readonly registry: string;
    /** Certificate of the authority that has signed the asset host's, in PEM. */
    readonly authority: string;
  } | null;
  /** Where the data services are, and how to log in to them. Secret; null without any. */
  readonly dataServices: pulumi.Unwrap<DataServices["connections"]> | null;
  /** The administrator's. Secret; null without a cluster. */
  readonly kubeconfig: string | null;
  /** Null without charts. */
  readonly wire: {
    /** Public URLs by the first label of their names: `webapp`, `nginz-https`, … */
    readonly urls: Readonly<Record<string, string>>;
    /** Domain that users and conversations belong to. */
    readonly federationDomain: string;
    /** The relays that clients are told of; none where calling is off. */
    readonly turnUris: readonly string[];
    /** The server of conference calls; null where calling is off. */
    readonly sftUrl: string | null;
    /** Commands for a control plane node, by what they do. */
    readonly adminCommands: Readonly<Record<string, string>>;
    readonly releases: Readonly<Partial<Record<ReleaseName, pulumi.Unwrap<ReleaseState>>>>;
  } | null;
  /** The site's place in a mesh, as its peers have to know it; not there where the site is on its own. */
  readonly mesh?: {
    readonly site: string;
    /** Name of the gateway's machine. */
    readonly gateway: string;
    readonly zone: string;
    readonly prefix: string;
    readonly endpoint: string;
    /** The site's certificate, in PEM. */
    readonly certificate: string;
    /** Whether WireGuard is the `kernel`'s or runs in `userspace`. */
    readonly wireguard: string;
  };
  /** Where WebAssembly jobs are sent; not there where there is no Wasimoff. */
  readonly wasimoff?: {
    /** What a browser opens, and clients send to. */
    readonly url: string;
    /** How a machine of one's own joins; null in localhost mode. */
    readonly providerCommand: string | null;
    /** Variables for clients. */
    readonly client: Readonly<Record<string, string>>;
    /** Secret; null where none is asked for. */
    readonly token: string | null;
  };
  /** Not there in a stack without Wickr. */
  readonly wickr?: {
    readonly hostname: string;
    /** Address that clients reach. */
    readonly address: string;
    /** UUID of the encrypted disk. */
    readonly volume: string;
    /** What opens the disk, as somebody types it. Secret. */
    readonly diskKey: string;
  };
  readonly sshUser: string;
  readonly sshPublicKey: string;
  /** Secret. */
  readonly sshPrivateKey: string;
  /** Private key, in PEM, that opens the backups. Secret. */
  readonly backupKey: string;
  /** What the server of `backup.offHost` has to let in, a line of `authorized_keys`; not there without one. */
  readonly offHostPublicKey?: string;
}

/** A value any part of which may be an output still. */
type Pending<T> = pulumi.Input<T> | (T extends object ? { readonly [K in keyof T]: Pending<T[K]> } : T);

/** What index.ts exports: {@link StackOutputs} before the run has made them. */
export type PendingOutputs = { readonly [K in keyof StackOutputs]: Pending<StackOutputs[K]> };

/** What {@link stackOutputs} reads. */
export interface Made {
  readonly config: Configuration;
  readonly plan: Plan;
  readonly secrets: Secrets;
  /** Undefined where somebody else makes it. */
  readonly firewall: Firewall | undefined;
  readonly machines: readonly Machine[];
  /** Undefined without an artifact. */
  readonly platform: Platform | undefined;
  /** Undefined in a stack without Wickr. */
  readonly wickr: ReturnType<typeof makeWickr>;
}

/** What other stacks and people get to know; examples/consumer shows how to read it. */
export const stackOutputs = ({
  config,
  plan,
  secrets,
  firewall,
  machines,
  platform,
  wickr,
}: Made): PendingOutputs => ({
  domain: config.domain,
  machines: machines.map(({ plan: machine, sshCommand, address }) => ({
    name: machine.name,
    role: machine.role,
    address,
    memoryGiB: machine.memoryGiB,
    vcpus: machine.vcpus,
    diskGB: machine.diskGB,
    existing: machine.existing !== undefined,
    ssh: sshCommand,
  })),
  network: { name: config.network.name, cidr: config.network.cidr, gateway: plan.gateway ?? null },
  publicAddress: config.firewall.publicAddress,
  callingNode: plan.callingNode?.address ?? null,
  ...(firewall
    ? { publicPorts: firewall.applied.apply(() => plan.publicPorts) }
    : { publicPorts: plan.publicPorts, firewallRules: renderRuleset(planRuleset(config, plan)) }),
  dnsRecords: plan.dnsRecords,
  ...platformOutputs(secrets, platform),
  ...(plan.mesh && platform?.mesh
    ? {
        mesh: {
          site: config.mesh?.site ?? "",
          gateway: plan.mesh.gateway,
          ...plan.mesh.site,
          certificate: platform.mesh.certificate,
          wireguard: platform.mesh.wireguard,
        },
      }
    : {}),
  ...(platform?.wasimoff
    ? {
        wasimoff: {
          url: platform.wasimoff.url,
          providerCommand: platform.wasimoff.providerCommand,
          client: platform.wasimoff.client,
          token: platform.wasimoff.token,
        },
      }
    : {}),
  ...(plan.wickr && wickr
    ? {
        wickr: {
          hostname: plan.wickr.hostname,
          address: plan.wickr.address,
          volume: wickr.wickr.volume,
          diskKey: wickr.diskKey.apply((key) => key.trimEnd()),
        },
      }
    : {}),
  sshUser: config.ssh.user,
  sshPublicKey: secrets.ssh.publicKey,
  sshPrivateKey: secrets.ssh.privateKey,
  backupKey: secrets.backups.privateKey,
  ...(platform?.offHost ? { offHostPublicKey: platform.offHost.publicKey } : {}),
});

function platformOutputs(
  { authority }: Secrets,
  platform: Platform | undefined,
): Pick<PendingOutputs, "assets" | "dataServices" | "kubeconfig" | "wire"> {
  if (!platform) return { assets: null, dataServices: null, kubeconfig: null, wire: null };
  const { artifact, cluster, dataServices, wire } = platform;
  return {
    assets: {
      url: artifact.assetHost.url,
      registry: artifact.registry.mirror.address,
      authority: authority.certificate,
    },
    dataServices: dataServices ? pulumi.secret(dataServices.connections) : null,
    kubeconfig: cluster?.kubeconfig ?? null,
    wire: wire
      ? {
          urls: wire.urls,
          federationDomain: wire.federationDomain,
          turnUris: wire.turnUris,
          sftUrl: wire.sftUrl ?? null,
          adminCommands: wire.adminCommands,
          releases: wire.releases,
        }
      : null,
  };
}
