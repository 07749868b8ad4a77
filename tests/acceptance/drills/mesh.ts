import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type MeshPlan, planMesh } from "../../../components/config/mesh";
import { mesh as schema } from "../../../components/config/mesh-schema";
import { ofBundle } from "../../../lab/artifact";
import { buildLabBundle } from "../../../lab/bundle";
import { certificateIn } from "../../../lab/certificate";
import { certificateFolder } from "../../../lab/context";
import { leaveTrace } from "../../../lab/host/traces";
import { waitFor } from "../../../lab/wait";
import { run } from "../../../toolchain/commands";
import { projectDirectory } from "../../../toolchain/environment";
import { MeshAuthority } from "../../fixtures/mesh-authority";
import { meshPrograms } from "../../fixtures/mesh-programs";
import { Box } from "../mesh/box";
import { MeshSite } from "../mesh/site";
import { type Drill, type DrillGround, type Edit, expectEqual, type Settings } from "./ground";

/** The cable between this machine and the gateway of the other site (RFC 5737), beside that of the internet that is played. */
const uplink = { host: "203.0.113.5", other: "203.0.113.6" } as const;

const [own, other] = ["lab", "other"] as const;
const zoneOf = (site: string): string => `${site}.pmd.internal`;

/** What the other site serves on its gateway (tests/fixtures/mesh-server.py). */
const served = { address: "127.0.0.1", port: 8080 } as const;

/** Seconds for what a cluster of emulated machines takes its time for. */
const patience = 600;

/** Files of an authority that both sites share. */
interface AuthorityFiles {
  readonly authorityFile: string;
  readonly authorityKeyFile: string;
}

/** Has the lab's stack join a mesh with the other site. */
export function joinMesh(settings: Settings, identity: AuthorityFiles, programs: Settings): void {
  settings.mesh = {
    ...{ site: own, gateway: "assethost", identity },
    peers: [{ site: other, endpoint: uplink.other }],
    services: [{ name: "wire", port: 443, target: "ingress" }],
    access: [{ name: publishedName }],
  };
  settings.artifact = { ...settings.artifact, sources: [...settings.artifact.sources, programs] };
}

/** The other site, as a stack of its own would have it. */
export const otherPlan = (publicAddress: string): MeshPlan =>
  planMesh(
    schema.parse({
      ...{ site: other, gateway: "gateway", endpoint: uplink.other, identity: {} },
      peers: [{ site: own, endpoint: publicAddress }],
      services: [
        { name: "web", port: 80, target: `${served.address}:${served.port}` },
        { name: "echo", protocol: "udp", port: 7, target: `${served.address}:${served.port}` },
      ],
    }),
    { publicAddress: uplink.other, machines: [], ingress: [] },
  );

const publishedName = "drill-page";
const publishedPort = 8000;

/** What of a service of Kubernetes another takes over. */
interface Published {
  readonly spec: {
    readonly selector: Readonly<Record<string, string>>;
    readonly ports: readonly { readonly targetPort: number | string }[];
  };
}

/** A service with the pods of another, which asks for a name in the mesh. */
export const publishing = ({ spec: { selector, ports } }: Published): object => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: publishedName, labels: { "mesh.wiab-staging/name": "" } },
  spec: { type: "NodePort", selector, ports: [{ port: publishedPort, targetPort: ports[0]?.targetPort }] },
});

const callerName = "drill-caller";

/** Asks the other site over HTTP and UDP, by IPv4 and by its names alone, and says what it was told. */
export const callScript = `import socket, urllib.request
print(urllib.request.urlopen("http://web.${zoneOf(other)}/", timeout=20).read().decode().strip())
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.sendto(b"7", ("echo.${zoneOf(other)}", 7))
print(s.recv(100).decode())
`;

/** What it then says. */
const answers = [other, `${other} 7`];

/** A pod that calls, with the node's Python: images of the lab have one program each. */
export const callerPod = (image: string): object => {
  const folders = { usr: ["/usr", "/usr"], lib: ["/usr/lib", "/lib"], lib64: ["/usr/lib64", "/lib64"] };
  const volumes = Object.entries(folders);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: callerName },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      containers: [
        {
          name: "caller",
          image,
          command: ["/usr/bin/python3", "-c", callScript],
          volumeMounts: volumes.map(([name, [, mountPath]]) => ({ name, mountPath, readOnly: true })),
        },
      ],
      volumes: volumes.map(([name, [path]]) => ({ name, hostPath: { path, type: "Directory" } })),
    },
  };
};

/** A gateway in a namespace that the lab reaches as it does the internet. */
async function startOther(): Promise<{ readonly box: Box; readonly site: MeshSite }> {
  const box = await Box.start("gateway of the other site");
  const { name } = box.network;
  leaveTrace("namespace", name);
  await run("ip", ["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name]);
  await run("ip", ["address", "add", `${uplink.host}/30`, "dev", name]);
  await run("ip", ["link", "set", name, "up"]);
  box.network.run("ip", "address", "add", `${uplink.other}/30`, "dev", "eth0");
  box.network.run("ip", "link", "set", "eth0", "up");
  box.network.run("ip", "route", "add", "default", "via", uplink.host);
  box.begin(
    `python3 ${join(projectDirectory, "tests/fixtures/mesh-server.py")} ${other} ${served.address} ${served.port}`,
  );
  return { box, site: new MeshSite(box, await meshPrograms(), uplink.other) };
}

/** What the other site and the lab's machines and pods see of each other. */
async function seen(ground: DrillGround, box: Box): Promise<string[]> {
  const { kubectl, reach, namesOf, outputs } = ground;
  const node = namesOf("kubenode")[0] as string;
  const page = (target: string, ...options: string[]) =>
    box.run(`curl --silent --fail --max-time 10 ${[...options, target].join(" ")}`);
  const webapp = new URL(outputs.wire.urls.webapp ?? "").hostname;
  const { authorityFile } = certificateIn(certificateFolder(ground.stack));
  const ingress = await waitFor(`${other} to reach Wire's ingress`, patience, () =>
    page(
      `https://${webapp}/`,
      ...["--cacert", authorityFile, "--connect-to", `${webapp}:443:wire.${zoneOf(own)}:443`],
    ),
  );
  await reach(node).kubectl(
    "apply --filename -",
    JSON.stringify(publishing(JSON.parse(await kubectl("get service webapp --output json")))),
  );
  const published = await waitFor(`${other} to reach the service`, patience, () =>
    page(`http://${publishedName}.${zoneOf(own)}:${publishedPort}/`),
  );
  for (const [what, text] of Object.entries({ ingress, published }))
    if (text === "") throw new Error(`${what}: an empty page`);
  const callers = [node, namesOf("datanode")[0] as string];
  for (const name of callers)
    await waitFor(`${name} to reach ${other}`, patience, async () =>
      expectEqual(
        (await reach(name).run(`python3 - <<'END'\n${callScript}END\n`)).trim().split("\n"),
        answers,
      ),
    );
  const image = (
    await kubectl("get deployment brig --output 'jsonpath={.spec.template.spec.containers[0].image}'")
  ).trim();
  await reach(node).kubectl("apply --filename -", JSON.stringify(callerPod(image)));
  await waitFor(`a pod to reach ${other}`, patience, async () =>
    expectEqual((await kubectl(`logs ${callerName}`)).trim().split("\n"), answers),
  );
  return [
    `from ${zoneOf(other)}: wire.${zoneOf(own)} and ${publishedName}.${zoneOf(own)}`,
    `web and echo of ${zoneOf(other)} from ${callers.join(", ")} and a pod`,
  ];
}

/** What a mesh leaves on a machine: routes, units, files. */
const left = `ip -4 route show table all proto 92; ls -d /etc/wiab/mesh /var/lib/wiab/mesh /etc/systemd/system/wiab-mesh* 2>/dev/null; sudo nft list tables | grep mesh; grep -l "gateway of the mesh" /etc/resolv.conf; true`;

async function joined(ground: DrillGround): Promise<string> {
  const { outputs, kubectl, reach } = ground;
  const authority = await MeshAuthority.make("mesh of the drill");
  const signs = { certificate: authority.certificate, privateKey: await authority.privateKey() };
  const [programs] = ofBundle(await buildLabBundle(join(projectDirectory, "bundle/mesh.yaml"))).sources;
  const edit: Edit = (settings, folder) => {
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const identity = {
      authorityFile: file("authority.pem", signs.certificate),
      authorityKeyFile: file("authority.key", signs.privateKey),
    };
    joinMesh(settings, identity, programs as Settings);
  };
  const { box, site } = await startOther();
  let said: string[] = [];
  try {
    const plan = otherPlan(outputs.publicAddress);
    const certificate = await site.certify(plan, signs, new Date());
    await site.up(plan, { certificate, privateKey: "", authority: signs.certificate, revocations: "" });
    const summary = await ground.up(edit);
    expectEqual(await ground.preview(edit), []);
    said = [`up: ${summary}, a second one nothing`, ...(await seen(ground, box))];
  } finally {
    await kubectl(`delete service,pod ${publishedName} ${callerName} --ignore-not-found --grace-period 1`);
    await ground.up();
    await box.stop();
  }
  for (const { name } of outputs.machines)
    expectEqual([`${name}: ${(await reach(name).run(left)).trim()}`], [`${name}: `]);
  return [...said, "nothing left on the machines"].join("; ");
}

export const meshDrills: readonly Drill[] = [{ name: "the lab joins a mesh, and leaves it", hold: joined }];
