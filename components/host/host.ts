import * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import type { Plan } from "../config/plan";
import type { Configuration, ImageConfiguration } from "../config/schema";
import type { Target } from "../machine/target";
import { BaseImage } from "./image/base-image";
import { Preflight } from "./preflight/preflight";
import { renderDhcpRange } from "./xml";

/** Arguments of {@link Host}. */
export interface HostArgs {
  readonly target: Target;
  readonly config: Configuration;
  readonly plan: Plan;
  /** The guests' image. */
  readonly image: ImageConfiguration;
}

/** The KVM host made ready for machines: checked, with a network, a storage pool and the guests' image. */
export class Host extends pulumi.ComponentResource {
  /** The host, once it has passed its checks. */
  readonly target: Target;
  /** libvirt on the host. */
  readonly provider: libvirt.Provider;
  readonly network: libvirt.Network;
  readonly pool: libvirt.Pool;
  readonly image: BaseImage;

  constructor(name: string, args: HostArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:host:Host", name, {}, options);
    const { config, plan } = args;
    const child = { parent: this };

    const preflight = new Preflight(`${name}-preflight`, args, child);
    this.target = preflight.checked;
    this.provider = new libvirt.Provider(`${name}-libvirt`, { uri: preflight.libvirtUri }, child);
    const onLibvirt = { parent: this, provider: this.provider };

    this.network = new libvirt.Network(
      `${name}-network`,
      {
        name: config.network.name,
        bridge: config.network.name,
        // libvirt routes and adds no rule of its own: what passes is the firewall's business.
        mode: "open",
        addresses: [config.network.cidr],
        dhcp: { enabled: true },
        dns: { enabled: true },
        autostart: true,
        xml: { xslt: renderDhcpRange(config.network.dhcpRange) },
      },
      onLibvirt,
    );
    this.pool = new libvirt.Pool(
      `${name}-pool`,
      { name: config.network.name, type: "dir", target: { path: plan.poolPath } },
      onLibvirt,
    );
    this.image = new BaseImage(
      `${name}-image`,
      { target: this.target, image: args.image, pool: this.pool.name, poolPath: plan.poolPath },
      child,
    );
    this.registerOutputs({ network: this.network.name, pool: this.pool.name, image: this.image.volume });
  }
}
