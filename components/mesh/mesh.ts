import * as pulumi from "@pulumi/pulumi";
import type { AssetHost } from "../artifact/asset-host/asset-host";
import { install } from "../artifact/installation/installation";
import type { MeshPlan } from "../config/mesh";
import { loadScript, runScript } from "../machine/script";
import type { Target } from "../machine/target";
import { directories, meshInterface, renderCorefile, renderSettings, renderZone } from "./files";
import type { MeshProgramsPlan } from "./plan";

/** Who a site is, in PEM. */
export interface MeshIdentity {
  readonly certificate: string;
  readonly privateKey: pulumi.Output<string>;
  /** Certificates of the authorities that sites are believed by. */
  readonly authority: string;
  /** The authority's revocation list. @default nothing is revoked */
  readonly revocations?: string | undefined;
}

/** Arguments of {@link Mesh}. */
export interface MeshArgs {
  readonly plan: MeshPlan;
  readonly programs: MeshProgramsPlan;
  /** The gateway's machine, with its supplies. */
  readonly target: Target;
  readonly assetHost: Pick<AssetHost, "url">;
  readonly identity: MeshIdentity;
}

/**
 * The gateway of a site in a mesh (docs/mesh.md): what it offers to other sites, by name, and the tunnels to them. The private
 * key of the tunnels is made on the gateway and stays there; the state has its public key.
 */
export class Mesh extends pulumi.ComponentResource {
  /** Public key of the site's tunnels, in base64. */
  readonly publicKey: pulumi.Output<string>;
  /** Whether WireGuard is the kernel's or runs in user space. */
  readonly wireguard: pulumi.Output<string>;

  constructor(name: string, args: MeshArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:mesh:Mesh", name, {}, options);
    const child = { parent: this };
    const { plan, programs, identity } = args;
    const gateway = runScript(
      `${name}-gateway`,
      {
        target: install(`${name}-programs`, programs.installation, args, child),
        script: loadScript(__dirname, "gateway.sh"),
        parameters: {
          ...gatewayParameters(plan, programs),
          CERTIFICATE: identity.certificate,
          PRIVATE_KEY: identity.privateKey,
          AUTHORITY: identity.authority,
          REVOCATIONS: identity.revocations ?? "",
        },
        removes: true,
      },
      child,
    );
    const said = (what: string) =>
      gateway.stdout.apply((text) => new RegExp(`^${what}: (.*)$`, "m").exec(text)?.[1] ?? "");
    this.publicKey = said("public key");
    this.wireguard = said("wireguard");
    this.registerOutputs({ publicKey: this.publicKey, wireguard: this.wireguard });
  }
}

/** The parameters of gateway.sh, but for the site's identity. */
export const gatewayParameters = (
  plan: MeshPlan,
  { mesh, coredns }: Pick<MeshProgramsPlan, "mesh" | "coredns">,
) => ({
  MESH: mesh,
  COREDNS: coredns,
  SETTINGS: renderSettings(plan),
  COREFILE: renderCorefile(plan),
  ZONE_FILE: renderZone(plan),
  LASTING: `${JSON.stringify([plan.site.zone, plan.site.prefix, plan.port, plan.mtu])}\n`,
  INTERFACE: meshInterface,
  PREFIX: plan.site.prefix,
  DIRECTORY: directories.settings,
  STATE: directories.state,
});
