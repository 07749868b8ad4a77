import * as pulumi from "@pulumi/pulumi";
import type { AssetHost } from "../artifact/asset-host/asset-host";
import { install } from "../artifact/installation/installation";
import type { MeshPlan } from "../config/mesh";
import { loadScript, runScript, type ScriptRun } from "../machine/script";
import type { Target } from "../machine/target";
import {
  directories,
  meshInterfaces,
  meshTable,
  renderCorefile,
  renderKeySettings,
  renderSettings,
} from "./files";
import { issueCertificate } from "./issue";
import type { MeshProgramsPlan } from "./plan";

/** Who a site is, in PEM. */
export interface MeshIdentity {
  /** Certificates of the authorities that sites are believed by. */
  readonly authority: string;
  /** The authority's revocation list; empty where nothing is revoked. */
  readonly revocations: pulumi.Input<string>;
  /** What the site was given, or who gives it a certificate for a key that the gateway makes. */
  readonly own:
    | { readonly certificate: string; readonly privateKey: pulumi.Output<string> }
    | { readonly authorityKey: pulumi.Output<string>; readonly at: Date };
}

/** Arguments of {@link Mesh}. */
export interface MeshArgs {
  readonly plan: MeshPlan;
  readonly programs: MeshProgramsPlan;
  /** The gateway's machine, with its supplies. */
  readonly target: Target;
  /** IPv4 address of the gateway in the site's own network. */
  readonly address: string;
  readonly assetHost: Pick<AssetHost, "url">;
  readonly identity: MeshIdentity;
}

/** What keys.sh prints. */
interface Keys {
  readonly publicKeys: readonly string[];
  /** Asks for a certificate, in PEM. */
  readonly request: string;
}

/**
 * The gateway of a site in a mesh (docs/mesh.md): what it offers to other sites, by name, and the tunnels to them. The private
 * keys of the tunnels are made on the gateway and stay there; the state has their public keys.
 */
export class Mesh extends pulumi.ComponentResource {
  /** Whether WireGuard is the kernel's or runs in user space. */
  readonly wireguard: pulumi.Output<string>;
  /** The site's certificate, in PEM. */
  readonly certificate: pulumi.Output<string>;
  /** The gateway's machine once the gateway runs. */
  readonly target: Target;

  constructor(name: string, args: MeshArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:mesh:Mesh", name, {}, options);
    const child = { parent: this };
    const { plan, programs, identity } = args;
    const { own } = identity;
    const installed = install(`${name}-programs`, programs.installation, args, child);
    const made =
      "certificate" in own
        ? { certificate: pulumi.output(own.certificate), privateKey: own.privateKey }
        : { certificate: this.issue(`${name}-keys`, installed, args, own), privateKey: "" };
    const gateway = runScript(
      `${name}-gateway`,
      {
        target: installed,
        script: loadScript(__dirname, "gateway.sh"),
        parameters: {
          ...gatewayParameters(plan, programs, args.address),
          CERTIFICATE: made.certificate,
          PRIVATE_KEY: made.privateKey,
          AUTHORITY: identity.authority,
          REVOCATIONS: identity.revocations,
        },
        removes: true,
      },
      child,
    );
    this.wireguard = gateway.stdout.apply((text) => /^wireguard: (.*)$/m.exec(text)?.[1] ?? "");
    this.certificate = made.certificate;
    this.target = { ...installed, after: [...(installed.after ?? []), gateway] };
    this.registerOutputs({ wireguard: this.wireguard });
  }

  /** A certificate for the key that the gateway has made. */
  private issue(
    name: string,
    target: Target,
    { plan, programs, identity }: MeshArgs,
    { authorityKey, at }: { readonly authorityKey: pulumi.Output<string>; readonly at: Date },
  ): pulumi.Output<string> {
    const keys = runScript(
      name,
      {
        target,
        script: loadScript(__dirname, "keys.sh"),
        parameters: {
          MESH: programs.mesh,
          SETTINGS: renderKeySettings(plan),
          DIRECTORY: directories.settings,
          STATE: directories.state,
        },
        removes: true,
      },
      { parent: this },
    );
    // A certificate is no secret, though the key that signs it is.
    return pulumi.unsecret(
      pulumi.all([keys.stdout, authorityKey]).apply(([text, privateKey]) => {
        const { request } = JSON.parse(text) as Keys;
        return issueCertificate(request, plan.site, { certificate: identity.authority, privateKey }, at);
      }),
    );
  }
}

/** Has a machine of the site ask the gateway, by its IPv4 address, for names of the mesh, and go through it to them. */
export const resolveBy = (
  name: string,
  { domain, ipv4Network }: Pick<MeshPlan, "domain" | "ipv4Network">,
  gateway: string,
  target: Target,
  mesh: Mesh,
): ScriptRun =>
  runScript(
    name,
    {
      // Not before there is somebody to ask.
      target: { ...target, after: [...(target.after ?? []), ...(mesh.target.after ?? [])] },
      script: loadScript(__dirname, "resolve.sh"),
      parameters: { DOMAIN: domain, GATEWAY: gateway, NETWORK: ipv4Network },
      removes: true,
    },
    { parent: mesh },
  );

/** The parameters of gateway.sh, but for the site's identity. */
export const gatewayParameters = (
  plan: MeshPlan,
  { mesh, coredns }: Pick<MeshProgramsPlan, "mesh" | "coredns">,
  address: string,
) => ({
  MESH: mesh,
  COREDNS: coredns,
  SETTINGS: renderSettings(plan),
  COREFILE: renderCorefile(plan, address),
  LASTING: `${JSON.stringify([plan.site.zone, plan.site.prefix, plan.port, plan.mtu])}\n`,
  INTERFACES: meshInterfaces.join(" "),
  TABLE: meshTable,
  PREFIX: plan.site.prefix,
  NETWORK: plan.ipv4Network,
  DIRECTORY: directories.settings,
  STATE: directories.state,
});
