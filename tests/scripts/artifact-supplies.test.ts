import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { run } from "../../toolchain/commands";
import { sha256 } from "../fixtures/archives";
import { kill, Machine, until } from "../fixtures/machine";

// A machine that gets its packages, its authority and its time from the stack: a real apt with a repository that is
// made and signed here, and served on the machine itself, so that nothing else can be reached.

const script = "components/artifact/supplies/supplies.sh";
const repository = "debs-bookworm/public";
const url = "http://127.0.0.1:8080";

let root: string;
let machine: Machine;
let webServer: ChildProcess;
let key: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "wiab-supplies-"));
  await makeRepository();
});
afterAll(() => rmSync(root, { recursive: true }));

/** Makes an apt repository with packages of nothing: one that is asked for here, and the script's own. */
async function makeRepository(): Promise<void> {
  const folder = join(root, repository);
  const home = { env: { GNUPGHOME: join(root, "gnupg") } };
  mkdirSync(join(root, "gnupg"), { mode: 0o700 });
  for (const name of ["wiab-hello", "systemd-timesyncd"]) {
    const files = join(root, "packages", name);
    mkdirSync(join(files, "DEBIAN"), { recursive: true });
    mkdirSync(join(files, "usr/share"), { recursive: true });
    writeFileSync(join(files, "usr/share", name), name);
    writeFileSync(
      join(files, "DEBIAN/control"),
      `Package: ${name}\nVersion: 999\nArchitecture: all\nMaintainer: tests <tests@example.com>\nDescription: test\n`,
    );
    mkdirSync(join(folder, "pool"), { recursive: true });
    await run("dpkg-deb", [
      "--build",
      "--root-owner-group",
      "-Znone",
      files,
      join(folder, "pool", `${name}.deb`),
    ]);
  }
  await run(
    "gpg",
    [
      ...[
        "--batch",
        "--quiet",
        "--passphrase",
        "",
        "--quick-generate-key",
        "tests@example.com",
        "ed25519",
        "sign",
      ],
    ],
    home,
  );
  writeFileSync(join(folder, "gpg"), await run("gpg", ["--armor", "--export"], home));
  const dist = join(folder, "dists/bookworm");
  mkdirSync(join(dist, "main/binary-amd64"), { recursive: true });
  writeFileSync(
    join(dist, "main/binary-amd64/Packages"),
    `${await run("apt-ftparchive", ["packages", "pool"], { cwd: folder })}\n`,
  );
  const release = ["Suite=bookworm", "Codename=bookworm", "Components=main", "Architectures=amd64"];
  const options = release.flatMap((option) => ["-o", `APT::FTPArchive::Release::${option}`]);
  const text = await run("apt-ftparchive", [...options, "release", "."], { cwd: dist });
  writeFileSync(join(dist, "Release"), `${text}\n`);
  await run(
    "gpg",
    ["--batch", "--clearsign", "--output", join(dist, "InRelease"), join(dist, "Release")],
    home,
  );
  await run("gpgconf", ["--kill", "all"], home);
  key = sha256(readFileSync(join(folder, "gpg")));
}

beforeEach(async () => {
  machine = await Machine.start("kubenode1");
  for (const path of readdirSync(join(root, repository), { recursive: true, encoding: "utf8" })) {
    const file = join(root, repository, path);
    if (statSync(file).isFile()) machine.write(`/opt/assets/${repository}/${path}`, readFileSync(file));
  }
  await startWebServer();
  // It runs for good, once it was started.
  machine.systemctl({ "systemd-timesyncd": "sleep 1000" });
  machine.write("/run/systemd/timesync/synchronized", "");
  machine.write("/etc/apt/apt.conf.d/00tests", 'Acquire::Retries::Delay "false";');
  return () => machine.stop();
});

async function startWebServer(): Promise<void> {
  webServer = machine.spawn(
    "-c",
    "exec python3 -m http.server --bind 127.0.0.1 --directory /opt/assets 8080",
  );
  await until("the web server answers", () =>
    machine.run("true </dev/tcp/127.0.0.1/8080").then(
      () => true,
      () => false,
    ),
  );
}

const parameters = (source = url) => ({
  REPOSITORIES: `${source}/${repository} ${source}/${repository}/gpg ${key} bookworm main`,
  CONTENT: "0123",
  AUTHORITY: "-----BEGIN CERTIFICATE-----\n",
  TIME_SERVER: "192.0.2.1",
});
const supply = (changes: Partial<ReturnType<typeof parameters>> = {}) =>
  machine.script(script, { ...parameters(), ...changes });
const succeeded = { code: 0, stderr: "" };

/** Everything that the script could write in /etc, with the time of change. */
const configuration = () =>
  Object.fromEntries(
    readdirSync(machine.path("/etc"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file.slice(machine.path("/etc").length), statSync(file).mtimeMs]),
  );

describe.each([
  ["from a web server", url],
  ["from files of its own, as the asset host has them", "file:/opt/assets"],
])("a machine with packages %s", (_, source) => {
  it("installs them, and knows no other source", async () => {
    expect(await supply(parameters(source))).toMatchObject({
      ...succeeded,
      stdout: expect.stringContaining(
        `packages come from ${source}/${repository}, the time from 192.0.2.1\n`,
      ),
    });
    await machine.run("apt-get -qq install wiab-hello");
    expect(machine.read("/usr/share/wiab-hello")).toBe("wiab-hello");
    const uris = await machine.run("apt-get indextargets --format '$(SITE)' 'Created-By: Packages'");
    expect(uris).toBe(`${source}/${repository}`);
    expect(machine.read("/etc/apt/sources.list")).toContain("deb ");
    expect(machine.read("/etc/wiab/ca.crt")).toBe(parameters().AUTHORITY);
  });

  it("changes nothing the second time", async () => {
    await supply(parameters(source));
    const before = configuration();
    machine.systemctlCalls();
    expect(await supply(parameters(source))).toMatchObject(succeeded);
    expect(configuration()).toEqual(before);
    expect(machine.systemctlCalls().filter((call) => call.includes("restart"))).toEqual([]);
  });
});

describe("supplies.sh", () => {
  it("refuses a key that is not the manifest's", async () => {
    const other = parameters().REPOSITORIES.replace(key, "0".repeat(64));
    expect(await supply({ REPOSITORIES: other })).toMatchObject({
      code: 1,
      stderr: `error: the apt key at ${url}/${repository}/gpg is not the one that the manifest names\n`,
    });
    expect(readdirSync(machine.path("/etc/apt/keyrings")).filter((file) => file.endsWith(".asc"))).toEqual(
      [],
    );
    expect(await supply()).toMatchObject(succeeded);
  });

  it.each([
    ["is altered", "main/binary-amd64/Packages", "Package: evil\nFilename: pool/evil.deb\n"],
    ["has another signature", "InRelease", "Suite: bookworm\n"],
  ])("refuses a repository that %s, and takes it again when it is whole", async (_, file, text) => {
    const path = `/opt/assets/${repository}/dists/bookworm/${file}`;
    const good = machine.read(path);
    machine.write(path, text);
    const refused = await supply();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      `error: apt cannot read the repositories of the asset host (${url}/${repository})`,
    );
    machine.write(path, good);
    expect(await supply()).toMatchObject(succeeded);
    await machine.run("apt-get -qq install wiab-hello");
  });

  it("refuses a package that is not the repository's", async () => {
    await supply();
    machine.write(`/opt/assets/${repository}/pool/wiab-hello.deb`, "evil");
    await expect(machine.run("apt-get -qq install wiab-hello")).rejects.toThrow(/wiab-hello.deb/);
  });

  it("says when the asset host does not answer, whether or not it ever did", async () => {
    await kill(webServer);
    const first = await supply();
    expect(first.code).toBe(1);
    expect(first.stderr).toContain(
      `error: the asset host does not answer: ${url}/${repository}/gpg cannot be fetched`,
    );
    await startWebServer();
    expect(await supply()).toMatchObject(succeeded);
    await kill(webServer);
    const second = await supply();
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(
      `error: apt cannot read the repositories of the asset host (${url}/${repository})`,
    );
  });

  it("leaves a clock that something else keeps to it", async () => {
    machine.systemctl({ chrony: "sleep 1000" });
    await machine.run("systemctl enable --now chrony.service");
    const ended = await supply();
    expect(ended).toMatchObject({ ...succeeded, stdout: expect.stringContaining("kept by chrony") });
    expect(await machine.run("ls /etc/systemd/timesyncd.conf.d 2>/dev/null || true")).toBe("");
  });

  it("keeps needrestart from restarting services, in its own installations and in all others", async () => {
    // Where needrestart has its hook. Ubuntu's goes by these variables and by its configuration, which is Perl.
    machine.write(
      "/etc/apt/apt.conf.d/99needrestart",
      'DPkg::Post-Invoke {"echo suspended: $NEEDRESTART_SUSPEND, mode: $NEEDRESTART_MODE >/var/log/hook";};',
    );
    expect(await supply()).toMatchObject(succeeded);
    expect(machine.read("/var/log/hook")).toBe("suspended: yes, mode: l\n");
    const mode = `our %nrconf = (restart => "a"); do "/etc/needrestart/conf.d/wiab.conf"; print $nrconf{restart};`;
    machine.write("/root/needrestart.pl", mode);
    expect(await machine.run("perl /root/needrestart.pl")).toBe("l");
  });

  it("gives the machine its own sources back", async () => {
    const sources = () => machine.run("apt-get update --print-uris");
    const before = await sources();
    expect(before).toContain("/dists/bookworm-security/");
    const files = Object.keys(configuration());
    await supply();
    expect(await sources()).not.toBe(before);
    expect(await machine.script(script, parameters(), "remove")).toMatchObject(succeeded);
    expect(await sources()).toBe(before);
    expect(Object.keys(configuration()).sort()).toEqual(files.sort());
  });
});
