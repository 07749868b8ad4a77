import { describe, expect, it } from "vitest";
import { validate } from "../../components/validation/validate";
import { labValues, surroundings, type Values } from "../stacks";
import { warningsOf } from "./refused";

/** Warnings of a lab, which has an artifact and charts. */
const lab = (change: (c: Values) => void) => {
  const values = labValues("small");
  change(values);
  return validate(values, surroundings).warnings;
};

describe("what is given and not used is named", () => {
  it.each<[string, (c: Values) => void, readonly string[]]>([
    [
      "charts without an artifact",
      (c) => (c.wire = { values: {} }),
      ["wire: is not used: without an artifact"],
    ],
    [
      "services' settings without an artifact",
      (c) => Object.assign(c, { dataServices: { tls: false }, backup: { keep: 3 }, kubernetes: {} }),
      ["dataServices: is not used", "backup: is not used", "kubernetes: is not used"],
    ],
    [
      "mail and features without an artifact",
      (c) => Object.assign(c, { mail: {}, features: {} }),
      ["features: is", "mail: is"],
    ],
    [
      "a calling node without calling",
      (c) => (c.calling = { enabled: false, node: "kubenode1" }),
      ["calling.node: is not used: calling.enabled is false"],
    ],
  ])("%s", (_name, change, messages) => {
    // The host's key is another matter.
    const warnings = warningsOf(change).filter((line) => !line.startsWith("host.ssh"));
    expect(warnings).toEqual(messages.map((message) => expect.stringContaining(message)));
  });

  it("values for a release that is not installed", () => {
    const off = lab((c) => {
      c.calling = { enabled: false };
      c.wire.values = { coturn: { a: 1 }, "cert-manager": {}, webapp: { replicaCount: 1 } };
    });
    expect(off.filter((line) => line.startsWith("wire.values"))).toEqual([
      "wire.values.coturn: is not used: that release is not installed here",
      "wire.values.cert-manager: is not used: that release is not installed here",
    ]);
  });

  it("a certificate without charts", () => {
    expect(lab((c) => delete c.wire)).toEqual([
      expect.stringContaining("tls: is not used: without wire.charts"),
    ]);
  });

  it("mail that finds no way out", () => {
    expect(lab(() => {})).toEqual([
      expect.stringMatching(/^mail.relay: is missing, and firewall.privateDeployment/),
    ]);
    expect(lab((c) => (c.mail = { relay: { host: "mail.example.com" } }))).toEqual([
      expect.stringContaining("mail.relay.host: mail.example.com has to be the host or a machine"),
    ]);
    expect(lab((c) => (c.mail = { relay: { host: "192.168.230.1" } }))).toEqual([]);
    expect(lab((c) => (c.firewall.privateDeployment = false))).toEqual([]);
  });

  it("half a login at the mail relay", () => {
    expect(
      lab((c) => {
        c.firewall.privateDeployment = false;
        c.mail = { relay: { host: "mail.example.com", username: "wire" } };
      }),
    ).toEqual([expect.stringContaining("mail.relay.username: is not used without")]);
  });
});
