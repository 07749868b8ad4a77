import { expectSame, type Report } from "../../../checks/report";
import type { LabOutputs } from "../../../lab/context";
import type { RemoteMachine } from "./machine";

/** A package of some kilobytes that nothing else needs (lab/bundle.yaml). */
const probePackage = "hello";

/** A static program that says hello (lab/bundle.yaml). */
const probeImage = "docker.io/library/hello:1";

/** Looks at whether every machine gets packages and images, although nothing has a way out. */
export async function checkSupplies(
  report: Report,
  { machines, assets }: LabOutputs,
  reach: (name: string) => RemoteMachine,
): Promise<void> {
  await report.each(machines, async (report, { name, role }) => {
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
  });
  const [{ name }] = machines as [LabOutputs["machines"][number]];
  await report.check(`${name} → registry: pushing without the password`, async () => {
    const status = await reach(name).runFile("push-without-password.py", assets.registry);
    return `refused with ${expectSame(status, 401)}`;
  });
}
