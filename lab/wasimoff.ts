import { once } from "node:events";
import { parseArgs } from "node:util";
import { runMain } from "../toolchain/commands";
import { ensurePackages } from "./host/packages";
import { buildPrograms, Ground, probe } from "./wasimoff/ground";

/**
 * `npm run lab:wasimoff [-- --providers N --workers N]`: the stand-in for Wasimoff's broker and our providers on this machine's
 * loopback, as the deployment guide's localhost mode has them, until Ctrl-C. No cluster is needed.
 */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      providers: { type: "string", default: "2" },
      workers: { type: "string", default: "1" },
    },
  });
  const [providers, workers] = [values.providers, values.workers].map(Number);
  if (!providers || !workers || providers < 1 || workers < 1)
    throw new Error("--providers and --workers must be whole numbers above 0");
  await ensurePackages("for the providers", ["chromium"]);
  const ground = new Ground(await buildPrograms());
  try {
    await ground.startBroker();
    await Promise.all(Array.from({ length: providers }, () => ground.startProvider(workers)));
    (await ground.client()).close();
    console.log(`
A stand-in for Wasimoff's broker is at ${ground.url}, with ${providers} providers of ${workers} workers, each a
Chromium. It is not Wasimoff (docs/wasimoff.md). In another terminal:

  npm run wasimoff -- --broker ${ground.url} run ${probe} -- echo hello
  npm run wasimoff -- --broker ${ground.url} upload FILE.wasm

Ctrl-C ends it.`);
    await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
    return 0;
  } finally {
    await ground.remove();
  }
}

runMain(
  main,
  `usage: npm run lab:wasimoff -- [--providers 2] [--workers 1]

Starts the stand-in for Wasimoff's broker and our providers on this machine's loopback, until Ctrl-C; needs no lab.

  --providers N   each a Chromium
  --workers N     jobs that a provider runs at a time`,
);
