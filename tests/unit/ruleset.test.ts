import { describe, expect, it } from "vitest";
import { planDeployment } from "../../components/config/plan";
import { planRuleset, type RulesetArgs, renderRuleset } from "../../components/host/firewall/ruleset";
import { renderUnit } from "../../components/host/firewall/unit";
import { keptMediaPorts } from "../../components/wire/calling/ports";
import { stagingConfiguration } from "../stacks";

const args: RulesetArgs = {
  name: "wirebox",
  publicAddress: "203.0.113.1",
  inside: { kind: "bridge", bridge: "wirebox", network: "192.168.122.0/24" },
  kubenodes: ["192.168.122.21", "192.168.122.22"],
  callingNode: "192.168.122.22",
  privateDeployment: false,
  hardenInput: false,
};

describe("renderRuleset", () => {
  it("replaces one table whole and touches no other", () => {
    const lines = renderRuleset(args).split("\n");
    expect(lines.slice(0, 3)).toEqual([
      "add table inet wirebox",
      "delete table inet wirebox",
      "table inet wirebox {",
    ]);
    expect(lines.filter((line) => /flush|^table|^delete/.test(line))).toHaveLength(2);
  });

  it("spreads the ingress over the kubenodes in their order", () => {
    expect(renderRuleset(args)).toContain(
      "tcp dport 443 dnat ip to numgen inc mod 2 map { 0 : 192.168.122.21, 1 : 192.168.122.22 } : 31773\n",
    );
    expect(renderRuleset({ ...args, kubenodes: ["192.168.122.21"] })).toContain(
      "tcp dport 80 dnat ip to numgen inc mod 1 map { 0 : 192.168.122.21 } : 31772\n",
    );
  });

  it("translates for the public address alone", () => {
    const chains = renderRuleset(args).match(/hook (prerouting|output)[^}]*/g) ?? [];
    expect(chains).toHaveLength(2);
    for (const chain of chains) {
      expect(chain.trim().split("\n").slice(1)).toEqual(["    ip daddr 203.0.113.1 jump services"]);
    }
  });

  it("knows nothing of calling without a calling node", () => {
    const { callingNode: _, ...withoutCalling } = args;
    expect(renderRuleset(args)).toMatch(/3478[\s\S]*32768-65535/);
    const narrow = renderRuleset({ ...args, firstMediaPort: 40000 });
    expect(narrow).toMatch(/udp dport 40000-65535/);
    expect(narrow).not.toContain("32768");
    expect(renderRuleset(withoutCalling)).not.toMatch(/3478|32768|undefined/);
  });

  it("masquerades unless the deployment is private, which refuses what machines start instead", () => {
    expect(renderRuleset(args)).toContain("masquerade");
    expect(renderRuleset(args)).not.toContain("from-machines");
    const privately = renderRuleset({ ...args, privateDeployment: true });
    expect(privately).not.toContain("masquerade");
    expect(privately).toContain('iifname "wirebox" goto from-machines');
  });

  it("has the host answer for the names that are needed alone where there is no way out", () => {
    const planned = (privateDeployment: boolean) => {
      const config = stagingConfiguration((c) => {
        c.firewall.privateDeployment = privateDeployment;
        c.mail = { relay: { host: "Mail.example.com", port: 2525 } };
      });
      return planRuleset(config, planDeployment(config));
    };
    const { names = [] } = planned(true);
    for (const name of [
      ...["kubenode1", "21.122.168.192.in-addr.arpa", "mail.example.com"],
      ...planDeployment(stagingConfiguration()).dnsRecords.map(({ name }) => name),
    ])
      expect(names).toContain(name);
    expect(renderRuleset(planned(true))).toContain("th dport 53 goto names");
    expect(renderRuleset(planned(false))).not.toContain("goto names");
    // 0x09 "kubenode1" 0x00, with one question.
    expect(renderRuleset({ ...args, privateDeployment: true, names: ["kubenode1"] })).toContain(
      "    meta l4proto udp @th,96,16 1 @th,160,88 0x096b7562656e6f64653100 meta mark set",
    );
  });

  it("lets machines have of the host what is listed, and a relay that may be there", () => {
    const chain = (text: string) => /chain to-host \{([^}]*\{[^}]*\})*[^}]*\}/.exec(text)?.[0] ?? "";
    const admitted = "meta mark set 0x77696162 accept";
    expect(chain(renderRuleset(args))).not.toContain("587");
    const all = chain(renderRuleset({ ...args, relayPort: 587, hostPorts: ["udp/51820"] }));
    for (const rule of ["tcp dport 587", "udp dport 51820", "udp dport { 53, 67, 123 }", "tcp dport { 53 }"])
      expect(all).toContain(`    ${rule} ${admitted}\n`);
    const planned = (host?: string) => {
      const config = stagingConfiguration((c) => {
        c.mail = host ? { relay: { host, port: 2525 } } : {};
      });
      return planRuleset(config, planDeployment(config)).relayPort;
    };
    expect(
      ["192.168.122.1", "203.0.113.10", "mail.example.com", "198.51.100.9", undefined].map(planned),
    ).toEqual([...[2525, 2525, 2525, undefined, undefined]]);
  });

  it("lets the asset host bring backups to a server elsewhere, and nothing else out", () => {
    const offHost = { assetHost: "192.168.122.10", address: "198.51.100.20", port: 23 };
    const rules = renderRuleset({ ...args, privateDeployment: true, offHost });
    const packets = "ip saddr 192.168.122.10 ip daddr 198.51.100.20 tcp dport 23";
    expect(rules).toContain(`    oifname != "wirebox" ${packets} snat ip to 203.0.113.1\n`);
    expect(rules).toContain(`    ${packets} accept\n`);
    expect(renderRuleset({ ...args, privateDeployment: true })).not.toContain("198.51.100.20");
  });

  it("drops by policy in the hardened input alone", () => {
    expect(renderRuleset(args)).not.toMatch(/policy drop|hook input priority filter;/);
    const hardened = renderRuleset({ ...args, hardenInput: true, sshPort: 2222 });
    expect(hardened.match(/.*policy drop/g)).toEqual([
      "    type filter hook input priority filter; policy drop",
    ]);
    expect(hardened).toContain("tcp dport 2222 accept");
  });

  it.each([
    [{ name: "1 table; drop" }, /"1 table; drop" cannot name an nft table/],
    [{ kubenodes: [] }, /there is no kubenode/],
    [{ sshPort: 443 }, /SSH port 443 .* move sshd/],
    [{ sshPort: 3478 }, /SSH port 3478 .* move sshd/],
  ])("refuses %o", (wrong, message) => {
    expect(() => renderRuleset({ ...args, ...wrong })).toThrow(message);
  });
});

describe("renderUnit", () => {
  const unit = {
    name: "wirebox",
    rulesetFile: "/etc/wiab/wirebox/ruleset.nft",
    publicAddress: "203.0.113.1",
  };

  it("loads the rules after the distribution's own, before the network", () => {
    const text = renderUnit(unit);
    expect(text).toMatch(/^After=.*nftables\.service$/m);
    expect(text).toMatch(/^Before=network-pre\.target/m);
    expect(text.match(/^ExecStart=.*$/gm)).toEqual(["ExecStart=nft -f /etc/wiab/wirebox/ruleset.nft"]);
  });

  it("makes the public interface first, and loads the rules even if that fails", () => {
    const starts = renderUnit({ ...unit, publicInterface: "wiab-public" }).match(/^ExecStart=.*$/gm) ?? [];
    expect(starts).toHaveLength(4);
    expect(starts.slice(0, 3).every((start) => start.startsWith("ExecStart=-ip "))).toBe(true);
    expect(starts[2]).toBe("ExecStart=-ip address replace 203.0.113.1/32 dev wiab-public");
  });
});

describe("ports that stay with the host", () => {
  it("are held on the calling node where a call could get them", () => {
    const kept = ["udp/32767", "udp/40000", "tcp/50000", "udp/51820", "udp/65535"];
    expect(keptMediaPorts(kept, 32768)).toBe("40000 51820 65535");
    expect(keptMediaPorts(kept, 45000)).toBe("51820 65535");
    expect(keptMediaPorts(["tcp/2222"], 32768)).toBe("");
  });
});
