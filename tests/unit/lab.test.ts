import { describe, expect, it } from "vitest";
import { carriesKubernetes } from "../../lab/stack";

describe("what a machine carries", () => {
  const machine = {
    memoryMiB: 24_000,
    availableMemoryMiB: 20_000,
    freeDiskGB: 100,
    systemd: false,
    os: "Debian",
  };

  it.each([
    [2, false, false],
    [8, false, true],
    [2, true, true],
  ])("%i cores, KVM %s: Kubernetes %s", (cpus, kvm, expected) => {
    expect(carriesKubernetes({ ...machine, cpus, kvm })).toBe(expected);
  });
});
