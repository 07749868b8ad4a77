import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type MeshPlan, planMesh } from "../../../components/config/mesh";
import { mesh as schema } from "../../../components/config/mesh-schema";
import type { Authority } from "../../../components/mesh/issue";
import { issueRevocations } from "../../../components/mesh/issue";
import { until } from "../../fixtures/machine";
import { MeshAuthority } from "../../fixtures/mesh-authority";
import { cable, Namespace } from "../verify/namespace";
import { Box, type BoxState } from "./box";
import { type Credentials, type MeshPrograms, MeshSite } from "./site";

/** Where a lab that is up is written down; it goes with the computer's boot, as the lab does. */
const stateFile = "/run/wiab-mesh-lab.json";

/** The sites of the lab; the third joins later. */
export const siteNames = ["a", "b", "c"] as const;
export type SiteName = (typeof siteNames)[number];

export const zoneOf = (name: SiteName): string => `${name}.pmd.internal`;

/** Address of a site's gateway, and of the machine behind it that serves what the site offers. */
const addressOf = (name: SiteName, host = 2): string => `10.1.${siteNames.indexOf(name)}.${host}`;

/** Address of a gateway in its site's own network, which stays where the endpoint moves. */
const insideOf = (name: SiteName): string => addressOf(name, 4);

/** Where a gateway itself serves what the throughput is measured by. */
export const bulkPort = 5002;

const fixture = (file: string) => join(__dirname, "../../fixtures", file);

/** All that takes the lab away: what runs in a namespace is found by it. */
interface Written {
  readonly namespaces: readonly string[];
  /** Undefined until all of them are there. */
  readonly lab?: State;
}

const read = (): Written => JSON.parse(readFileSync(stateFile, "utf8"));
const write = (record: Written): void => writeFileSync(stateFile, JSON.stringify(record), { mode: 0o600 });

/** Writes a namespace down before it is made: a lab that is killed on the way can be taken away. */
const announce = (name: string): void => write({ namespaces: [...read().namespaces, name] });

interface State {
  readonly programs: MeshPrograms;
  readonly router: string;
  readonly authority: Authority;
  readonly gateways: Readonly<Record<SiteName, BoxState>>;
  readonly machines: Readonly<Record<SiteName, BoxState>>;
  /** Serial numbers of certificates that are revoked. */
  readonly revoked: readonly string[];
  readonly certificates: Partial<Record<SiteName, string>>;
}

/**
 * Sites on bridges of their own behind a router: a gateway and a machine each, with the scripts and programs that a stack puts on
 * them. WireGuard runs in user space here unless this computer's kernel has it.
 */
export class MeshLab {
  readonly endpoints: Record<SiteName, string> = { a: addressOf("a"), b: addressOf("b"), c: addressOf("c") };

  private constructor(
    private state: State,
    readonly router: Namespace,
    readonly sites: Readonly<Record<SiteName, MeshSite>>,
    readonly machines: Readonly<Record<SiteName, Box>>,
  ) {}

  /** Whether there is a lab, whole or not. */
  static get isThere(): boolean {
    return existsSync(stateFile);
  }

  /** Lays the networks, with a router between them; no gateway runs yet. */
  static async make(programs: MeshPrograms): Promise<MeshLab> {
    write({ namespaces: [] });
    const router = new Namespace("router", announce);
    router.set("net/ipv4/ip_forward", 1);
    const parts = await Promise.all(siteNames.map((name) => makeSite(name, router)));
    const authority = await MeshAuthority.make("mesh of the lab");
    const of = <T>(value: (index: number) => T) =>
      Object.fromEntries(siteNames.map((name, index) => [name, value(index)])) as Record<SiteName, T>;
    const part = (index: number) => parts[index] as Awaited<ReturnType<typeof makeSite>>;
    const state: State = {
      programs,
      router: router.name,
      authority: { certificate: authority.certificate, privateKey: await authority.privateKey() },
      gateways: of((index) => part(index).gateway.state),
      machines: of((index) => part(index).machine.state),
      revoked: [],
      certificates: {},
    };
    const lab = MeshLab.with(state);
    lab.save();
    return lab;
  }

  /** @throws Error if none is up. */
  static attach(): MeshLab {
    if (!MeshLab.isThere) throw new Error('no lab of a mesh is up: run "npm run lab:mesh" first');
    const { lab } = read();
    if (!lab)
      throw new Error('the lab of the mesh was not made to its end: run "npm run lab:mesh -- --destroy"');
    return MeshLab.with(lab);
  }

  private static with(state: State): MeshLab {
    const of = <T>(value: (name: SiteName) => T) =>
      Object.fromEntries(siteNames.map((name) => [name, value(name)])) as Record<SiteName, T>;
    return new MeshLab(
      state,
      new Namespace("router", undefined, state.router),
      of(
        (name) =>
          new MeshSite(Box.attach(`gateway ${name}`, state.gateways[name]), state.programs, insideOf(name)),
      ),
      of((name) => Box.attach(`machine ${name}`, state.machines[name])),
    );
  }

  private save(): void {
    write({ ...read(), lab: this.state });
  }

  get programs(): MeshPrograms {
    return this.state.programs;
  }

  /** The mesh as one site has it, with the sites that it knows. */
  plan(name: SiteName, known: readonly SiteName[], changes: object = {}): MeshPlan {
    const target = `${addressOf(name, 3)}:8080`;
    return planMesh(
      schema.parse({
        site: name,
        gateway: "gateway",
        endpoint: this.endpoints[name],
        identity: { authorityFile: "-", authorityKeyFile: "-" },
        peers: known
          .filter((other) => other !== name)
          .map((other) => ({ site: other, endpoint: addressOf(other) })),
        services: [
          { name: "Web_Server", port: 80, target },
          { name: "echo", protocol: "udp", port: 7, target },
          { name: "private", port: 80, target, peers: [] },
          { name: "for-c", port: 8080, target, peers: ["c"] },
          { name: "wire", port: 443, target: "ingress" },
          { name: "bulk", port: 5001, target: `127.0.0.1:${bulkPort}` },
        ],
        machinePorts: [8080],
        access: [
          { name: "_my.awesome_container_.123.", ports: [8080] },
          { name: "web.box" },
          { name: "box-for-c", peers: ["c"] },
        ],
        ...changes,
      }),
      {
        publicAddress: this.endpoints[name],
        machines: [{ name: "machine", address: addressOf(name, 3) }],
        ingress: [addressOf(name, 3)],
      },
    );
  }

  /** Brings a gateway up as its stack does, with the sites that it knows. */
  async up(name: SiteName, known: readonly SiteName[], changes: object = {}): Promise<string> {
    const plan = this.plan(name, known, changes);
    return this.sites[name].up(plan, await this.credentials(name));
  }

  async down(name: SiteName): Promise<void> {
    const plan = this.plan(name, siteNames);
    await this.sites[name].down(plan, await this.credentials(name));
    const { [name]: _, ...certificates } = this.state.certificates;
    this.state = { ...this.state, certificates };
    this.save();
  }

  /** Has a gateway forget its key, so that it is certified anew. */
  async renewIdentity(name: SiteName): Promise<void> {
    await this.sites[name].box.run("rm -f /etc/wiab/mesh/site.key /etc/wiab/mesh/site.pem");
    const { [name]: _, ...certificates } = this.state.certificates;
    this.state = { ...this.state, certificates };
    this.save();
  }

  /** Gives a site another certificate for the key that it has, as a stack does in the month of `at`. */
  async certify(name: SiteName, at: Date): Promise<void> {
    const plan = this.plan(name, siteNames);
    const certificate = await this.sites[name].certify(plan, this.state.authority, at);
    this.state = { ...this.state, certificates: { ...this.state.certificates, [name]: certificate } };
    this.save();
  }

  async credentials(name: SiteName): Promise<Credentials> {
    const { authority, revoked } = this.state;
    if (!this.state.certificates[name]) await this.certify(name, new Date());
    return {
      certificate: this.state.certificates[name] ?? "",
      privateKey: "",
      authority: authority.certificate,
      revocations: revoked.length === 0 ? "" : await issueRevocations(revoked, authority, new Date()),
    };
  }

  /** The authority of the lab. */
  authority(): Promise<MeshAuthority> {
    const { certificate, privateKey } = this.state.authority;
    return MeshAuthority.from(certificate, privateKey);
  }

  /** Puts a certificate on the revocation list, which sites get at their next `up`. */
  revoke(serial: string): void {
    this.state = { ...this.state, revoked: [...this.state.revoked, serial] };
    this.save();
  }

  /** Has the router drop what these nft matches name, and nothing else from now on. */
  async drop(...matches: string[]): Promise<void> {
    const rules = matches.map((match) => `${match} drop`).join("\n");
    const chain = (hook: string) => `chain ${hook} { type filter hook ${hook} priority 0;\n${rules}\n}`;
    const table = `add table inet lab\ndelete table inet lab\ntable inet lab {\n${chain("forward")}\n${chain("output")}\n}\n`;
    const { code, stderr } = await this.router.pipe(table, "nft", "-f", "-");
    if (code !== 0) throw new Error(`router: ${stderr}`);
  }

  /** Moves a gateway to another address of its network. */
  move(name: SiteName, host: number): void {
    const { network } = this.sites[name].box;
    network.run("ip", "address", "delete", `${this.endpoints[name]}/24`, "dev", "eth0");
    this.endpoints[name] = addressOf(name, host);
    network.run("ip", "address", "add", `${this.endpoints[name]}/24`, "dev", "eth0");
    network.run("ip", "route", "replace", "default", "via", addressOf(name, 1));
  }

  /** Takes everything away, of a lab that was not made to its end as well. */
  static async destroy(): Promise<void> {
    if (!MeshLab.isThere) return;
    for (const name of read().namespaces) await removeWhole(name);
    rmSync(stateFile);
  }
}

/** Ends what runs in a namespace and takes it away; one that was written down may never have been made. */
async function removeWhole(name: string): Promise<void> {
  if (!existsSync(`/run/netns/${name}`)) return;
  const inside = () => execFileSync("ip", ["netns", "pids", name], { encoding: "utf8" }).match(/\d+/g) ?? [];
  await until(`nothing runs in ${name}`, () => {
    const found = inside();
    if (found.length > 0) spawnSync("kill", ["-9", ...found]);
    return found.length === 0;
  });
  execFileSync("ip", ["netns", "delete", name]);
}

async function makeSite(name: SiteName, router: Namespace) {
  const bridge = new Namespace(`bridge ${name}`, announce);
  const [gateway, machine] = await Promise.all([
    Box.start(`gateway ${name}`, announce),
    Box.start(`machine ${name}`, announce),
  ]);
  bridge.run("ip", "link", "add", "br0", "type", "bridge");
  bridge.run("ip", "link", "set", "br0", "up");
  const plug = (other: Namespace, port: string, end: string, host: number) => {
    cable(bridge, port, other, end);
    bridge.run("ip", "link", "set", port, "master", "br0");
    other.run("ip", "address", "add", `${addressOf(name, host)}/24`, "dev", end);
  };
  plug(router, "uplink", `to-${name}`, 1);
  plug(gateway.network, "gateway", "eth0", 2);
  plug(machine.network, "machine", "eth0", 3);
  for (const { network } of [gateway, machine])
    network.run("ip", "route", "add", "default", "via", addressOf(name, 1));
  // With a prefix of its own, or it would go with the address that moves.
  gateway.network.run("ip", "address", "add", `${insideOf(name)}/32`, "dev", "eth0");
  // As a machine whose operator has switched IPv6 off.
  gateway.network.set("net/ipv6/conf/all/disable_ipv6", 1);
  machine.begin(`python3 ${fixture("mesh-server.py")} ${name} ${addressOf(name, 3)} 8080`);
  return { gateway, machine };
}
