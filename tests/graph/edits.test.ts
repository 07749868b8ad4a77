import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCertificate } from "../../lab/certificate";
import { fixtureBundle, labValues, type Values } from "../stacks";
import { type Change, type Preview, ScratchProject } from "./project";

// A preview says which setting of what changes from which value to which: in text, for people, and in JSON.

const folder = mkdtempSync(join(tmpdir(), "wiab-edits-"));
const project = new ScratchProject("lab", labValues("full"));
afterAll(() => {
  project.remove();
  rmSync(folder, { recursive: true });
});

interface Edit {
  /** What the operator changes in the configuration. */
  readonly change: (values: Values) => void;
  /** The resource that shows it, and the path in its inputs that JSON names. */
  readonly resource: string;
  readonly path: string;
  /** What stands there, in both forms, before and after. */
  readonly before: string;
  readonly after: string;
  /** The lines that a person reads. */
  readonly text: RegExp;
}

const domain = "other.wiab.test";

const edits: Readonly<Record<string, Edit>> = {
  "a heap": {
    change: (values) => {
      values.dataServices = { ...values.dataServices, cassandra: { heapMiB: 640 } };
    },
    resource: "cassandra-datanode2",
    path: "environment.UNIT",
    before: "-Xmx341M",
    after: "-Xmx640M",
    text: /~ UNIT: *\n[^~]*- +-Xms341M .*\n +- +-Xmx341M .*\n +\+ +-Xms640M .*\n +\+ +-Xmx640M /,
  },
  "the number of connections": {
    change: (values) => {
      values.dataServices = { ...values.dataServices, postgresql: { maxConnections: 250 } };
    },
    resource: "postgresql-datanode3",
    path: "environment.MAX_CONNECTIONS",
    before: "200",
    after: "250",
    text: /~ MAX_CONNECTIONS *: "200" => "250"/,
  },
  "when backups are made": {
    change: (values) => {
      values.backup = { schedule: "*-*-* 04:30:00" };
    },
    resource: "backups-kubenode1-timers",
    path: "environment.SCHEDULE",
    before: "*-*-* 02:30:00",
    after: "*-*-* 04:30:00",
    text: /~ SCHEDULE *: "\*-\*-\* 02:30:00" => "\*-\*-\* 04:30:00"/,
  },
  "the firewall": {
    change: (values) => {
      values.firewall.privateDeployment = false;
    },
    resource: "firewall-wiab-lab",
    path: "environment.RULESET",
    before: 'iifname "wiab-lab" goto from-machines',
    after: "masquerade",
    text: /~ RULESET: *\n[^~]*\+ +oifname != "wiab-lab" .* masquerade\n[^~]*- +iifname "wiab-lab" goto from-machines\n/,
  },
  "a chart's value": {
    change: (values) => {
      values.wire.values = { "wire-server": { brig: { replicaCount: 2 } } };
    },
    resource: "wire-wire-server",
    path: "values.brig.replicaCount",
    before: "3",
    after: "2",
    text: /~ brig *: \{\n.*\n {14}~ replicaCount: 3 => 2/s,
  },
  "the certificate": {
    change: (values) => {
      values.tls = {
        certificateFile: certificate.certificateFile,
        privateKeyFile: certificate.privateKeyFile,
      };
    },
    resource: "wire-front",
    path: "environment.FINGERPRINT",
    before: ":",
    after: ":",
    text: /~ FINGERPRINT *: "([0-9A-F]{2}:){31}[0-9A-F]{2}" => "([0-9A-F]{2}:){31}[0-9A-F]{2}"/,
  },
  "a machine's memory": {
    change: (values) => {
      values.machines.find(({ name }: Values) => name === "kubenode1").memoryGiB = 3;
    },
    resource: "kubenode1-domain",
    path: "memory",
    before: "2048",
    after: "3072",
    text: /~ memory *: 2048 => 3072/,
  },
  "what a kubelet keeps for itself, which follows from the memory": {
    change: () => {},
    resource: "kubernetes-member-kubenode1",
    path: "environment.KUBELET_CONFIG",
    before: "memory: 189Mi",
    after: "memory: 220Mi",
    text: /~ KUBELET_CONFIG *: \(yaml\) \{\n[^~]*~ kubeReserved +: \{\n.*\n +~ memory *: "189Mi" => "220Mi"/,
  },
  "the domain": {
    change: (values) => {
      values.domain = domain;
      values.wire.federationDomain = "lab.wiab.test";
    },
    resource: "datanode1-cloud-init",
    path: "environment.USER_DATA",
    before: "fqdn: datanode1.lab.wiab.test",
    after: `fqdn: datanode1.${domain}`,
    text: /~ USER_DATA *: \(yaml\) \{\n[^~]*~ fqdn +: "datanode1\.lab\.wiab\.test" => "datanode1\.other\.wiab\.test"/,
  },
  "the artifact": {
    change: (values) => {
      values.artifact = { sources: [{ manifest, location: fixtureBundle }] };
    },
    resource: "postgresql-datanode1",
    path: "environment.PACKAGES",
    before: "postgresql-15=15.20-0+deb12u1",
    after: "postgresql-15=15.21-0+deb12u1",
    text: /~ PACKAGES *: *\n[^~]*- +postgresql-15 .*=15\.20-0\+deb12u1\n[^~]*\+ +postgresql-15 .*=15\.21-0\+deb12u1\n/,
  },
};

const manifest = join(folder, "manifest.json");
let certificate: Awaited<ReturnType<typeof makeCertificate>>;
let preview: Preview;
let text: string;

beforeAll(async () => {
  certificate = await makeCertificate(folder, domain);
  const packages = readFileSync(labValues("full").artifact.sources[0].manifest, "utf8");
  writeFileSync(manifest, packages.replaceAll("15.20-0+deb12u1", "15.21-0+deb12u1"));
  await project.init();
  await project.record();
}, 1_800_000);

it("an unchanged configuration changes nothing", { timeout: 900_000 }, async () => {
  const { code, changes, text } = await project.preview();
  expect(code, text).toBe(0);
  expect(changes).toEqual([]);
});

describe("a preview of many edits", () => {
  beforeAll(async () => {
    const values = labValues("full");
    for (const { change } of Object.values(edits)) change(values);
    project.configure(values);
    preview = await project.preview();
    text = await project.previewText();
  }, 1_800_000);

  /** What the text says of a resource. */
  const paragraph = (name: string): string => {
    const found = text.split(/^ *[-+~]+ \S+: \((?:update|replace|create|delete)\)/m);
    return found.find((each) => each.includes(`::${name}]`)) ?? "";
  };
  const changed = (name: string): Change => {
    const found = preview.changes.find((each) => each.name === name);
    expect(found, name).toBeDefined();
    return found as Change;
  };
  const at = (inputs: Values, path: string): string =>
    `${path.split(".").reduce((value: any, key) => value?.[key], inputs)}`;

  it.each(Object.entries(edits))("names old and new value of %s", (_, edit) => {
    const { paths, before, after } = changed(edit.resource);
    expect(paths).toContain(edit.path);
    const [old, next] = [at(before, edit.path), at(after, edit.path)];
    expect(old).toContain(edit.before);
    expect(next).toContain(edit.after);
    expect(next).not.toBe(old);
    expect(paragraph(edit.resource)).toMatch(edit.text);
  });

  it("shows no secret", async () => {
    const state = await project.exportSecrets();
    expect(state.length).toBeGreaterThan(20);
    for (const secret of state) {
      expect(text.includes(secret)).toBe(false);
      expect(preview.text.includes(secret)).toBe(false);
    }
  });

  it("keeps the scripts' text out of the state", async () => {
    expect((await project.exportState()).length).toBeLessThan(4_700_000);
  });
});
