import type { LabOutputs } from "../../../lab/context";
import type { RemoteMachine } from "./machine";
import { expectSame, type Report } from "./report";

/** A package of some kilobytes that nothing else needs (lab/bundle.yaml). */
const probePackage = "hello";

/** A static program that says hello (lab/bundle.yaml). */
const probeImage = "docker.io/library/hello:1";

/** Looks at whether every machine gets packages, images and the time, although nothing has a way out. */
export async function checkSupplies(
  report: Report,
  { machines, assets, network }: LabOutputs,
  reach: (name: string) => RemoteMachine,
): Promise<void> {
  await report.each(machines, async (report, { name, role, existing }) => {
    const machine = reach(name);
    await report.check(`${name}: apt-get install ${probePackage}`, async () => {
      const source = await machine.runFile("install-package.sh", probePackage);
      const expected = role === "assethost" ? "file:/opt/assets/" : `${assets.url}/`;
      if (!source.startsWith(expected)) throw new Error(`came from ${source}, not from ${expected}`);
      return source;
    });
    await report.check(`${name}: image ${probeImage} through the registry`, () =>
      machine.runFile("pull-by-hand.py", assets.registry, probeImage),
    );
    if (role === "kubenode")
      await report.check(`${name}: crictl pull ${probeImage}`, () =>
        machine.runFile("pull-by-containerd.sh", probeImage),
      );
    if (existing) report.note(`${name} is a container: it has the host's clock`);
    else
      await report.check(`${name}: clock`, async () => {
        const offset = Number(await machine.runFile("clock-offset.py", network.gateway));
        // Cassandra orders writes by it; an emulated machine is rarely nearer than some milliseconds.
        if (!(Math.abs(offset) < 500)) throw new Error(`${offset} ms from the host's`);
        return `${offset} ms from the host's`;
      });
  });
  const [{ name }] = machines as [LabOutputs["machines"][number]];
  await report.check(`${name} → registry: pushing without the password`, async () => {
    const status = await reach(name).runFile("push-without-password.py", assets.registry);
    return `refused with ${expectSame(status, 401)}`;
  });
}
