import type { Report } from "../../../../checks/report";
import { planMesh } from "../../../../components/config/mesh";
import { mesh as schema } from "../../../../components/config/mesh-schema";
import { renderCorefile, renderSettings } from "../../../../components/mesh/files";

/** How configuration grows with the sites. */
export async function checkScale(report: Report): Promise<void> {
  await report.check("configuration of 100 sites in less than 2 s of the processor, and of 300", () => {
    const [hundred, more] = [100, 300].map(configure);
    if (!hundred || !more || hundred.seconds >= 2) throw new Error(`it took ${hundred?.seconds} s`);
    return [hundred, more]
      .map(
        ({ sites, seconds, bytes }) =>
          `${sites} sites ${seconds.toFixed(1)} s, ${Math.round(bytes / 1000)} kB each`,
      )
      .join("; ");
  });
}

/** Settings and zones of so many sites that know one another. */
function configure(sites: number) {
  const names = Array.from({ length: sites }, (_, index) => `site${index}`);
  // Of the processor: the computer may be busy with else.
  const began = process.cpuUsage();
  let bytes = 0;
  for (const site of names) {
    const plan = planMesh(
      schema.parse({
        ...{ site, gateway: "gateway", endpoint: `${site}.example.com` },
        identity: { authorityFile: "-", authorityKeyFile: "-" },
        peers: names
          .filter((other) => other !== site)
          .map((other) => ({ site: other, endpoint: `${other}.example.com` })),
        services: [{ name: "wire", port: 443, target: "ingress" }],
      }),
      { publicAddress: "192.0.2.1", machines: [], ingress: ["192.168.122.21"] },
    );
    bytes += renderSettings(plan).length + renderCorefile(plan, "192.168.122.10").length;
  }
  const { user, system } = process.cpuUsage(began);
  return { sites, seconds: (user + system) / 1e6, bytes: bytes / sites };
}
