import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { networkName } from "../../components/validation/reserved-names";

/** Whether nft takes a ruleset like ours under that name; asked in an empty network of its own. */
function nftTakes(name: string): boolean {
  const rules = [
    `add table inet ${name}`,
    `delete table inet ${name}`,
    `table inet ${name} {`,
    'comment "x"',
    "chain c { type filter hook forward priority filter; }",
    "}",
  ].join("\n");
  const { status } = spawnSync("unshare", ["--net", "nft", "--check", "--file", "-"], {
    input: `${rules}\n`,
  });
  return status === 0;
}

/** Every text in nft's library that could be a network's name: its words are among them, and the ends of longer texts. */
function words(): string[] {
  const linked = execFileSync("ldd", ["/usr/sbin/nft"], { encoding: "utf8" });
  const library = /libnftables\S* => (\S+)/.exec(linked)?.[1];
  if (!library) throw new Error(`nft has no libnftables: ${linked}`);
  const texts = execFileSync("grep", ["-aoE", "[a-z][a-z0-9-]{1,14}", library], {
    encoding: "latin1",
    maxBuffer: 2 ** 26,
  });
  return [...new Set(texts.split("\n").filter((text) => /^[a-z][a-z0-9-]{1,14}$/.test(text)))];
}

describe("words of nft's language", () => {
  it("that this host's nft takes for no table's name are all reserved", () => {
    const candidates = words();
    expect(candidates.length).toBeGreaterThan(300);
    const free = candidates.filter((word) => networkName(word) === undefined);
    expect(free.filter((word) => !nftTakes(word))).toEqual([]);
  });

  it("are words: nft refuses some, and takes the usual names", () => {
    for (const word of ["ip", "table", "flush", "vlan"]) expect(nftTakes(word), word).toBe(false);
    for (const word of ["wirebox", "wiab-lab", "staging"]) expect(nftTakes(word), word).toBe(true);
  });
});
