import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { askStacks, withPeers } from "../../components/validation/mesh-stacks";

const name = "organization/wiab-staging/b";
const output = {
  site: "b",
  zone: "b.pmd.internal",
  prefix: "fd51:0:0:b::/64",
  endpoint: "b.example.com:1194",
};
const peer = { ...output, endpoint: "b.example.com", port: 1194 };

/** What the engine says in the place of an answer. */
const failing = (details: string) => () => {
  throw Object.assign(new Error(details), { details });
};

/** What comes of the question to a stack that the engine answers so. */
async function asked(answer: () => object, mesh: object | null = { stacks: [name] }) {
  await pulumi.runtime.setMocks({
    call: ({ token, inputs }) => {
      expect([token, inputs]).toEqual(["pulumi:pulumi:readStackOutputs", { name }]);
      return answer();
    },
    newResource: ({ name: id, inputs }) => ({ id, state: inputs }),
  });
  return askStacks(mesh);
}

describe("stacks that make further sites", () => {
  it("are peers by what they put out", async () => {
    expect(await asked(() => ({ outputs: { mesh: output } }))).toEqual([{ stack: name, peer }]);
  });

  it("are left out where they have no site yet, or are not there", async () => {
    for (const outputs of [undefined, {}, { mesh: { ...output, zone: undefined } }])
      expect(await asked(() => ({ outputs }))).toEqual([
        { stack: name, missing: "has no site of a mesh yet" },
      ]);
    // The engine's words (pkg/backend/backend.go, GetStackOutputs); tests/graph asks the engine itself.
    expect(await asked(failing(`unknown stack "${name}"`))).toEqual([
      { stack: name, missing: "does not exist yet" },
    ]);
  });

  it("stop the run where they cannot be asked", async () => {
    await expect(asked(failing("incorrect passphrase"))).rejects.toThrow(
      /^mesh\.stacks: .*\/b cannot be asked: .*incorrect passphrase/,
    );
  });

  it("are not asked for where there are none, whatever stands there", async () => {
    for (const mesh of [null, {}, { stacks: "b" }, { stacks: [7] }])
      expect(await asked(failing("asked"), mesh)).toEqual([]);
  });
});

describe("withPeers", () => {
  it("adds them to those of the configuration, and keeps the stacks that were left out", () => {
    const mesh = { site: "a", stacks: [name, "other"], peers: [{ site: "c" }] };
    expect(
      withPeers(mesh, [
        { stack: name, peer },
        { stack: "other", missing: "does not exist yet" },
      ]),
    ).toEqual({ site: "a", stacks: ["other"], peers: [{ site: "c" }, peer] });
    expect(withPeers(mesh, [{ stack: name, missing: "does not exist yet" }])).toBe(mesh);
  });
});
