import { readFileSync } from "node:fs";
import type { Report } from "../../../checks/report";
import type { LabOutputs } from "../../../lab/context";
import { leaveTrace } from "../../../lab/host/traces";
import { run } from "../../../toolchain/commands";
import { uplink } from "./internet";

/**
 * Notes whoever among the machines sends a packet to an address that is neither theirs nor the host's nor one of the
 * internet that is played, until the function that it gives is called, which tells.
 */
export async function watchForeign({ network, publicAddress }: LabOutputs) {
  const table = `${network.name}-foreign`;
  // What one machine sends to another may pass here as well (pods to pods, say) and then looks like what is for the host,
  // but for the hardware address.
  const own = readFileSync(`/sys/class/net/${network.name}/address`, "utf8").trim();
  leaveTrace("table", table);
  await run("nft", ["--file", "-"], {
    input: `add table inet ${table}
delete table inet ${table}
table inet ${table} {
  set seen { type ipv4_addr . ipv4_addr; flags dynamic; size 1024; }
  chain prerouting {
    type filter hook prerouting priority -310;
    iifname "${network.name}" ether daddr ${own} ip daddr != { ${network.cidr}, ${publicAddress}, ${uplink.internet} } add @seen { ip saddr . ip daddr }
  }
}
`,
  });
  return async (report: Report) => {
    const listed = JSON.parse(await run("nft", ["--json", "list", "set", "inet", table, "seen"]));
    await run("nft", ["delete", "table", "inet", table]);
    await report.check("no machine has tried an address outside", () => {
      // biome-ignore lint/suspicious/noExplicitAny: what nft answers
      const elements: any[] = listed.nftables.find((each: any) => each.set)?.set.elem ?? [];
      const seen = elements.map((element) => element.concat.join(" → "));
      if (seen.length > 0) throw new Error(seen.join(", "));
      return "none, in all of it";
    });
  };
}
