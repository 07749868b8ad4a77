import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { renderDhcpRange } from "../../components/host/xml";
import { findFixed, fixedKeys } from "../../components/validation/fixed";
import { recordedSettings } from "../../components/validation/recorded";
import { stagingConfiguration, type Values } from "../stacks";

/** What a state has of a staging that is up, as far as it matters here. */
function state(values = stagingConfiguration(() => {})) {
  const urn = (type: string, name: string) => `urn:pulumi:staging::wiab-staging::${type}::${name}`;
  const { network, kubernetes, ssh } = values;
  const kubeadm = `kind: InitConfiguration
---
kind: ClusterConfiguration
apiServer: { extraArgs: { encryption-provider-config: /encryption.yaml } }
networking: { podSubnet: ${kubernetes.podCidr}, serviceSubnet: ${kubernetes.serviceCidr} }
`;
  const command = "command:remote:Command";
  return {
    [urn("pulumi:pulumi:Stack", "wiab-staging-staging")]: {
      type: "pulumi:pulumi:Stack",
      outputs: { sshUser: ssh.user, domain: values.domain, wire: { urls: {} } },
    },
    [urn("wiab:host:Host$libvirt:index/network:Network", "host-network")]: {
      type: "libvirt:index/network:Network",
      outputs: { addresses: [network.cidr], xml: { xslt: renderDhcpRange(network.dhcpRange) } },
    },
    [urn(`wiab:host:VirtualMachine$${command}`, "kubenode1-login")]: {
      type: command,
      outputs: { stdout: "kubenode1" },
    },
    [urn("wiab:kubernetes:KubernetesCluster", "kubernetes")]: {
      type: "wiab:kubernetes:KubernetesCluster",
      outputs: {},
    },
    [urn(`wiab:kubernetes:KubernetesCluster$${command}`, "kubernetes-member-kubenode1")]: {
      type: command,
      outputs: { environment: { KUBEADM_CONFIG: kubeadm } },
    },
  };
}

const edits: Readonly<Record<(typeof fixedKeys)[number], (values: Values) => void>> = {
  "network.cidr": (values) => {
    values.network.cidr = "192.168.122.0/23";
  },
  "network.dhcpRange": (values) => {
    values.network.dhcpRange = { start: "192.168.122.200", end: "192.168.122.210" };
  },
  "kubernetes.podCidr": (values) => {
    values.kubernetes = { podCidr: "10.100.0.0/18" };
  },
  "kubernetes.serviceCidr": (values) => {
    values.kubernetes = { serviceCidr: "10.101.0.0/18" };
  },
  "kubernetes.encryptSecrets": (values) => {
    values.kubernetes = { encryptSecrets: false };
  },
  artifact: (values) => {
    values.artifact = undefined;
  },
  "wire.federationDomain": (values) => {
    values.domain = "other.example.com";
  },
  "ssh.user": (values) => {
    values.ssh = { ...values.ssh, user: "somebody" };
  },
};

/** A staging with an artifact, which is all that matters of that. */
const withArtifact = (change?: (values: Values) => void) => ({
  ...stagingConfiguration(change),
  artifact: {} as NonNullable<ReturnType<typeof stagingConfiguration>["artifact"]>,
});

describe("what cannot change in place", () => {
  it("is found in the state of what was made with it", () => {
    expect(Object.keys(recordedSettings(state())).sort()).toEqual([...fixedKeys].sort());
  });

  it("may stay as it is", () => {
    expect(
      findFixed(
        withArtifact((values) => {
          values.kubernetes = { encryptSecrets: true };
        }),
        recordedSettings(state()),
      ),
    ).toEqual([]);
  });

  it("lets the domain change where Wire's users keep theirs", () => {
    const edited = withArtifact((values) => {
      values.wire = { federationDomain: values.domain };
      values.domain = "other.example.com";
      values.kubernetes = { encryptSecrets: true };
    });
    expect(findFixed(edited, recordedSettings(state()))).toEqual([]);
  });

  it("knows what domain users have from the outputs, whatever the stack's domain was", () => {
    const outputs = { domain: "later.example.com", wire: { federationDomain: "first.example.com" } };
    const type = "pulumi:pulumi:Stack";
    expect(recordedSettings({ a: { type, outputs } })["wire.federationDomain"]).toBe("first.example.com");
    expect(recordedSettings({ a: { type, outputs: { ...outputs, wire: null } } })).toEqual({});
  });

  it("may be anything before it was made", () => {
    for (const edit of Object.values(edits)) expect(findFixed(stagingConfiguration(edit), {})).toEqual([]);
  });

  it.each(fixedKeys)("is refused: %s", (key) => {
    const problems = findFixed(stagingConfiguration(edits[key]), recordedSettings(state()));
    const mine = problems.filter((problem) => problem.key === key);
    expect(mine).toHaveLength(1);
    expect(mine[0]?.message).toMatch(/^cannot change from .* in place: .*Set it back/);
  });
});

describe("the table of edits in docs/architecture.md", () => {
  const section = readFileSync("docs/architecture.md", "utf8").split("## What an edit does")[1] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  /** `a.*` and `a.b.{c,d}` written out: a pattern for each key that a row is about. */
  const named = rows.flatMap((row) =>
    [...(row.split(" | ")[0] ?? "").matchAll(/`([A-Za-z0-9[\].*]+)`/g)].map(([, key = ""]) => key),
  );
  const keys = [...readFileSync("docs/configuration.md", "utf8").matchAll(/^\| `([^`]+)`/gm)].map(
    ([, key = ""]) => key,
  );
  const covers = (name: string, key: string) =>
    name === key ||
    /^[.[]/.test(key.startsWith(name) ? key.slice(name.length) : "") ||
    name.startsWith(`${key}.`) ||
    (name.endsWith(".*") && key.startsWith(name.slice(0, -1)));

  it("says of every key of the schema what an edit of it does", () => {
    expect(keys.length).toBeGreaterThan(80);
    const above = (key: string) => keys.some((other) => other.startsWith(`${key}.`));
    const missing = keys.filter((key) => !above(key) && !named.some((name) => covers(name, key)));
    expect(missing).toEqual([]);
  });

  it("names no key that the schema does not have", () => {
    const known = (name: string) => keys.some((key) => covers(name, key));
    expect(named.filter((name) => /[.[]/.test(name) && !known(name))).toEqual([]);
  });

  it("calls refused what is refused", () => {
    for (const key of fixedKeys) {
      const row = rows.find((line) => line.split(" | ")[0]?.includes(`\`${key}\``));
      expect(row, key).toContain("**refused**");
    }
  });
});
