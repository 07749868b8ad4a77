import { describe, expect, it } from "vitest";
import {
  addressAt,
  addressOf,
  canonical,
  includes,
  isIpv6Network,
  overlap,
  prefixFor,
} from "../../components/config/mesh-addresses";

describe("a site's prefix", () => {
  it("is a /64 of the range that follows from the zone", () => {
    expect(prefixFor("a.pmd.internal", "fd51::/16")).toMatch(/^fd51(:[0-9a-f]{1,4}){3}::\/64$/);
    expect(prefixFor("a.pmd.internal", "fd51::/16")).toBe(prefixFor("a.pmd.internal", "fd51::/16"));
    expect(prefixFor("a.pmd.internal", "fd51::/64")).toBe("fd51::/64");
  });

  it("lies in the range whatever its length, and differs between 300 sites", () => {
    const sites = Array.from({ length: 300 }, (_, number) => `site${number}.pmd.internal`);
    for (const range of ["fc00::/7", "fd51::/16", "fd51:2:3::/40"]) {
      const prefixes = sites.map((zone) => prefixFor(zone, range));
      expect(prefixes.every((prefix) => includes(range, prefix) && isIpv6Network(prefix))).toBe(true);
    }
    expect(new Set(sites.map((zone) => prefixFor(zone, "fd51::/16"))).size).toBe(300);
  });
});

describe("addresses of the overlay", () => {
  it("are written in one way", () => {
    expect(canonical("FD51:0:0:1:0000::/64")).toBe("fd51:0:0:1::/64");
    expect(addressAt("fd51:0:0:1::/64", 0xfe)).toBe("fd51:0:0:1::fe");
    expect(addressAt("fd51:1:2:3::/64", 1)).toBe("fd51:1:2:3::1");
  });

  it("follow from a label, within the prefix and away from the site's own", () => {
    const address = addressOf("fd51:0:0:1::/64", "web");
    expect(address).toMatch(/^fd51::1:[89a-f][0-9a-f]{3}(:[0-9a-f]{1,4}){3}$/);
    expect(includes("fd51:0:0:1::/64", `${address}/128`)).toBe(true);
    expect(addressOf("fd51:0:0:1::/64", "web")).toBe(address);
    expect(addressOf("fd51:0:0:1::/64", "api")).not.toBe(address);
  });

  it.each([
    "fd51::",
    "fd51::/129",
    "fd51::1/64",
    "fd51::/x",
    "10.0.0.0/8",
    "::ffff:1.2.3.4/128",
    "fd51::/16/1",
  ])("%s is no network", (text) => {
    expect(isIpv6Network(text)).toBe(false);
  });

  it("overlap where one network includes the other", () => {
    expect(overlap("fd51::/16", "fd51:0:0:1::/64")).toBe(true);
    expect(overlap("fd51:0:0:1::/64", "fd51::/16")).toBe(true);
    expect(overlap("fd51:0:0:1::/64", "fd51:0:0:2::/64")).toBe(false);
  });
});
