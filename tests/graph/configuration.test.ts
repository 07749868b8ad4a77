import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { stagingValues, type Values } from "../stacks";
import { ScratchProject } from "./project";

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
  const project = new ScratchProject("staging", values);
  projects.push(project);
  await project.init();
  return project;
}

describe("secrets of the operator's", () => {
  it("show neither in a preview nor in anything that it writes", async () => {
    const privateKeyFile = join(files, "key");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", privateKeyFile]);
    const keyBody = readFileSync(privateKeyFile, "utf8").split("\n")[2] as string;
    expect(keyBody.length).toBeGreaterThan(60);
    const project = await staging((values) => {
      values.host.ssh.privateKeyFile = privateKeyFile;
      values.machines[0].existing = { user: "admin", privateKeyFile };
      values.mail = { relay: { host: "smtp.example.com", username: "wire" } };
    });
    await project.setSecret("wiab-staging:mail.relay.password", password);

    const { code, text, diagnostics, resources } = await project.preview();
    expect({ code, diagnostics }).toEqual({ code: 0, diagnostics: "" });
    const connections = resources.filter(({ type }) => type === "command:remote:Command");
    expect(connections.length).toBeGreaterThan(25);
    for (const { name, inputs } of connections) {
      // The key that the stack makes for its own machines is not known yet.
      const ownKey = name.endsWith("-login") && name !== "assethost-login";
      expect(inputs.connection, name).toBe(ownKey ? unknownValue : "[secret]");
    }

    const written = project.written();
    // The searches below would find something: the path of the key is no secret, nor is the configuration.
    expect(text).toContain(privateKeyFile);
    expect(written).toContain("smtp.example.com");
    const everything = [text, written, await project.exportState()];
    for (const each of everything)
      for (const secret of [password, keyBody, "PRIVATE KEY"]) expect(each).not.toContain(secret);
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
      "machines[1].address: kubenode1: 10.0.0.1 is outside the network 192.168.122.0/24",
      "machines: 2 datanodes is an even number",
      `host.ssh.privateKeyFile: ${join(files, "missing")} cannot be read: ENOENT`,
      "mail.relay.password: is in plain text; store it encrypted: pulumi config set --secret --path mail.relay.password",
    ])
      expect(diagnostics).toContain(`  - ${problem}`);
    expect(diagnostics).not.toContain(password);
  });
});
