import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { CommandError, runMain } from "../toolchain/commands";
import { projectDirectory, stateFiles } from "../toolchain/environment";
import { stateFile } from "../toolchain/states";
import { holding, onHost, ownerOf, type Place, placeOf } from "./host-record";
import { type HostSsh, hostSshIn } from "./host-ssh";
import { open } from "./state-copy";

/** What {@link adopt} is told. */
export interface Adoption {
  readonly stack: string;
  readonly place: Place;
  readonly passphrase: string;
  /** Where states of this checkout are. */
  readonly states: { readonly backend: string; readonly passphrase: string };
  /** The stack's configuration file, written if it is not there. */
  readonly configuration: string;
  /** The copy, taken from elsewhere. @default the one that the host has */
  readonly copy?: string;
  /** Folder of all records on the host; tests have one of their own. */
  readonly root?: string;
}

/**
 * Takes a deployment up from the copy of its state that its host has, or that was kept elsewhere: afterwards it is this
 * checkout's. With one from elsewhere the host may be gone.
 * @returns what was done, a line each.
 * @throws Error if there is no such copy, the passphrase is not its own, or something here would be replaced.
 */
export async function adopt({
  stack,
  place,
  passphrase,
  states,
  configuration,
  copy: given,
  root,
}: Adoption): Promise<string[]> {
  const file = stateFile(states.backend, stack);
  if (existsSync(file))
    throw new Error(`${file} is a state of that stack: move it away first, and nothing is lost`);
  if (existsSync(states.passphrase) && readFileSync(states.passphrase, "utf8").trim() !== passphrase.trim())
    throw new Error(
      `the states of this checkout have another passphrase (${states.passphrase}): give the deployment a folder of its own with WIAB_STATE`,
    );
  const text = given ?? (await onHost(place, "get", "", root));
  if (text === "") throw new Error(`the host has no copy of the state of ${place.network}`);
  const copy = open(text, passphrase);
  if (copy.stack !== stack)
    throw new Error(`that is the deployment of stack ${copy.stack}: say --stack ${copy.stack}`);
  const write = () => {
    const done: string[] = [];
    const put = (path: string, content: string) => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, content, { mode: 0o600, flag: "wx" });
      done.push(`wrote ${path}`);
    };
    put(file, copy.state);
    if (!existsSync(states.passphrase)) put(states.passphrase, `${passphrase.trim()}\n`);
    if (!existsSync(configuration)) put(configuration, copy.configuration);
    return done;
  };
  let done: string[];
  try {
    done = await holding(place, ownerOf(stack, states.backend), async () => write(), "take", root);
  } catch (error) {
    // It does not answer at all, and has not refused.
    if (given === undefined || !(error instanceof CommandError)) throw error;
    return [
      ...write(),
      `the host does not answer, so that ${place.network} on it is not taken: ${error.message}`,
    ];
  }
  return [
    ...done,
    `${place.network} is this checkout's; see what is different: npm run pulumi -- preview --stack ${stack}`,
  ];
}

const usage =
  "npm run adopt -- --stack staging --passphrase-file FILE [--host user@address[:port]] [--network wirebox] [--key FILE] [--host-key 'ssh-ed25519 AAAA…'] [--copy FILE]";

/** The host that `--host`, `--key` and `--host-key` describe. */
export function typedHost(host: string, privateKeyFile?: string, hostKey?: string): HostSsh {
  const [, user, address, port] = /^(?:([^@]+)@)?([^:]+)(?::(\d+))?$/.exec(host) ?? [];
  return hostSshIn({
    address: address ?? host,
    ...(user && { user }),
    ...(port && { port: Number(port) }),
    ...(privateKeyFile && { privateKeyFile }),
    ...(hostKey && { hostKey }),
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      stack: { type: "string" },
      "passphrase-file": { type: "string" },
      host: { type: "string" },
      network: { type: "string" },
      key: { type: "string" },
      "host-key": { type: "string" },
      copy: { type: "string" },
    },
  });
  const { stack, host, network, key, "host-key": hostKey } = values;
  const states = stateFiles();
  const passphraseFile =
    values["passphrase-file"] ?? (existsSync(states.passphrase) ? states.passphrase : undefined);
  if (!stack || !passphraseFile) throw new Error(`what, and with which passphrase? ${usage}`);
  const configuration = join(projectDirectory, `Pulumi.${stack}.yaml`);
  const configured = placeOf(configuration);
  if (!configured && !network)
    throw new Error(`there is no Pulumi.${stack}.yaml to say where the deployment is: ${usage}`);
  const place: Place = {
    network: network ?? configured?.network ?? "wirebox",
    ssh: host === undefined ? configured?.ssh : typedHost(host, key, hostKey),
  };
  const passphrase = readFileSync(passphraseFile, "utf8");
  const copy = values.copy === undefined ? undefined : readFileSync(values.copy, "utf8");
  for (const line of await adopt({ stack, place, passphrase, states, configuration, copy }))
    console.log(line);
  return 0;
}

if (require.main === module) runMain(main, `usage: ${usage}`);
