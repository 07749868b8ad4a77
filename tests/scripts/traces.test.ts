import { spawn } from "node:child_process";
import { expect, it } from "vitest";
import { projectDirectory } from "../../toolchain/environment";
import { ended, systemctlProgram } from "../fixtures/machine";

/** The checks in a network of their own, and with a /run of their own; what they print comes at their end. */
const inside = (commands: string) =>
  spawn(
    "unshare",
    [
      "--net",
      "--mount",
      "bash",
      "-c",
      `set -e\nmount -t tmpfs tmpfs /run\nmount -t sysfs sysfs /sys\n${commands}`,
    ],
    {
      cwd: projectDirectory,
      detached: true,
    },
  );

const node = (program: string) =>
  `${process.execPath} --import tsx --input-type=commonjs --eval '${program}'`;

/** A run of the checks as far as it concerns the kernel; it goes on until somebody ends it. */
const run = node(`
const { withInternet } = require("./tests/acceptance/verify/internet.ts");
const { watchForeign } = require("./tests/acceptance/verify/foreign.ts");
const network = { name: "wiab-lab", cidr: "192.0.2.0/24" };
withInternet(async () => {
  await watchForeign({ network, publicAddress: "198.51.100.1" });
  console.log("stands");
  if (process.argv.includes("stay")) await new Promise((_, never) => setTimeout(never, 1e6));
}).catch((error) => console.log(error.message));
`);
const destroy = node(
  `require("./lab/host/traces.ts").takeTracesAway().then((lines) => console.log(lines.join("\\n")))`,
);
const state = "ip netns list | wc -l; ip address | grep -c 203.0.113.1 || true; nft list tables";
const begin = [
  "ip link add wiab-lab type bridge",
  `(exec ${run} stay >/run/out) & pid=$!`,
  "until grep -qs stands /run/out; do kill -0 $pid || { cat /run/out; exit 1; }; sleep 0.05; done",
];

it("what a killed run has left in the kernel goes before the next one begins, and that of a living one stays", async () => {
  const { stdout, stderr, code } = await ended(
    inside(
      [
        ...begin,
        `echo "living:"; ${run}; ${state}`,
        "{ kill -KILL $pid; wait $pid || true; } 2>/dev/null",
        `echo "killed:"; ${state}`,
        `echo "next:"; ${run}`,
        `echo "destroy:"; ${destroy}; ${state}`,
      ].join("\n"),
    ),
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [, living, killed, next, gone] = stdout.split(/^\w+:$/m).map((part) => part.trim());
  const left = "1\n1\ntable inet wiab-lab-foreign";
  expect(living).toMatch(/^process \d+ is looking at a lab of this machine: wait for it, or end it/);
  expect(living?.endsWith(left)).toBe(true);
  expect(killed).toBe(left);
  expect(next).toMatch(
    /^took away the table wiab-lab-foreign of process \d+, which is gone\ntook away the namespace wiab-\w+ of .*\nstands$/,
  );
  // The second run has ended without its report, which takes its table away.
  expect(gone).toMatch(/^took away the table wiab-lab-foreign of process \d+, which is gone\n0\n0$/);
});

it("libvirt's filter goes once it is empty and libvirt has nothing left that runs", async () => {
  const remove = node(
    `require("./lab/host/libvirt.ts").removeEmptyFilter().then((line) => console.log(line ?? "nothing"))`,
  );
  const { stdout, stderr, code } = await ended(
    inside(
      [
        // As libvirt leaves it: ebtables makes a chain for a hook, and takes away its own chains and rules alone.
        `printf '#!/bin/sh\ncat /run/names 2>/dev/null || :\n' >/run/virsh; chmod +x /run/virsh; PATH=/run:$PATH`,
        "chain='type filter hook prerouting priority dstnat; policy'",
        'nft "table bridge nat { chain PREROUTING { $chain accept; }; }; table bridge filter { }"',
        `echo wiab-lab >/run/names; ${remove}; rm /run/names`,
        `nft add rule bridge nat PREROUTING accept; ${remove}; nft flush chain bridge nat PREROUTING`,
        `nft add chain bridge nat others; ${remove}; nft delete chain bridge nat others`,
        `nft "chain bridge nat PREROUTING { $chain drop; }"; ${remove}`,
        `nft "chain bridge nat PREROUTING { $chain accept; }"; ${remove}; nft list tables`,
        `${remove}`,
      ].join("\n"),
    ),
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.trim().split("\n")).toEqual([
    ...["nothing", "nothing", "nothing", "nothing"],
    "took away libvirt's table bridge nat, which was empty",
    ...["table bridge filter", "nothing"],
  ]);
});

it("a service that a script starts has none of the script's locks", async () => {
  const child = inside(
    [
      "mkdir -p /run/bin; cat >/run/bin/systemctl; chmod +x /run/bin/systemctl; mount -t tmpfs tmpfs /var/log",
      "(exec 9>/run/lock; flock 9; /run/bin/systemctl restart service.service)",
      "flock --nonblock /run/lock echo free",
      "kill $(cat /run/service.service.pid)",
    ].join("\n"),
  );
  expect(await ended(child, systemctlProgram({ service: "sleep 1000" }))).toMatchObject({
    code: 0,
    stdout: "free\n",
  });
});

it("an agent with keys ends with the run that started it, however that ends", async () => {
  const agent = node(`
require("./checks/agent.ts").withKeys([], async ({ SSH_AUTH_SOCK }) => {
  console.log(SSH_AUTH_SOCK);
  await new Promise((_, never) => setTimeout(never, 1e6));
});
`);
  const { code, stdout } = await ended(
    inside(
      [
        `(exec ${agent} >/run/out) & pid=$!`,
        "until [ -s /run/out ]; do kill -0 $pid || exit 1; sleep 0.05; done",
        "socket=$(cat /run/out)",
        "SSH_AUTH_SOCK=$socket ssh-add -l || true",
        "{ kill -KILL $pid; wait $pid || true; } 2>/dev/null",
        'for _ in {1..1200}; do pgrep --full -- "-a $socket" >/dev/null || { echo ended; break; }; sleep 0.05; done',
        'rm -r "${socket%/*}"',
      ].join("\n"),
    ),
  );
  expect({ code, stdout }).toEqual({ code: 0, stdout: "The agent has no identities.\nended\n" });
});
