import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { redactor } from "../../checks/secret";
import { writeFiles } from "../../checks/support";
import { packInput } from "../../components/machine/script";

const folder = mkdtempSync(join(tmpdir(), "wiab-support-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const mark = "4dabf18193072939515e22adb298388d";
const secret = (value: unknown) => ({
  [mark]: "1b47061264138c4ac30d75fd1eb44270",
  plaintext: JSON.stringify(value),
});

const password = "x7Kd92mQpLw4Zt81";
const key = `-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIDeadBeefDeadBeef0123456789abcdefghij\n-----END PRIVATE KEY-----\n`;

/** A script's resource as a state has it. */
const script = (parameters: Record<string, string>, shown: Record<string, string>) => ({
  type: "command:remote:Command",
  urn: "urn:pulumi:s::wiab-staging::command:remote:Command::minio-datanode1",
  inputs: {
    environment: { script: "data-services/minio/node.sh 0123456789ab", ...shown },
    stdin: secret(
      packInput({ name: "node.sh", text: "apply() { install_packages nginx-light; }\n" }, parameters),
    ),
  },
});

const deployment = {
  resources: [
    script(
      { ADDRESS: "192.168.122.31", SETTINGS: `{"user":"cargohold","password":"${password}"}`, KEY: key },
      { ADDRESS: "192.168.122.31" },
    ),
    { urn: "urn:x::a", type: "random", outputs: { result: secret("Zq81WmX0c3Vb6Nn2") } },
    { urn: "urn:x::c", type: "random", outputs: { result: secret("correct horse battery staple") } },
    { urn: "urn:x::d", type: "random", outputs: { result: secret("S3cr3t+/=of") } },
    { urn: "urn:x::b", type: "stack", outputs: { connection: secret({ address: "192.168.122.31" }) } },
  ],
};

describe("what support writes", () => {
  it("has no secret of the stack in it, in whatever form it came", () => {
    writeFiles(
      join(folder, "all"),
      {
        "a.txt": `login with ${password} failed\nexport P='${password}'\nurl https://u:${password}@h/`,
        "b.txt": JSON.stringify({ key, result: "Zq81WmX0c3Vb6Nn2" }),
        "c.txt": key,
        "d.txt": `said 'correct horse battery staple', ${encodeURIComponent("S3cr3t+/=of")}, ${Buffer.from("S3cr3t+/=of").toString("base64")}`,
      },
      redactor(deployment),
    );
    for (const file of readdirSync(join(folder, "all"))) {
      const text = readFileSync(join(folder, "all", file), "utf8");
      for (const word of [
        password,
        "Zq81WmX0c3Vb6Nn2",
        "MC4CAQAwBQYDK2Vw",
        "DeadBeefDeadBeef",
        "battery",
        "S3cr3t",
        "UzNjcjN0",
      ])
        expect(text).not.toContain(word);
      expect(text).toContain("(secret)");
    }
  });

  it("keeps what is no secret: addresses, words of scripts, names", () => {
    const text = "192.168.122.31 install_packages nginx-light, script data-services/minio/node.sh";
    expect(redactor(deployment)(text)).toBe(text);
  });

  it("has none of the secrets of a recorded state of a full lab", () => {
    const state = JSON.parse(
      brotliDecompressSync(readFileSync("tests/fixtures/states/lab-full-0.1.json.br")).toString(),
    );
    const recorded = state.checkpoint?.latest ?? state.deployment;
    const results: string[] = recorded.resources
      .filter(({ type }: { type: string }) => /randomPassword/i.test(type))
      .map(({ outputs }: { outputs: { result: { plaintext: string } } }) =>
        JSON.parse(outputs.result.plaintext),
      );
    expect(results.length).toBeGreaterThan(10);
    writeFiles(
      join(folder, "lab"),
      { "log.txt": results.map((each) => `token=${each};`).join("\n") },
      redactor(recorded),
    );
    const archive = join(folder, "lab.tar");
    execFileSync("tar", ["-cf", archive, "-C", folder, "lab"]);
    const packed = readFileSync(archive, "utf8");
    expect(results.filter((each) => packed.includes(each))).toEqual([]);
  });
});
