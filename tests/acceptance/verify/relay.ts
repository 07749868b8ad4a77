import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Report } from "../../../checks/report";
import type { LabOutputs } from "../../../lab/context";
import { waitFor } from "../../../lab/wait";
import { run } from "../../../toolchain/commands";
import type { RemoteMachine } from "./machine";
import type { Namespace } from "./namespace";

/** The image of coturn has a client beside the server. */
const image = "wire/coturn:4.6.1";

/** Packets that each of two clients sends to the other. */
const packets = 20;

/**
 * Has two clients out there send media to each other through the relay on the calling node, with credentials made of
 * brig's secret as brig makes them; and tries with those of another secret.
 */
export async function checkRelay(
  report: Report,
  outputs: LabOutputs,
  internet: Namespace,
  reach: (name: string) => RemoteMachine,
  patience: number,
): Promise<void> {
  const { assets, machines, publicAddress } = outputs;
  const controlPlane = machines.find(({ role }) => role === "kubenode")?.name ?? "";
  const folder = mkdtempSync(join(tmpdir(), "wiab-relay-"));
  const root = join(folder, "root");
  const call = async (secret: string) => {
    // The client takes them from its command line alone, which other users of this machine see. There are those who made
    // the lab on it, the relay is on an address of this machine alone, and
    // "REST API for access to TURN services" (draft-uberti-behave-turn-rest-00); they are worth nothing a minute later.
    const user = `${Math.floor(Date.now() / 1000) + 60}:lab`;
    const password = createHmac("sha1", secret).update(user).digest("base64");
    const { code, stdout, stderr } = await internet.pipe(
      "",
      ...["timeout", "90", "chroot", root, "turnutils_uclient"],
      // Client to client, without RTCP, and with the address that clients know.
      ...["-y", "-c", "-n", `${packets}`, "-u", user, "-w", password, "-p", "3478", publicAddress],
    );
    return { code, text: stdout + stderr };
  };
  try {
    await report.check(`a call relayed by ${publicAddress}:3478/udp`, async () => {
      await unpackImage(assets, folder, root);
      const secret = await brigsSecret(reach(controlPlane));
      return waitFor("a call without losses", patience, async () => {
        const { text, code } = await call(secret);
        const last = (pattern: RegExp) => Number([...text.matchAll(pattern)].at(-1)?.[1]);
        const received = last(/tot_recv_msgs=(\d+)/g);
        const lost = last(/lost packets (\d+)/g);
        if (code !== 0 || received !== 2 * packets || lost !== 0) throw new Error(text.slice(-600));
        return `${received} packets arrived, ${lost} lost, with credentials of brig's secret`;
      });
    });
    await report.check("a call with another secret", async () => {
      const { code, text } = await call("another");
      // The same client as before: only the credentials are others.
      if (code === 0 || !text.includes("Cannot complete Allocation"))
        throw new Error(`was not refused: ${text.slice(-600)}`);
      return "refused: no address is allocated";
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The secret that brig makes credentials of, from where brig reads it. */
async function brigsSecret(controlPlane: RemoteMachine): Promise<string> {
  const text = await controlPlane.kubectl(
    "get secret brig --output 'jsonpath={.data.secrets\\.json}' | base64 -d",
  );
  return JSON.parse(text).turn.secret;
}

/** Lays out the files of coturn's image, as the lab's registry has it. */
async function unpackImage({ registry, authority }: LabOutputs["assets"], folder: string, root: string) {
  const certificates = join(folder, "certificates");
  const layers = join(folder, "layers");
  mkdirSync(certificates);
  mkdirSync(root);
  writeFileSync(join(certificates, "ca.crt"), authority);
  await run("skopeo", [
    ...["copy", "--quiet", "--insecure-policy", "--src-cert-dir", certificates],
    ...[`docker://${registry}/${image}`, `dir:${layers}`],
  ]);
  const manifest = JSON.parse(readFileSync(join(layers, "manifest.json"), "utf8"));
  for (const { digest } of manifest.layers)
    await run("tar", [
      ...["--extract", "--file", join(layers, digest.replace("sha256:", ""))],
      ...["--directory", root],
    ]);
}
