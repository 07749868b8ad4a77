import type { MeshPlan } from "../../../components/config/mesh";
import { directories, renderKeySettings } from "../../../components/mesh/files";
import { type Authority, issueCertificate } from "../../../components/mesh/issue";
import { gatewayParameters } from "../../../components/mesh/mesh";
import type { Box } from "./box";

/** The programs of a gateway, by their paths. */
export interface MeshPrograms {
  readonly mesh: string;
  readonly coredns: string;
}

/** What the gateway's program says of a peer. */
export interface PeerStatus {
  readonly zone: string;
  readonly state: "joined" | "waiting" | "cut";
  readonly trouble?: string;
  readonly endpoint?: string;
  readonly link?: string;
  readonly standby: boolean;
  readonly handshakeAge: number;
  readonly received: number;
  readonly sent: number;
  readonly daysLeft: number;
  readonly serial?: string;
  readonly preshared?: string;
}

/** What it says of itself. */
export interface Status {
  readonly publicKeys: readonly string[];
  readonly daysLeft: number;
  readonly drift: readonly string[];
  readonly names: readonly { readonly name: string; readonly label?: string; readonly refused?: string }[];
  readonly peers: readonly PeerStatus[];
  readonly remote: readonly { readonly zone: string; readonly label: string; readonly ipv4: string }[];
}

/** Who a site is, in PEM. */
export interface Credentials {
  readonly certificate: string;
  /** Empty where the gateway has made it. */
  readonly privateKey: string;
  readonly authority: string;
  readonly revocations: string;
}

const gateway = "components/mesh/gateway.sh";
const keys = "components/mesh/keys.sh";
const resolve = "components/mesh/resolve.sh";
const settings = `${directories.settings}/mesh.json`;

/** A gateway in a box, and what a stack does to it. */
export class MeshSite {
  constructor(
    readonly box: Box,
    private readonly programs: MeshPrograms,
    /** IPv4 address of the gateway in the site's own network. */
    private readonly address: string,
  ) {}

  /** A certificate of an authority's for the key that the gateway has made, as a stack gives it one in the month of `at`. */
  async certify(plan: MeshPlan, authority: Authority, at: Date): Promise<string> {
    const text = await this.script(keys, this.keyParameters(plan));
    return issueCertificate(JSON.parse(text).request, plan.site, authority, at);
  }

  /** Brings it up as a stack does. */
  async up(plan: MeshPlan, credentials: Credentials): Promise<string> {
    const said = await this.script(gateway, this.parameters(plan, credentials));
    await this.script(resolve, this.asks(plan));
    return said;
  }

  /** Takes it away as a stack does. */
  async down(plan: MeshPlan, credentials: Credentials): Promise<void> {
    await this.script(resolve, this.asks(plan), "remove");
    await this.script(gateway, this.parameters(plan, credentials), "remove");
    await this.script(keys, this.keyParameters(plan), "remove");
  }

  /** The parameters by which a machine of the site asks its gateway for names. */
  asks({ domain, ipv4Network }: MeshPlan): Record<string, string> {
    return { DOMAIN: domain, GATEWAY: this.address, NETWORK: ipv4Network };
  }

  /** Says what the gateway's program answers. */
  mesh(mode: string): Promise<string> {
    return this.box.run(`${this.programs.mesh} ${mode} ${settings}`);
  }

  async status(): Promise<Status> {
    return JSON.parse(await this.mesh("status"));
  }

  /** What it says of a peer; undefined while it does not answer. */
  async peer(zone: string): Promise<PeerStatus | undefined> {
    const { code, stdout } = await this.box.try(`${this.programs.mesh} status ${settings}`);
    return code === 0
      ? (JSON.parse(stdout).peers as PeerStatus[]).find((peer) => peer.zone === zone)
      : undefined;
  }

  private keyParameters(plan: MeshPlan): Record<string, string> {
    return {
      MESH: this.programs.mesh,
      SETTINGS: renderKeySettings(plan),
      DIRECTORY: directories.settings,
      STATE: directories.state,
    };
  }

  private parameters(plan: MeshPlan, credentials: Credentials): Record<string, string> {
    return {
      ...gatewayParameters(plan, this.programs, this.address),
      CERTIFICATE: credentials.certificate,
      PRIVATE_KEY: credentials.privateKey,
      AUTHORITY: credentials.authority,
      REVOCATIONS: credentials.revocations,
    };
  }

  private async script(
    file: string,
    parameters: Record<string, string>,
    verb: "apply" | "remove" = "apply",
  ): Promise<string> {
    const { code, stdout, stderr } = await this.box.script(file, parameters, verb);
    if (code !== 0) throw new Error(`${this.box.name}: ${file} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }
}
