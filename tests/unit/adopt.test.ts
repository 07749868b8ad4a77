import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Adoption, adopt } from "../../cli/adopt";
import { keepingCopy } from "../../cli/deployment";
import { holding, onHost, ownerOf } from "../../cli/host-record";
import { hostSshIn } from "../../cli/host-ssh";
import { open, seal } from "../../cli/state-copy";
import { stateFile } from "../../toolchain/states";

// The host is this machine, and its records are in a folder of the test's.
let root: string;
const place = { network: "wirebox" };
const passphrase = "a passphrase that nobody guesses";
const copy = { stack: "staging", state: '{"checkpoint":{}}', configuration: "config: {}\n" };

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "wiab-adopt-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const records = () => join(root, "records");
const held = <T>(owner: string, work: () => Promise<T>) => holding(place, owner, work, "hold", records());

describe("a deployment on a host", () => {
  it("is worked on by one at a time, who is named to the others", async () => {
    await held("one", async () => {
      await expect(held("one", async () => "too")).rejects.toThrow(
        new RegExp(`wirebox on .* is being worked on by .*process ${process.pid}, since `),
      );
    });
    await expect(held("one", async () => "later")).resolves.toBe("later");
  });

  it("is let go when the work fails", async () => {
    await expect(
      held("one", async () => {
        throw new Error("it failed");
      }),
    ).rejects.toThrow("it failed");
    await expect(held("one", async () => "later")).resolves.toBe("later");
  });

  it("belongs to the state that it was made with, until it is gone", async () => {
    const [first, second] = [ownerOf("staging", "/home/a/states"), ownerOf("staging", "/home/b/states")];
    await held(first, async () => {});
    await expect(held(second, async () => "worked")).rejects.toThrow(`belongs to ${first}`);
    await held(first, () => onHost(place, "leave", "", records()));
    await expect(held(second, async () => "worked")).resolves.toBe("worked");
  });

  it("is another one than that of another network", async () => {
    const other = () => holding({ network: "other" }, "two", async () => "beside", "hold", records());
    await expect(held("one", other)).resolves.toBe("beside");
  });
});

describe("the copy of a state", () => {
  it("comes back with its passphrase, and shows nothing without", () => {
    const secret = { ...copy, state: `{"password":"hunter2"}` };
    const text = seal(secret, passphrase);
    expect(open(text, `${passphrase}\n`)).toEqual(secret);
    expect(text).not.toContain(Buffer.from("hunter2").toString("base64").slice(0, 8));
    expect(() => open(text, "another")).toThrow("another passphrase");
    const [first, ...rest] = text.split("");
    expect(() => open([...[first], ...rest.slice(0, -9), "AAAAAAAA="].join(""), passphrase)).toThrow(
      /damaged/,
    );
    expect(() => open("rubbish", passphrase)).toThrow("no copy");
  });
});

describe("what keeps a copy", () => {
  const state = (...resources: unknown[]) => JSON.stringify({ checkpoint: { latest: { resources } } });
  const deployed = state({ urn: "urn:one" });
  const configuration = () => join(root, "Pulumi.staging.yaml");
  const file = () => join(root, "staging.json");
  const keeping = (work: () => Promise<number>, restores = false) =>
    keepingCopy(
      {
        ...{ place, stack: "staging", passphrase, restores },
        ...{ configuration: configuration(), file: file(), root: records(), libvirt: join(root, "libvirt") },
      },
      work,
    );
  const run = (after: string, restores?: boolean) =>
    keeping(async () => {
      writeFileSync(file(), after);
      return 0;
    }, restores);
  const definition = () => join(root, "libvirt", "storage", "wirebox.xml");
  const kept = () => onHost(place, "get", "", records());
  beforeEach(() => {
    writeFileSync(configuration(), "config: {}\n");
    writeFileSync(file(), state());
    mkdirSync(join(root, "libvirt", "storage"), { recursive: true });
    writeFileSync(definition(), "<pool/>");
  });

  it("has one as long as something is deployed", async () => {
    await run(deployed);
    expect(open(await kept(), passphrase).state).toBe(deployed);
    rmSync(definition());
    await run(state());
    expect(await kept()).toBe("");
  });

  it("has one as long as an unpacked artifact is there, where there is no libvirt", async () => {
    const store = join(root, "store");
    const alone = (after: string) =>
      keepingCopy(
        {
          ...{ place: { ...place, store }, stack: "staging", passphrase, restores: false },
          ...{ configuration: configuration(), file: file(), root: records(), libvirt: join(root, "none") },
        },
        async () => {
          writeFileSync(file(), after);
          return 0;
        },
      );
    mkdirSync(join(store, "archives"), { recursive: true });
    await alone(deployed);
    writeFileSync(file(), state());
    await expect(alone(deployed)).rejects.toThrow("the host has wirebox and a copy of its state");
    writeFileSync(file(), deployed);
    rmSync(store, { recursive: true });
    await alone(state());
    expect(await kept()).toBe("");
  });

  it("has one of what was done before it failed", async () => {
    const failing = keeping(async () => {
      writeFileSync(file(), deployed);
      throw new Error("it failed");
    });
    await expect(failing).rejects.toThrow("it failed");
    expect(open(await kept(), passphrase).state).toBe(deployed);
  });

  it("keeps the last one when a state is emptied, and not the deployment", async () => {
    await run(deployed);
    await run(state());
    expect(open(await kept(), passphrase).state).toBe(deployed);
    await run(deployed, true);
    expect(open(await kept(), passphrase).state).toBe(deployed);
  });

  it("goes on by itself after a destroy that was killed once nothing was left", async () => {
    await run(deployed);
    writeFileSync(file(), state());
    rmSync(definition());
    await run(state());
    expect(await kept()).toBe("");
  });

  it.each(["lost", "made anew"])("never gives the only one up for a state that was %s", async (how) => {
    await run(deployed);
    if (how === "lost") rmSync(file());
    else writeFileSync(file(), state());
    let worked = false;
    const work = keeping(async () => {
      worked = true;
      return 0;
    });
    await expect(work).rejects.toThrow(
      /staging\.json is empty, and the host has wirebox and a copy .*npm run adopt -- --stack staging/,
    );
    expect(worked).toBe(false);
    expect(open(await kept(), passphrase).state).toBe(deployed);
  });
});

it.each(["", "..", "../neighbour", "a b"])(
  "a network called '%s' reaches no folder of the host's",
  async (network) => {
    const neighbour = join(root, "neighbour");
    mkdirSync(neighbour);
    await held("one", async () => {});
    for (const work of [
      () => onHost({ network }, "leave", "", records()),
      () => holding({ network }, "one", async () => "worked", "hold", records()),
    ])
      await expect((async () => work())()).rejects.toThrow("network.name must be");
    expect([existsSync(neighbour), existsSync(join(records(), "wirebox"))]).toEqual([true, true]);
  },
);

describe("adopt", () => {
  const adoption = (more: Partial<Adoption> = {}): Adoption => ({
    ...{
      stack: "staging",
      place,
      passphrase,
      root: records(),
      configuration: join(root, "Pulumi.staging.yaml"),
    },
    states: { backend: join(root, "home", "backend"), passphrase: join(root, "home", "passphrase") },
    ...more,
  });
  const put = () => onHost(place, "put", seal(copy, passphrase), records());
  const file = () => stateFile(join(root, "home", "backend"), "staging");

  it("takes a deployment up whose state is lost, and makes it this checkout's", async () => {
    await held("the checkout that is gone", put);
    await adopt(adoption());
    expect(readFileSync(file(), "utf8")).toBe(copy.state);
    expect(statSync(file()).mode & 0o077).toBe(0);
    expect(readFileSync(join(root, "home", "passphrase"), "utf8")).toBe(`${passphrase}\n`);
    expect(readFileSync(join(root, "Pulumi.staging.yaml"), "utf8")).toBe(copy.configuration);
    const owner = ownerOf("staging", join(root, "home", "backend"));
    await expect(held(owner, async () => "ours")).resolves.toBe("ours");
    await expect(held("the checkout that is gone", async () => "")).rejects.toThrow(`belongs to ${owner}`);
  });

  it("replaces no state, no passphrase and no configuration", async () => {
    await put();
    writeFileSync(join(root, "Pulumi.staging.yaml"), "mine");
    await adopt(adoption());
    expect(readFileSync(join(root, "Pulumi.staging.yaml"), "utf8")).toBe("mine");
    await expect(adopt(adoption())).rejects.toThrow("is a state of that stack");
    rmSync(file());
    writeFileSync(join(root, "home", "passphrase"), "another");
    await expect(adopt(adoption())).rejects.toThrow("another passphrase");
    expect(existsSync(file())).toBe(false);
  });

  it("takes a copy from elsewhere, where the host has none or is gone", async () => {
    await held("the checkout that is gone", async () => {});
    const kept = seal(copy, passphrase);
    await adopt(adoption({ copy: kept }));
    expect(readFileSync(file(), "utf8")).toBe(copy.state);
    await expect(held("the checkout that is gone", async () => "")).rejects.toThrow("belongs to");
    rmSync(join(root, "home"), { recursive: true });
    // Nothing listens there.
    const gone = { network: "wirebox", ssh: hostSshIn({ address: "127.0.0.1", port: 1 }) };
    expect((await adopt(adoption({ copy: kept, place: gone }))).at(-1)).toContain("the host does not answer");
    expect(readFileSync(file(), "utf8")).toBe(copy.state);
    rmSync(join(root, "home"), { recursive: true });
    await expect(adopt(adoption({ copy: "rubbish", place: gone }))).rejects.toThrow("no copy");
    await expect(adopt(adoption({ place: gone }))).rejects.toThrow();
    expect(existsSync(file())).toBe(false);
  });

  it("refuses what is not there, or not that stack's", async () => {
    await expect(adopt(adoption())).rejects.toThrow("no copy of the state of wirebox");
    await put();
    await expect(adopt(adoption({ stack: "other" }))).rejects.toThrow("say --stack staging");
    await expect(adopt(adoption({ passphrase: "wrong" }))).rejects.toThrow("another passphrase");
    expect(existsSync(join(root, "home"))).toBe(false);
  });
});
