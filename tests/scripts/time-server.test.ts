import { existsSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { cable } from "../acceptance/verify/namespace";
import { Machine } from "../fixtures/machine";

// A host with a real chronyd, and a machine that asks it for the time.

const address = "192.168.122.1";
const unit = "/etc/systemd/system/wiab-time-wirebox.service";
const pidFile = "/run/chrony/wiab-wirebox.pid";
const script = "components/host/time/time-server.sh";
const parameters = { NAME: "wirebox", ADDRESS: address, CIDR: "192.168.122.0/24", UNIT_FILE: unit };

let host: Machine;
let client: Machine;

beforeAll(async () => {
  host = await Machine.start("host");
  client = await Machine.start("kubenode1");
  cable(host.network, "wirebox", client.network, "eth0");
  host.network.run("ip", "address", "add", `${address}/24`, "dev", "wirebox");
  host.network.run("ip", "address", "add", "203.0.113.1/24", "dev", "wirebox");
  client.network.run("ip", "address", "add", "192.168.122.21/24", "dev", "eth0");
  client.network.run("ip", "address", "add", "203.0.113.2/24", "dev", "eth0");
});
afterAll(async () => {
  await host?.stop();
  await client?.stop();
});
afterEach(async () => {
  await host.script(script, parameters, "remove");
  await host.run("rm -rf /run/systemd /usr/local/sbin/*");
});

const serve = (changes: Partial<typeof parameters> = {}) =>
  host.script(script, { ...parameters, ...changes });

/** Whether the machine gets the time, from the address that it should and any other of the host's. */
const getsTime = (from = address) =>
  client.run(`chronyd -Q -t 2 'server ${from} iburst maxsamples 1' 'pidfile /run/none'`).then(
    () => true,
    () => false,
  );
const pid = () => host.read(pidFile).trim();
const succeeded = { code: 0, stderr: "" };

describe("time-server.sh on a host without systemd", () => {
  it("gives the machines the time, on their network's address alone, until it is taken away", async () => {
    expect(await serve()).toMatchObject(succeeded);
    expect(await getsTime()).toBe(true);
    expect(await getsTime("203.0.113.1")).toBe(false);
    const running = pid();
    // It leaves the host's own clock alone.
    expect(host.read(`/proc/${running}/cmdline`).split("\0")).toContain("-x");
    expect(await serve()).toMatchObject(succeeded);
    expect(pid()).toBe(running);

    expect(await host.script(script, parameters, "remove")).toMatchObject(succeeded);
    expect(existsSync(host.path(`/proc/${running}`))).toBe(false);
    expect(existsSync(host.path(pidFile))).toBe(false);
    expect(await getsTime()).toBe(false);
    expect(await host.script(script, parameters, "remove")).toMatchObject(succeeded);
  });

  it("leaves others alone: the host's own chronyd, and a process that has its number now", async () => {
    const own = "/run/chrony/chronyd.pid";
    await host.run("mkdir -p /run/chrony; chronyd -x 'port 0'");
    const other = await host.run("sleep 1000 >/dev/null 2>&1 & echo $!");
    host.write(pidFile, `${other}\n`);
    expect(await host.script(script, parameters, "remove")).toMatchObject(succeeded);
    host.write(pidFile, `${other}\n`);
    expect(await serve()).toMatchObject(succeeded);
    expect(await getsTime()).toBe(true);
    expect(pid()).not.toBe(other);
    expect(await host.script(script, parameters, "remove")).toMatchObject(succeeded);
    expect(await host.run(`kill -0 ${other} $(cat ${own}) && echo both live`)).toBe("both live");
  });

  it("says which address it has nothing to listen on", async () => {
    expect(await serve({ ADDRESS: "192.168.122.254" })).toMatchObject({
      code: 1,
      stderr:
        "error: host does not have the address 192.168.122.254, on which the machines ask for the time: network wirebox is not up\n",
    });
  });
});

describe("time-server.sh on a host with systemd", () => {
  it("leaves a service that comes back by itself, and takes it away", async () => {
    await host.run("mkdir -p /run/systemd/system; rm -rf /run/chrony");
    // The unit's two commands, which are such that a shell reads them as systemd does.
    const command = (key: string) => `eval "$(sed -n 's/^${key}=//p' ${unit})"`;
    host.write(
      "/usr/local/sbin/run-unit",
      `#!/bin/bash\n${command("ExecStartPre")}\n${command("ExecStart")}\n`,
      0o755,
    );
    host.systemctl({ "wiab-time-wirebox": "run-unit" });
    expect(await serve()).toMatchObject(succeeded);
    expect(await getsTime()).toBe(true);
    expect(host.systemctlCalls()).toContain("--quiet enable --now wiab-time-wirebox.service");
    const running = pid();
    expect(await serve()).toMatchObject(succeeded);
    expect(pid()).toBe(running);
    expect(host.systemctlCalls().filter((call) => call.startsWith("restart"))).toEqual([]);

    // As if the run that wrote the file had been killed.
    await host.run(`kill ${pid()}`);
    expect(await serve()).toMatchObject(succeeded);
    expect(await getsTime()).toBe(true);

    expect(await host.script(script, parameters, "remove")).toMatchObject(succeeded);
    expect(existsSync(host.path(unit))).toBe(false);
    expect(existsSync(host.path(`/proc/${running}`))).toBe(false);
    expect(await getsTime()).toBe(false);
  });
});
