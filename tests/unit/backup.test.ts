import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientParameters } from "../../components/backup/client";
import { storeParameters } from "../../components/backup/store";
import { recipientCertificate } from "../../components/secrets/certificates";
import { ecdsaFromRandom, ed25519FromSeed, pkcs8Pem } from "../../components/secrets/keys";

const room = "components/backup";
const python = (code: string, input: Buffer, ...args: string[]) =>
  spawnSync("python3", ["-c", `import sys\nsys.path.insert(0, "${room}")\n${code}`, ...args], {
    input,
    maxBuffer: 2 ** 28,
  });
const send = "for piece in framed(parts(sys.stdin.buffer.read)): sys.stdout.buffer.write(piece)";
const pack = (input: Buffer) => python(`from pieces import *\n${send}`, input).stdout;
const unpack = (input: Buffer) =>
  python(
    "from pieces import *\nfor piece in unframed(sys.stdin.buffer): sys.stdout.buffer.write(piece)",
    input,
  );

describe("a stream in pieces", () => {
  const content = Buffer.from(Array.from({ length: 600_000 }, (_, index) => (index * index) % 251));

  it.each([Buffer.alloc(0), Buffer.from("0\n"), content])("comes out as it went in", (bytes) => {
    const { status, stdout } = unpack(pack(bytes));
    expect(status).toBe(0);
    expect(stdout.equals(bytes)).toBe(true);
  });

  it("is not complete without its very end", () => {
    const packed = pack(content);
    for (const cut of [0, 3, 1000, packed.length - 66, packed.length - 2])
      expect(unpack(packed.subarray(0, cut)).stderr.toString(), `${cut}`).toMatch(/EOFError|damaged/);
  });

  it("is not what it was when a byte differs", () => {
    const packed = pack(content);
    packed.writeUInt8(packed.readUInt8(5000) ^ 1, 5000);
    expect(unpack(packed).stderr.toString()).toContain("damaged on its way");
  });
});

/** Key and certificate as the stack makes them. */
const recipient = async (byte: number) => {
  const key = pkcs8Pem(ecdsaFromRandom("P-256", Buffer.alloc(64, byte)));
  const authority = { commonName: "authority", key: pkcs8Pem(ed25519FromSeed(Buffer.alloc(32, 9))) };
  return { key, certificate: await recipientCertificate(key, "backups", authority) };
};

describe("an encrypted backup", () => {
  // More than one message, and the last one is not full.
  const content = Buffer.alloc((1 << 24) + 100_000, "what people write ");
  let folder: string;
  let kept: Buffer;
  let key: string;

  const seal = (input: Buffer, certificate: string) => {
    const file = join(folder, "certificate.pem");
    writeFileSync(file, certificate);
    return python(
      "from sealing import *\nfrom pieces import parts\nfor piece in sealed(parts(sys.stdin.buffer.read), sys.argv[1]): sys.stdout.buffer.write(piece)",
      input,
      file,
    ).stdout;
  };
  const open = (input: Buffer, wanted: string) => {
    const file = join(folder, "key.pem");
    writeFileSync(file, wanted);
    return python(
      "from sealing import *\nassert sys.stdin.buffer.read(len(MARK)) == MARK\nfor piece in opened(sys.stdin.buffer, open(sys.argv[1], 'rb').read()): sys.stdout.buffer.write(piece)",
      input,
      file,
    );
  };
  /** Mark, and messages with their lengths. */
  const messages = (sealed: Buffer): Buffer[] => {
    const found = [];
    for (let at = sealed.indexOf("\n") + 1; at < sealed.length; ) {
      const line = sealed.indexOf("\n", at);
      const end = line + 1 + Number(sealed.subarray(at, line).toString());
      found.push(sealed.subarray(at, end));
      at = end;
    }
    return found;
  };
  const mark = Buffer.from("wiab-sealed-1\n");

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "wiab-backup-"));
    const { certificate, key: own } = await recipient(1);
    key = own;
    kept = seal(content, certificate);
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  it("shows nothing, and comes out as it went in", { timeout: 60_000 }, () => {
    expect(kept.subarray(0, mark.length)).toEqual(mark);
    expect(messages(kept)).toHaveLength(2);
    expect(kept.includes("people")).toBe(false);
    const { status, stdout } = open(kept, key);
    expect(status).toBe(0);
    expect(stdout.equals(content)).toBe(true);
  });

  it("is opened by no other key", { timeout: 60_000 }, async () => {
    const { key: other } = await recipient(2);
    const { stdout, stderr } = open(kept, other);
    expect(stdout).toHaveLength(0);
    expect(stderr.toString()).toContain("ValueError: it was sealed for another key, or has been altered");
  });

  it("is missed a message of, or one that came from elsewhere", { timeout: 60_000 }, () => {
    const [first, second] = messages(kept) as [Buffer, Buffer];
    const altered = Buffer.from(kept);
    altered.writeUInt8(altered.readUInt8(5_000_000) ^ 1, 5_000_000);
    for (const [what, parts] of Object.entries({
      "the last one": [mark, first],
      "the first one": [mark, second],
      "another order": [mark, second, first],
      "one twice": [mark, first, second, second],
      "the end of one": [mark, first, second.subarray(0, -1)],
      "a byte": [altered],
    })) {
      const { status, stderr } = open(Buffer.concat(parts), key);
      expect({ what, status, stderr: stderr.toString() }).toEqual({
        what,
        status: 1,
        stderr: expect.stringMatching(/EOFError|ValueError/),
      });
    }
  });
});

describe("what is kept of old backups", () => {
  const day = 86_400;
  const now = Date.UTC(2026, 0, 31) / 1000;
  const nameOf = (age: number) => new Date((now - age) * 1000).toISOString().replaceAll(/[-:]|\.\d+/g, "");

  /** Names that are left of backups of these ages in seconds. */
  function left(ages: readonly number[], keep: number, keepDays: number): string[] {
    const folder = mkdtempSync(join(tmpdir(), "wiab-backup-"));
    try {
      mkdirSync(join(folder, "kept"));
      for (const age of ages)
        for (const name of [nameOf(age), `${nameOf(age)}.sha256`])
          writeFileSync(join(folder, "kept", name), "");
      const settings = join(folder, "keep.json");
      writeFileSync(settings, storeParameters({ nodes: [], retention: { keep, keepDays } }, []).KEEP);
      // The program without its last lines, which serve a node.
      const { status, stderr } = python(
        `text = open("${room}/store.py").read()
exec(text[:text.index("\\ntry:\\n    main(")].replace("/etc/wiab/backup/keep.json", sys.argv[1]))
prune(sys.argv[2], ${now})`,
        Buffer.alloc(0),
        settings,
        join(folder, "kept"),
      );
      expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
      return readdirSync(join(folder, "kept")).filter((name) => !name.endsWith(".sha256"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it("is all that is young, however much a node brings", () => {
    const junk = Array.from({ length: 50 }, (_, at) => at);
    expect(left([6 * day, ...junk], 3, 7)).toHaveLength(51);
    expect(left([8 * day, ...junk], 3, 7)).toHaveLength(50);
  });

  it("is the newest, however old they are", () => {
    const old = [30, 40, 50, 60, 70].map((days) => days * day);
    expect(left(old, 3, 7).sort()).toEqual([50, 40, 30].map((days) => nameOf(days * day)));
  });
});

it("pins the asset host's key, and gives every node what it needs to know", () => {
  const location = { address: "192.168.122.10", hostKey: "ssh-ed25519 AAAA" };
  const parameters = clientParameters(
    { node: "datanode1", services: ["cassandra", "rabbitmq"], schedule: "daily" },
    location,
  );
  expect(parameters).toMatchObject({
    SERVICES: "cassandra rabbitmq",
    KNOWN_HOSTS: "192.168.122.10 ssh-ed25519 AAAA\n",
    SCHEDULE: "daily",
  });
  expect(JSON.parse(parameters.SETTINGS)).toEqual({ node: "datanode1", address: "192.168.122.10" });
});

it("lets each node in with its own key, from its own address, for its own services", () => {
  const node = (name: string, address: string, services: string[]) => ({
    name,
    address,
    services,
    publicKey: "",
  });
  const { AUTHORIZED_KEYS, KEEP } = storeParameters(
    {
      nodes: [
        node("datanode1", "192.168.122.31", ["cassandra", "minio"]),
        node("kubenode1", "192.168.122.21", []),
      ],
      retention: { keep: 3, keepDays: 9 },
    },
    ["ssh-ed25519 AAAA1 backup-datanode1", "ssh-ed25519 AAAA2 backup-kubenode1"],
  );
  expect(AUTHORIZED_KEYS).toBe(
    'restrict,from="192.168.122.31",command="/opt/wiab/backup/store datanode1 cassandra minio" ssh-ed25519 AAAA1 backup-datanode1\n' +
      'restrict,from="192.168.122.21",command="/opt/wiab/backup/store kubenode1" ssh-ed25519 AAAA2 backup-kubenode1\n',
  );
  expect(JSON.parse(KEEP)).toEqual({ keep: 3, keepDays: 9 });
});
