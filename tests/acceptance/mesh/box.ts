import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ended, scriptInput } from "../../fixtures/machine";
import { type Ended, Namespace } from "../verify/namespace";

/** What a box is found by again. */
export interface BoxState {
  readonly pid: number;
  readonly network: string;
}

/** Folders of this computer that a box has copies of, which go with it. */
const covered = ["/etc", "/var/lib", "/var/log", "/usr/local/sbin"];

/**
 * A machine in network, mount and process namespaces of its own, with this computer's programs. systemd is a stand-in
 * (systemctl.py), which starts services again as their units say. What is written to the system's folders lies in memory.
 */
export class Box {
  protected constructor(
    readonly name: string,
    readonly network: Namespace,
    private readonly pid: number,
  ) {}

  /** @param announce - Is told the namespace of one that stays when this process ends. @default it ends with it */
  static async start(name: string, announce?: (namespace: string) => void): Promise<Box> {
    const lasting = announce !== undefined;
    const network = new Namespace(name, announce);
    const setting = [
      "set -e",
      "mount -t proc proc /proc",
      "mount -t tmpfs tmpfs /run",
      "mkdir -p /run/wireguard /run/units",
      ...covered.map((folder, index) => {
        const over = `/run/cover/${index}`;
        return `mkdir -p ${over}/upper ${over}/work && mount -t overlay -o lowerdir=${folder},upperdir=${over}/upper,workdir=${over}/work overlay ${folder}`;
      }),
      "mkdir -p /var/log/units",
      // Nothing of this computer's own services, name servers and tunnels.
      "rm -rf /etc/systemd/system/*wiab* /etc/wiab /var/lib/wiab",
      "echo 'nameserver 192.0.2.53' >/etc/resolv.conf.own && mount --bind /etc/resolv.conf.own /etc/resolv.conf",
      `install -m 0755 ${join(__dirname, "../../fixtures/systemctl.py")} /usr/local/sbin/systemctl`,
      `echo started; ${lasting ? "exec sleep infinity" : "read -r"}`,
    ].join("\n");
    const keeper = spawn(
      "ip",
      [
        ...["netns", "exec", network.name, "unshare", "--mount", "--pid", "--fork", "--kill-child"],
        ...["bash", "-c", setting],
      ],
      { stdio: [lasting ? "ignore" : "pipe", "pipe", lasting ? "ignore" : "inherit"], detached: lasting },
    );
    await new Promise((resolve, reject) => {
      keeper.stdout?.once("data", resolve);
      keeper.once("close", (code) => reject(new Error(`${name} ended with ${code}`)));
    });
    const [pid] = readFileSync(`/proc/${keeper.pid}/task/${keeper.pid}/children`, "utf8").trim().split(" ");
    if (lasting) {
      keeper.stdout?.destroy();
      keeper.unref();
    }
    return new Box(name, network, Number(pid));
  }

  static attach(name: string, { pid, network }: BoxState): Box {
    return new Box(name, new Namespace(name, undefined, network), pid);
  }

  get state(): BoxState {
    return { pid: this.pid, network: this.network.name };
  }

  /** Starts bash in it. */
  spawn(...args: string[]): ChildProcess {
    const enter = ["--target", `${this.pid}`, "--mount", "--net", "--pid"];
    return spawn("nsenter", [...enter, "bash", ...args], { detached: true });
  }

  /** Starts a program that runs as long as the box does. */
  begin(command: string): void {
    this.spawn("-c", `exec ${command} </dev/null >>/var/log/units/beside.log 2>&1`).unref();
  }

  /** Runs shell commands in it; never rejects for their exit code. */
  try(commands: string): Promise<Ended> {
    return ended(this.spawn("-c", commands));
  }

  /** Runs shell commands, which have to succeed, and gives what they print. */
  async run(commands: string): Promise<string> {
    const { code, stdout, stderr } = await this.try(commands);
    if (code !== 0) throw new Error(`${this.name}: ${commands} ended with ${code}:\n${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** Puts a file there. */
  async write(path: string, text: string): Promise<void> {
    const { code, stderr } = await ended(this.spawn("-c", `umask 077; cat >'${path}'`), text);
    if (code !== 0) throw new Error(`${this.name}: ${path} cannot be written: ${stderr}`);
  }

  /** Runs a script of the project in it as a target does. */
  script(
    file: string,
    parameters: Readonly<Record<string, string>>,
    verb: "apply" | "remove" = "apply",
  ): Promise<Ended> {
    return ended(this.spawn("-s", "--", verb), scriptInput(file, parameters));
  }

  /** Ends the main process of a service as a power cut does; its unit says what becomes of it. */
  async killService(service: string): Promise<void> {
    await this.run(`kill -9 "$(cat /run/units/${service}.service.pid)"`);
  }

  /** What its services have written. */
  async logs(): Promise<string> {
    return this.run("tail -n 40 /var/log/units/*.log 2>/dev/null || true");
  }

  async stop(): Promise<void> {
    try {
      process.kill(this.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
    for (let left = 100; left > 0; left--) {
      try {
        process.kill(this.pid, 0);
        await new Promise((resolve) => setTimeout(resolve, 20));
      } catch {
        break;
      }
    }
    this.network.remove();
  }
}
