import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCertificate } from "../../lab/certificate";
import { chooseSize, containerRoles } from "../../lab/stack";

describe("the size of a lab", () => {
  const machine = { availableMemoryMiB: 20_000, freeDiskGB: 100, systemd: false, os: "Debian" };

  it.each([
    [2, 12_000, false, "small"],
    [2, 24_000, false, "full"],
    [8, 24_000, false, "full"],
    [2, 24_000, true, "full"],
    [8, 8_000, true, "small"],
  ])("%i cores, %i MiB, KVM %s: %s", (cpus, memoryMiB, kvm, expected) => {
    expect(chooseSize({ ...machine, cpus, memoryMiB, kvm }).size).toBe(expected);
  });

  it.each([
    [2, false, ["kubenode", "datanode"]],
    [8, false, []],
    [2, true, []],
  ])("%i cores, KVM %s: containers as %j", (cpus, kvm, expected) => {
    expect(containerRoles({ ...machine, cpus, memoryMiB: 24_000, kvm })).toEqual(expected);
  });
});

describe("the certificate of a lab", () => {
  let folder: string;
  const make = (domain = "lab.test") => makeCertificate(folder, domain);
  const read = (file: string) => readFileSync(file, "utf8");

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "wiab-lab-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("covers the public names, and its authority has signed it", async () => {
    const { certificateFile, authorityFile, privateKeyFile } = await make();
    const [leaf, root] = [
      new X509Certificate(read(certificateFile)),
      new X509Certificate(read(authorityFile)),
    ];
    expect(leaf.checkHost("webapp.lab.test")).toBe("*.lab.test");
    expect(leaf.verify(root.publicKey)).toBe(true);
    expect(statSync(privateKeyFile).mode & 0o777).toBe(0o600);
  });

  it("stays while it can be used, and is made anew where it cannot", async () => {
    const { certificateFile, privateKeyFile } = await make();
    const first = read(certificateFile);
    await make();
    expect(read(certificateFile)).toBe(first);
    writeFileSync(privateKeyFile, "something else");
    await make();
    const second = read(certificateFile);
    expect(second).not.toBe(first);
    await make("other.test");
    expect(new X509Certificate(read(certificateFile)).checkHost("webapp.other.test")).toBe("*.other.test");
  });
});
