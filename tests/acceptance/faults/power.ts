import { handle } from "../../../lab/containers/containers";
import type { LabOutputs } from "../../../lab/context";
import { run } from "../../../toolchain/commands";

/** A machine's plugs, in the hands of somebody who stands beside it. */
export interface Plugs {
  /** Takes its power away. */
  readonly cut: () => Promise<void>;
  /** Gives it back; comes back before the machine has booted. */
  readonly boot: () => Promise<void>;
  /** Takes its cable out. */
  readonly unplug: () => Promise<void>;
  /** Puts it in again. */
  readonly plug: () => Promise<void>;
  /** Stops it where it is, with all that it has in memory. */
  readonly pause: () => Promise<void>;
  /** Lets it go on. */
  readonly resume: () => Promise<void>;
}

/** The plugs of a lab's machine, be it a virtual machine or a container. */
export function plugsOf({ network, machines }: LabOutputs, name: string): Plugs {
  if (machines.find((machine) => machine.name === name)?.existing) {
    const does = (what: Parameters<typeof handle>[2]) => async () =>
      void (await handle(network.name, name, what));
    return {
      ...{ cut: does("cut"), boot: does("boot"), unplug: does("unplug"), plug: does("plug") },
      ...{ pause: does("pause"), resume: does("resume") },
    };
  }
  const domain = `${network.name}-${name}`;
  const virsh = (...args: string[]) => run("virsh", ["--connect", "qemu:///system", ...args]);
  const link = (state: "up" | "down") => async () => {
    const [, , line = ""] = (await virsh("domiflist", domain)).split("\n");
    await virsh("domif-setlink", domain, line.trim().split(/\s+/).at(-1) as string, state);
  };
  return {
    cut: async () => void (await virsh("destroy", domain)),
    boot: async () => void (await virsh("start", domain)),
    unplug: link("down"),
    plug: link("up"),
    pause: async () => void (await virsh("suspend", domain)),
    resume: async () => void (await virsh("resume", domain)),
  };
}
