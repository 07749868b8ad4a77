import { spawn } from "node:child_process";
import { join } from "node:path";
import { ended, until } from "../../fixtures/machine";
import type { Ended, Namespace } from "../verify/namespace";
import type { Box } from "./box";
import { type MeshLab, type SiteName, zoneOf } from "./lab";

/** Name of what a site offers over HTTP. */
export const webOf = (name: SiteName): string => `web-server.${zoneOf(name)}`;

export const fetchFrom = (box: Box, name: SiteName, path = "/"): Promise<Ended> =>
  box.try(`curl --silent --fail --max-time 10 http://${webOf(name)}${path}`);

/** Whether a gateway gets another site's page by its name. */
export const reaches = async (lab: MeshLab, from: SiteName, to: SiteName): Promise<boolean> =>
  (await fetchFrom(lab.sites[from].box, to)).stdout.startsWith(`${to}\n`);

/** Whether nothing at all comes back from a port: it is neither served nor refused. */
export const isClosed = async (box: Box, host: string, port: number): Promise<boolean> =>
  (await box.try(`curl --silent --output /dev/null --max-time 2 'http://${host}:${port}/'`)).code === 28;

export const hasJoined = (lab: MeshLab, from: SiteName, to: SiteName) => async (): Promise<boolean> => {
  const peer = await lab.sites[from].peer(zoneOf(to));
  return peer?.state === "joined" && peer.handshakeAge >= 0;
};

/** Why a site has no other in its tunnel; empty where it has. */
export const troubleOf = async (lab: MeshLab, from: SiteName, to: SiteName): Promise<string> =>
  (await lab.sites[from].peer(zoneOf(to)))?.trouble ?? "";

/** Both ways between each two of these sites by name. */
export async function allReach(lab: MeshLab, names: readonly SiteName[], limit = 60): Promise<void> {
  for (const from of names)
    for (const to of names)
      if (from !== to) await until(`${from} reaches ${to}`, () => reaches(lab, from, to), limit);
}

/** Waits until something holds and says after how many seconds it did. @throws Error after `limit` seconds */
export async function secondsUntil(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limit: number,
  since = Date.now(),
): Promise<string> {
  await until(what, holds, limit);
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

/** Starts numbered packets from a gateway to another site's name; `stop` says how many of them were lost. */
export async function packets(lab: MeshLab, from: SiteName, to: SiteName, perSecond = 50) {
  const script = join(__dirname, "../../fixtures/mesh-pinger.py");
  const child = lab.sites[from].box.spawn("-c", `exec python3 ${script} echo.${zoneOf(to)} 7 ${perSecond}`);
  await new Promise((resolve, reject) => {
    child.stdout?.once("data", resolve);
    child.once("close", () => reject(new Error("the packets ended early")));
  });
  let text = "";
  child.stdout?.on("data", (data) => {
    text += data;
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  return {
    stop: async (): Promise<Loss> => {
      child.stdin?.end();
      await closed;
      const [sent = 0, answered = 0] = text.trim().split(" ").map(Number);
      return { sent, lost: sent - answered };
    },
  };
}

/** How many packets were sent, and how many of them were not answered. */
export interface Loss {
  readonly sent: number;
  readonly lost: number;
}

/** Sends packets both ways between two sites while something is done, and says what was lost. */
export async function lossWhile(
  lab: MeshLab,
  [one, other]: readonly [SiteName, SiteName],
  act: () => Promise<unknown>,
): Promise<Loss> {
  const streams = [await packets(lab, one, other), await packets(lab, other, one)];
  const failed = await act().then(
    () => undefined,
    (error: Error) => error,
  );
  // Packets that nobody stops would go on.
  const counts = await Promise.all(streams.map((stream) => stream.stop()));
  if (failed) throw failed;
  return counts.reduce((sum, { sent, lost }) => ({ sent: sum.sent + sent, lost: sum.lost + lost }));
}

/** @throws Error if anything was lost. */
export function expectNoLoss({ sent, lost }: Loss): string {
  if (lost > 0 || sent === 0) throw new Error(`${lost} of ${sent} packets lost`);
  return `0 of ${sent} packets lost, 50 a second each way`;
}

/** Looks for a text in all that passes a network; `stop` says in how many packets of how many it was. */
export async function sniff(network: Namespace, text: string) {
  const child = spawn("ip", [
    ...["netns", "exec", network.name, "python3"],
    ...[join(__dirname, "../../fixtures/mesh-sniffer.py"), text],
  ]);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return {
    stop: async (): Promise<{ readonly packets: number; readonly marked: number }> => {
      const [packets = 0, marked = 0] = (await ended(child)).stdout.trim().split(" ").map(Number);
      return { packets, marked };
    },
  };
}
