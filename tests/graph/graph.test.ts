import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labValues, stagingValues } from "../stacks";
import { allAwaited, type Preview, type Resource, ScratchProject } from "./project";

// What mocks cannot show: parents, providers and dependencies, as the engine itself knows them. A preview
// needs no host, and there is none behind the addresses of these stacks.

const machineNames = [
  "assethost",
  "kubenode1",
  "kubenode2",
  "kubenode3",
  "datanode1",
  "datanode2",
  "datanode3",
];

describe.each([
  { stack: "staging", values: stagingValues },
  { stack: "lab", values: () => labValues("full") },
])("the graph of $stack", ({ stack, values }) => {
  const project = new ScratchProject(stack, values());
  let preview: Preview;
  let resources: readonly Resource[];

  beforeAll(async () => {
    await project.init();
    preview = await project.preview();
    resources = preview.resources;
  });

  afterAll(() => project.remove());

  const resource = (name: string): Resource => {
    const found = resources.filter((each) => each.name === name);
    expect(found, name).toHaveLength(1);
    return found[0] as Resource;
  };
  const awaitedNames = (name: string) => [...allAwaited(resource(name))].map((each) => each.name);
  /** The machine's component and everything in it. */
  const ofMachine = (machine: string) =>
    resources.filter(({ name }) => name === machine || name.startsWith(`${machine}-`));
  const custom = () => resources.filter((each) => each.custom);
  const preflight = () => resource("host-preflight-host");

  it("can be previewed without a host", () => {
    expect(preview.code).toBe(0);
    // A lab's machines have no way out, and it has no relay for its mail; the sample of staging does not know its host.
    const missing = stack === "lab" ? "mail.relay" : "host.ssh.hostKey";
    expect(preview.diagnostics).toMatch(new RegExp(`^warning: ${missing}:? is missing`));
    expect(preview.diagnostics.trimEnd().split("\n")).toHaveLength(1);
    for (const machine of machineNames) expect(ofMachine(machine)).toHaveLength(9);
  });

  it("protects the disks, and nothing else", () => {
    const isProtected = resources.filter(({ protect }) => protect).map(({ name }) => name);
    expect(isProtected.sort()).toEqual(machineNames.map((name) => `${name}-disk`).sort());
  });

  it("has every child in a component whose name begins its own", () => {
    const [root, ...others] = resources;
    expect(root).toMatchObject({ type: "pulumi:pulumi:Stack", parent: undefined });
    for (const { name, parent, custom } of others) {
      expect(parent?.custom, name).toBe(false);
      if (parent !== root)
        expect(name.startsWith(`${parent?.name}-`), `${name} in ${parent?.name}`).toBe(true);
      else expect(custom, name).toBe(false);
    }
  });

  it("gives all of libvirt's resources the one provider that waits for the preflight", () => {
    const provider = resource("host-libvirt");
    const onLibvirt = resources.filter(({ type }) => type.startsWith("libvirt:"));
    expect(onLibvirt).toHaveLength(2 + 2 * machineNames.length);
    for (const { name, provider: its } of onLibvirt) expect(its, name).toBe(provider);
    expect(allAwaited(provider)).toContain(preflight());
  });

  it("touches the host and the machines only after the preflight", () => {
    // What renders the charts touches neither.
    const afterwards = custom().filter(
      (each) => each.name !== "charts-helm" && each !== preflight() && !each.type.startsWith("random:"),
    );
    expect(afterwards.length).toBeGreaterThan(50);
    for (const each of afterwards) expect(allAwaited(each), each.name).toContain(preflight());
    expect(preflight().waitsFor).toEqual([]);
  });

  it("has the firewall wait for the preflight and for no machine, network or image", () => {
    const load = `firewall-${stack === "lab" ? "wiab-lab" : "wirebox"}`;
    expect(awaitedNames(load)).toEqual(["host-preflight-host"]);
    const confirmed = resources.filter(({ name }) => name === `${load}-confirm`);
    // The lab does not harden its host's input: there is nothing to confirm.
    expect(confirmed).toHaveLength(stack === "lab" ? 0 : 1);
    for (const each of confirmed)
      expect(awaitedNames(each.name).sort()).toEqual([load, "host-preflight-host"]);
  });

  it("lets machines wait neither for one another nor for the firewall", () => {
    for (const machine of machineNames) {
      const own = ofMachine(machine);
      const strangers = resources.filter(
        ({ name }) =>
          name.startsWith("firewall") ||
          machineNames.some((other) => other !== machine && (name === other || name.startsWith(`${other}-`))),
      );
      expect(strangers).toHaveLength((machineNames.length - 1) * 9 + (stack === "lab" ? 2 : 3));
      for (const each of own) {
        const awaited = allAwaited(each);
        expect(strangers.filter((stranger) => awaited.has(stranger)).map(({ name }) => name)).toEqual([]);
      }
    }
  });

  it.each(machineNames)(
    "starts %s when its disk, address and cloud-init are there, then waits for it",
    (name) => {
      expect(resource(`${name}-domain`).waitsFor).toEqual(
        expect.arrayContaining(
          ["disk", "disk-size", "address", "cloud-init"].map((part) => resource(`${name}-${part}`)),
        ),
      );
      expect(resource(`${name}-domain`).waitsFor).toContain(resource("host-network"));
      expect(awaitedNames(`${name}-disk`)).toEqual(expect.arrayContaining(["host-pool", "host-image-disk"]));
      expect(resource(`${name}-boot`).waitsFor).toContain(resource(`${name}-domain`));
      expect(resource(`${name}-login`).waitsFor).toEqual(
        expect.arrayContaining([resource(`${name}-boot`), resource("secrets-ssh")]),
      );
    },
  );

  it("makes the secrets at once, without waiting for anything", () => {
    const secrets = resources.filter(({ type }) => type.startsWith("random:"));
    // The lab's artifact brings the key of the registry, and those of six machines that are backed up.
    expect(secrets).toHaveLength(stack === "lab" ? 40 : 33);
    for (const { name, parent, waitsFor } of secrets) {
      expect(parent?.name, name).toBe("secrets");
      expect(waitsFor, name).toEqual([]);
    }
  });
});

describe("the graph of the lab's artifact", () => {
  const project = new ScratchProject("lab", labValues("full"));
  let resources: readonly Resource[];

  beforeAll(async () => {
    await project.init();
    ({ resources } = await project.preview());
  });

  afterAll(() => project.remove());

  const awaitedNames = (name: string) => {
    const found = resources.filter((each) => each.name === name);
    expect(found, name).toHaveLength(1);
    return [...allAwaited(found[0] as Resource)].map((each) => each.name);
  };
  const others = machineNames.filter((name) => name !== "assethost");

  it("is unpacked on the host without waiting for a machine", () => {
    expect(awaitedNames("artifact-store-archives")).toEqual(["host-preflight-host"]);
    expect(awaitedNames("time-chrony").sort()).toEqual([
      "host-libvirt",
      "host-network",
      "host-preflight-host",
      "host-preflight-libvirt",
    ]);
  });

  it("reaches the asset host before its services, and those before any other machine's supplies", () => {
    const services = awaitedNames("artifact-assethost-services");
    expect(services).toEqual(
      expect.arrayContaining([
        "artifact-store-archives",
        "artifact-assethost-packages-files",
        "artifact-assethost-packages-published",
        "artifact-assethost-supplies-sources",
        "assethost-login",
        "time-chrony",
      ]),
    );
    for (const name of others)
      expect(awaitedNames(`artifact-${name}-sources`)).toEqual(
        expect.arrayContaining(["artifact-assethost-services", `${name}-login`]),
      );
  });

  it("lets nobody wait for the images' archives, and no machine for another one but the asset host", () => {
    for (const name of others) {
      const strangers = others.filter((other) => other !== name);
      const last = name.startsWith("kubenode") ? `runtime-${name}-containerd` : `artifact-${name}-sources`;
      const awaited = awaitedNames(last);
      expect(awaited).toContain(`artifact-assethost-services`);
      expect(awaited.filter((each) => /images|registry-images/.test(each))).toEqual([]);
      expect(
        awaited.filter((each) => strangers.some((other) => new RegExp(`(^|-)${other}-`).test(each))),
      ).toEqual([]);
    }
    expect(awaitedNames("artifact-assethost-images-files")).toContain("artifact-assethost-services");
    expect(awaitedNames("artifact-registry-images")).not.toContain("artifact-assethost-images-files");
  });

  it("has nodes wait for what Kubernetes itself runs, and Wire's releases for all images", () => {
    for (const name of others.filter((each) => each.startsWith("kubenode"))) {
      const awaited = awaitedNames(`kubernetes-${name}-node`);
      expect(awaited).toContain("artifact-registry-system-images");
      expect(awaited).not.toContain("artifact-registry-images");
    }
    expect(awaitedNames("wire-webapp")).toContain("artifact-registry-images");
  });
});
