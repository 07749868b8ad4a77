import { spawn } from "node:child_process";
import { sshOptions, withKeys } from "../checks/agent";
import { runMain } from "../toolchain/commands";
import { keysOf, labEnvironment, readOptions, readOutputs } from "./context";

/** `npm run lab:ssh -- <machine> [command ...]`: logs in to a machine of the lab, or runs a command there. */
async function main(): Promise<number> {
  const { stack, rest } = readOptions();
  const { env } = await labEnvironment();
  const outputs = await readOutputs(env, stack);
  const { machines, sshUser } = outputs;
  const [name, ...command] = rest;
  const machine = machines.find((candidate) => candidate.name === name);
  if (!machine)
    throw new Error(
      `which machine? npm run lab:ssh -- <machine>; there are ${machines.map((m) => m.name).join(", ")}`,
    );
  return withKeys(
    keysOf(stack, outputs),
    (agent) =>
      new Promise((resolve, reject) => {
        const ssh = spawn("ssh", [...sshOptions, `${sshUser}@${machine.address}`, ...command], {
          stdio: "inherit",
          env: { ...process.env, ...agent },
        });
        ssh.on("error", reject);
        ssh.on("close", (code) => resolve(code ?? 255));
      }),
  );
}

runMain(
  main,
  `usage: npm run lab:ssh -- [--stack lab] MACHINE [COMMAND...]

Logs in to a machine of the lab, or runs a command there.`,
);
