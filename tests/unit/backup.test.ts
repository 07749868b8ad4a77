import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { clientParameters } from "../../components/backup/client";
import { storeParameters } from "../../components/backup/store";

const python = (code: string, input: Buffer) =>
  spawnSync("python3", ["-c", `import sys\nsys.path.insert(0, "components/backup")\n${code}`], { input });
const pack = (input: Buffer) =>
  execFileSync(
    "python3",
    [
      "-c",
      'import sys\nsys.path.insert(0, "components/backup")\nfrom pieces import *\nsend(sys.stdin.buffer.read, sys.stdout.buffer)',
    ],
    { input },
  );
const unpack = (input: Buffer) =>
  python("from pieces import *\nreceive(sys.stdin.buffer, sys.stdout.buffer.write)", input);

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
  expect(storeParameters({ clients: ["192.168.122.31", "192.168.122.32"], keep: 7 })).toMatchObject({
    CLIENTS: "192.168.122.31,192.168.122.32",
    KEEP: "7",
  });
});
