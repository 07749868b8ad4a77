import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { labValues, stagingValues, type Values } from "../stacks";
import { ScratchProject } from "./project";

const keyBody = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ";
const password = "correct-horse-battery-staple";
/** What the engine prints for a value that a later step gives. */
const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Files of the operator's, outside the project: what a preview writes is searched for them. */
const files = mkdtempSync(join(tmpdir(), "wiab-operator-"));
const projects: ScratchProject[] = [];

afterEach(() => {
  for (const project of projects.splice(0)) project.remove();
});
afterAll(() => rmSync(files, { recursive: true }));

/** A staging project whose configuration was changed. */
async function staging(change: (values: Values) => void): Promise<ScratchProject> {
  const values = stagingValues();
  change(values);
  return projectWith("staging", values);
}

async function projectWith(stack: string, values: Values): Promise<ScratchProject> {
  const project = new ScratchProject(stack, values);
  projects.push(project);
  await project.init();
  return project;
}

describe("secrets of the operator's", () => {
  it("show neither in a preview nor in anything that it writes", async () => {
    const privateKeyFile = join(files, "key");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", privateKeyFile]);
    const ownKey = readFileSync(privateKeyFile, "utf8").split("\n")[2] as string;
    expect(ownKey.length).toBeGreaterThan(60);
    const project = await staging((values) => {
      values.host.ssh.privateKeyFile = privateKeyFile;
      values.machines[0].existing = { user: "admin", privateKeyFile };
      values.mail = { relay: { host: "smtp.example.com", username: "wire" } };
    });
    await project.setSecret("wiab-staging:mail.relay.password", password);

    const { code, text, diagnostics, resources } = await project.preview();
    expect({ code, diagnostics }).toEqual({
      code: 0,
      diagnostics: expect.stringMatching(/^(warning: [^\n]*\n*)+$/),
    });
    const connections = resources.filter(({ type }) => type === "command:remote:Command");
    expect(connections.length).toBeGreaterThan(25);
    for (const { name, inputs } of connections) {
      // The key that the stack makes for its own machines is not known yet.
      const madeHere = name.endsWith("-login") && name !== "assethost-login";
      expect(inputs.connection, name).toBe(madeHere ? unknownValue : "[secret]");
    }

    const written = project.written();
    // The searches below would find something: the path of the key is no secret, nor is the configuration.
    expect(text).toContain(privateKeyFile);
    expect(written).toContain("smtp.example.com");
    const everything = [text, written, await project.exportState()];
    for (const each of everything)
      for (const secret of [password, ownKey, "PRIVATE KEY"]) expect(each).not.toContain(secret);
  });
});

describe("an encrypted value of a chart", () => {
  it("shows neither in a preview, nor in a saved plan, nor in the state; the plain ones beside it do", async () => {
    const values = labValues("small");
    values.wire.values = { webapp: { replicaCount: 1 }, "team-settings": { replicaCount: 1 } };
    const project = await projectWith("lab", values);
    await project.setSecret("wiab-staging:wire.values.webapp.tracker.password", password);
    const plan = join(project.directory, "plan.json");
    const { code, stdout, stderr } = await project.pulumi(
      "preview",
      "--diff",
      "--save-plan",
      plan,
      "--stack",
      "lab",
    );
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const preview = await project.preview();
    const everything = [stdout, stderr, preview.text, project.written(), await project.exportState()];
    for (const each of everything) expect(each).not.toContain(password);
    const of = (name: string) => preview.resources.find((resource) => resource.name === name)?.inputs.values;
    expect(JSON.stringify(of("wire-webapp"))).toContain("[secret]");
    expect(of("wire-team-settings")).toMatchObject({ replicaCount: 1 });
  });
});

describe("what is said of secrets in the wrong places", () => {
  it("has nothing of them but their beginnings, and no stack trace", async () => {
    const key = `-----BEGIN OPENSSH PRIVATE KEY-----\n${keyBody}\n-----END OPENSSH PRIVATE KEY-----\n`;
    const project = await staging((values) => {
      values.host.ssh.privateKeyFile = key;
      values.machines[1].address = password;
      values.machines[2].existing = { user: "me", privateKeyFile: password };
      values.tls = { certificateFile: key, privateKeyFile: key };
      values.artifact = { sources: [{ manifest: key, location: key }] };
      values[password] = key;
    });
    // As people run it: with --json the CLI itself prints the configuration, whatever is in it.
    const { code, stdout, stderr } = await project.pulumi("preview", "--stack", project.stack);
    const text = stdout + stderr;
    expect(code).not.toBe(0);
    expect(text).toContain("nothing was changed");
    expect(text).not.toMatch(/\bat .*\.ts:\d+/);
    for (const secret of [keyBody.slice(0, 6), password.slice(0, 12)]) expect(text).not.toContain(secret);
  });
});

describe("a configuration with several errors", () => {
  it("is refused with all of them, and nothing is planned", async () => {
    const project = await staging((values) => {
      values.network.cidrr = values.network.cidr;
      values.machines[1].address = "10.0.0.1";
      values.machines.splice(6, 1);
      values.host.ssh.privateKeyFile = join(files, "missing");
      values.mail = { relay: { host: "smtp.example.com", password } };
    });

    const { code, diagnostics, resources } = await project.preview();
    expect(code).not.toBe(0);
    expect(resources.map(({ type }) => type)).toEqual(["pulumi:pulumi:Stack"]);
    expect(diagnostics).toContain("the configuration has 5 problems, nothing was changed:");
    for (const problem of [
      "network.cidrr: is not a known key; did you mean cidr?",
      "machines[1].address: 10.0.0.1 is outside the network 192.168.122.0/24",
      "machines: 2 datanodes is an even number",
      `host.ssh.privateKeyFile: ${join(files, "mi…")} cannot be read: there is no such file on the workstation (ENOENT)`,
      "mail.relay.password: is a password in plain text; store it encrypted: pulumi config set --secret --path 'mail.relay.password'",
    ])
      expect(diagnostics).toContain(`  - ${problem}`);
    expect(diagnostics).not.toContain(password);
    expect(diagnostics).not.toContain("node:");
  });
});
