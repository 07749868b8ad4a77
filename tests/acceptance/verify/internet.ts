import { leaveTrace, takeTracesAway } from "../../../lab/host/traces";
import { run } from "../../../toolchain/commands";
import { Namespace } from "./namespace";

/** TEST-NET-3 (RFC 5737): the two ends of the cable between this machine and the internet that is played. */
export const uplink = { host: "203.0.113.1", internet: "203.0.113.2" } as const;

/**
 * Does something with a network namespace that plays the internet, which is gone afterwards. What a former run has left that
 * was killed goes first, for there is one address and one cable.
 * @throws Error if another run has it.
 */
export async function withInternet(work: (internet: Namespace) => Promise<void>): Promise<void> {
  for (const line of await takeTracesAway()) console.log(line);
  const internet = new Namespace("internet", (name) => leaveTrace("namespace", name));
  try {
    await connect(internet);
    await work(internet);
  } finally {
    internet.remove();
  }
}

/** Lays the cable from this machine to the namespace; it goes with the namespace. */
async function connect(internet: Namespace): Promise<void> {
  const device = internet.name;
  await run("ip", ["link", "add", device, "type", "veth", "peer", "name", "uplink", "netns", internet.name]);
  await run("ip", ["address", "add", `${uplink.host}/30`, "dev", device]);
  await run("ip", ["link", "set", device, "up"]);
  internet.run("ip", "address", "add", `${uplink.internet}/30`, "dev", "uplink");
  internet.run("ip", "link", "set", "uplink", "up");
  internet.run("ip", "route", "add", "default", "via", uplink.host);
}
