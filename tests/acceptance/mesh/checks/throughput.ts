import { join } from "node:path";
import { buildGo } from "../../../../bundle/sources/program";
import { Workshop } from "../../../../bundle/workshop";
import type { Report } from "../../../../checks/report";
import { projectDirectory } from "../../../../toolchain/environment";
import { until } from "../../../fixtures/machine";
import { bulkPort, type MeshLab, zoneOf } from "../lab";

const script = join(__dirname, "../../../fixtures/mesh-bulk.py");
const bytes = 200_000_000;

/** What the mesh carries beside a tunnel that wg-quick makes between the same gateways, in turn. */
export async function checkThroughput(report: Report, lab: MeshLab): Promise<void> {
  const [a, b] = [lab.sites.a.box, lab.sites.b.box];
  await report.check(`${bytes / 1e6} MB of TCP, beside wg-quick on the same gateways`, async () => {
    // The same version of the same program that the gateway has in it.
    const userspace = await buildGo(
      { module: "mesh", package: "golang.zx2c4.com/wireguard", variables: {}, tags: [], cgo: false },
      new Workshop(projectDirectory, false),
    );
    const listens = async () => (await b.try(`ss -ltn | grep -q ':${bulkPort} '`)).code === 0;
    if (!(await listens())) b.begin(`python3 ${script} serve ${bulkPort}`);
    await until("the sender listens", listens);
    const keys = [await keyPair(lab), await keyPair(lab)] as const;
    const quick = `WG_QUICK_USERSPACE_IMPLEMENTATION=${userspace} wg-quick`;
    try {
      for (const [index, box] of [a, b].entries()) {
        const [own, other] = [keys[index], keys[1 - index]];
        const endpoint = lab.endpoints[index === 0 ? "b" : "a"];
        await box.run("mkdir -p /etc/wireguard");
        await box.write(
          "/etc/wireguard/plain.conf",
          `[Interface]\nPrivateKey = ${own?.privateKey}\nListenPort = 51820\nAddress = fd52::${index + 1}/64\nMTU = 1280\n[Peer]\nPublicKey = ${other?.publicKey}\nAllowedIPs = fd52::${2 - index}/128\nEndpoint = ${endpoint}:51820\n`,
        );
        await box.run(`${quick} up plain`);
      }
      const fetch = async (host: string, port: number) =>
        Number(await a.run(`python3 ${script} fetch ${host} ${port} ${bytes}`));
      const [plain, mesh]: [number[], number[]] = [[], []];
      // In turn, so that both have their share of what else the computer does.
      for (let round = 0; round < 3; round++) {
        plain.push(await fetch("fd52::2", bulkPort));
        mesh.push(await fetch(`bulk.${zoneOf("b")}`, 5001));
      }
      return `mesh ${mesh.join(", ")} Mbit/s, through its relay; wg-quick ${plain.join(", ")} Mbit/s`;
    } finally {
      for (const box of [a, b]) await box.try(`${quick} down plain; rm -rf /etc/wireguard`);
    }
  });
}

async function keyPair(lab: MeshLab) {
  const privateKey = await lab.sites.a.box.run("wg genkey");
  return { privateKey, publicKey: await lab.sites.a.box.run(`echo '${privateKey}' | wg pubkey`) };
}
