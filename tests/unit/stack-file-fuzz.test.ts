import { describe, expect, it } from "vitest";
import { tellTales } from "../fuzz/mutations";
import { fuzzStackFiles, refusalOf } from "../fuzz/stack-files";

// `npm run fuzz` puts 10,000 in front of it.
describe("a stack's file with anything wrong in it", () => {
  it("is refused in words or planned to the end, and no message has a secret", () => {
    const { refused, accepted, faults } = fuzzStackFiles(150, 20260601);
    expect(faults).toEqual([]);
    // Mistakes and harmless changes are both among them.
    expect(refused).toBeGreaterThan(75);
    expect(accepted).toBeGreaterThan(0);
  });

  it("is judged by messages in which a secret would be found", () => {
    const secret = tellTales[0] as string;
    const message = refusalOf(`config:\n  wiab-staging:domain: ${secret}\n`);
    expect(message).toMatch(/domain: must be a domain name/);
    expect(message).not.toContain(secret);
  });
});
