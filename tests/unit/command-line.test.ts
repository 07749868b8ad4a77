import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changes, checkCommand, commandOf, parseCommand, stackOf } from "../../cli/command-line";
import { changing } from "../../cli/deployment";
import { holding, onHost, ownerOf } from "../../cli/host-record";
import { open } from "../../cli/state-copy";
import { stateFile } from "../../toolchain/states";

const words = (text: string) => text.split(" ").filter((word) => word !== "");

describe("the stack that a command line names", () => {
  it.each([
    ["preview --stack staging", "staging"],
    ["up --yes -s lab", "lab"],
    ["up -slab", "lab"],
    ["up -s=lab", "lab"],
    ["destroy -yfs lab", "lab"],
    ["up -ys=lab --skip-preview", "lab"],
    ["up --stack=lab-two", "lab-two"],
    ["up --stack lab --stack=other", "other"],
    ["up --stack organization/wiab-staging/lab", "lab"],
    ["up -m --stack -s lab", "lab"],
    ["up --message -s --stack=lab", "lab"],
    ["up -t -s -rs lab", "lab"],
    ["stack ls", undefined],
    ["up -m slab", undefined],
    ["up -mslab", undefined],
    ["preview --stack", undefined],
    ["up -- --stack lab", undefined],
  ])("%s: %s", (line, stack) => {
    expect(stackOf(words(line))).toBe(stack);
  });
});

describe("a command of the CLI's", () => {
  const command = (text: string) => parseCommand(words(text));

  it.each([
    ...["up", "update --yes", "destroy --yes -s staging", "down", "dn", "refresh --stack staging", "watch"],
    ...["import libvirt:index/domain:Domain a b", "stack import --file state.json", "stack rename other"],
    ...["stack rm staging --force", "stack remove", "stack change-secrets-provider passphrase"],
    ...["stack migrate s3://bucket", "state delete URN --yes", "state rm URN", "state rename a b"],
    ...["state unprotect --all", "state move --dest b URN", "state edit", "state repair", "state taint URN"],
    ...["state upgrade", "up --preview-only=false", "up --message --help", "do aws:s3:Bucket create"],
    "what-a-later-version-has",
  ])("holds the host and renews the copy: %s", (text) => {
    expect(changes(command(text))).toBe(true);
  });

  it.each([
    ...[
      "",
      "--version",
      "preview --diff",
      "pre",
      "stack",
      "stack --show-urns --stack staging",
      "stack output x",
    ],
    ...["stack ls", "stack export --file f", "stack select staging", "stack init staging", "state get URN"],
    ...["up --help", "up -h", "destroy -yh", "up --preview-only", "config set a b", "whoami --verbose"],
    ...["cancel --yes", "plugin ls"],
  ])("only looks: %s", (text) => {
    expect(changes(command(text))).toBe(false);
  });

  it.each([
    ["--stack staging destroy", "the command comes first"],
    ["--non-interactive up", "the command comes first"],
    ["stack --stack staging rm", "the command comes first"],
    ["state -s staging delete URN", "the command comes first"],
    ["up -C elsewhere --stack staging", "leave --cwd"],
    ["up --cwd=elsewhere", "leave --cwd"],
    ["up -yCelsewhere", "leave --cwd"],
    ["up -c wiab-staging:domain=other.example.com", "set the value first"],
  ])("is refused if the checks would look past it: %s", (text, message) => {
    expect(() => checkCommand(words(text))).toThrow(message);
  });

  it.each([
    ...[
      "destroy --stack staging",
      "--version",
      "",
      "stack --stack staging",
      "stack output -s staging domain",
    ],
    ...["up --yes", "preview -c a=b"],
  ])("is taken: %s", (text) => {
    expect(() => checkCommand(words(text))).not.toThrow();
  });

  it("is one word, or two", () => {
    expect(commandOf(command("stack rename other --stack staging"))).toBe("stack rename");
    expect(commandOf(command("stack"))).toBe("stack");
    expect(commandOf(command("destroy -y"))).toBe("destroy");
  });
});

describe("a command that changes a state", () => {
  let folder: string;
  const place = { network: "wirebox" };
  const backend = () => join(folder, "backend");
  const file = (stack: string) => stateFile(backend(), stack);
  const stackFile = (stack: string) => join(folder, `Pulumi.${stack}.yaml`);
  const root = () => join(folder, "records");
  const state = (urn: string) => JSON.stringify({ checkpoint: { latest: { resources: [{ urn }] } } });
  const run = (text: string, work: () => Promise<number>) =>
    changing(
      { PULUMI_BACKEND_URL: `file://${backend()}`, PULUMI_CONFIG_PASSPHRASE: "a passphrase" },
      stackOf(words(text)) ?? "staging",
      parseCommand(words(text)),
      work,
      { directory: folder, root: root() },
    );
  const copy = async () => open(await onHost(place, "get", "", root()), "a passphrase");

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "wiab-command-"));
    mkdirSync(join(file("staging"), ".."), { recursive: true });
    writeFileSync(file("staging"), state("urn:one"));
    writeFileSync(stackFile("staging"), "config: {}\n");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it.each(["state delete URN", "stack import --file f", "refresh -ys staging", "import a b c"])(
    "keeps others out and renews the copy: %s",
    async (text) => {
      const code = run(text, async () => {
        const second = holding(place, "another", async () => {}, "hold", root());
        await expect(second).rejects.toThrow("is being worked on");
        writeFileSync(file("staging"), state("urn:two"));
        return 7;
      });
      await expect(code).resolves.toBe(7);
      expect((await copy()).state).toBe(state("urn:two"));
    },
  );

  it("has the deployment and its copy follow when a stack is renamed", async () => {
    await run("up", async () => 0);
    await run("stack rename organization/wiab-staging/other", async () => {
      renameSync(file("staging"), file("other"));
      renameSync(stackFile("staging"), stackFile("other"));
      return 0;
    });
    expect((await copy()).stack).toBe("other");
    const owner = ownerOf("other", backend());
    await expect(holding(place, owner, async () => "ours", "hold", root())).resolves.toBe("ours");
  });
});
