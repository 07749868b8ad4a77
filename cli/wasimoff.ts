import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { quotePath } from "../components/config/quote";
import { JobError, type Output, WasimoffClient } from "./wasimoff/client";
import { inOrder, type Job, parseJobs } from "./wasimoff/jobs";

/**
 * `npm run wasimoff -- upload FILE | run NAME -- ARGS | jobs FILE`: sends WebAssembly jobs to a broker, whose URL is in
 * BROKER as for upstream's client. Ends with the program's own status, with 1 where one of several ended with another than
 * 0, and with 125 where a job did not run to its end.
 */

const usage = `usage: npm run wasimoff -- [options] upload FILE [NAME]
       npm run wasimoff -- [options] run NAME [-- ARGUMENT …]    standard input goes to the program
       npm run wasimoff -- [options] jobs FILE                   results as JSON lines, in order

  --broker URL        @default $BROKER, else http://localhost:4080
  --token-file FILE   what the front asks for (output wasimoff.token)
  --authority FILE    certificate of an authority to trust, in PEM
  --seconds N         after which a job is ended  @default 60
  --width N           jobs that are sent at a time  @default 16
  --env NAME=value    for run; may be given again
  --files NAME        for run: an uploaded ZIP archive with files
  --artifact PATH     for run: a file that is to come back; may be given again
  --output FILE       for run: where the ZIP archive of those goes  @default artifacts.zip`;

/** The exit code of what did not run to its end. */
const notRun = 125;

/** `--help` is an option like the others: behind `--` it is the program's. */
const readArguments = () =>
  parseArgs({
    options: {
      help: { type: "boolean", short: "h", default: false },
      broker: { type: "string", default: process.env.BROKER ?? "http://localhost:4080" },
      "token-file": { type: "string" },
      authority: { type: "string" },
      seconds: { type: "string", default: "60" },
      width: { type: "string", default: "16" },
      env: { type: "string", multiple: true, default: [] },
      files: { type: "string" },
      artifact: { type: "string", multiple: true, default: [] },
      output: { type: "string", default: "artifacts.zip" },
    },
    allowPositionals: true,
  });

type Options = ReturnType<typeof readArguments>["values"];

type Command = (client: WasimoffClient, options: Options, rest: readonly string[]) => Promise<number>;

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(
      `${quotePath(path)} cannot be read: ${(error as NodeJS.ErrnoException).code ?? "unknown"}`,
    );
  }
}

function positive(options: Options, option: "seconds" | "width"): number {
  const number = Number(options[option]);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${option} must be a whole number above 0`);
  return number;
}

function clientOf({ broker, "token-file": tokenFile, authority }: Options): WasimoffClient {
  if (!URL.canParse(broker)) throw new Error(`--broker must be a URL\n${usage}`);
  return new WasimoffClient({
    url: broker,
    token: tokenFile === undefined ? undefined : read(tokenFile).toString().trim(),
    authority: authority === undefined ? undefined : read(authority).toString(),
  });
}

const upload: Command = async (client, _options, [file, name]) => {
  if (file === undefined) throw new Error(usage);
  console.log(await client.upload(name ?? basename(file), read(file)));
  return 0;
};

const runOne: Command = async (client, options, [module, ...args]) => {
  if (module === undefined) throw new Error(usage);
  const job: Job = {
    module,
    args: [module, ...args],
    envs: options.env,
    stdin: process.stdin.isTTY ? new Uint8Array() : readFileSync(0),
    files: options.files,
    artifacts: options.artifact,
  };
  const output = await client.run(job, positive(options, "seconds"));
  process.stdout.write(output.stdout);
  process.stderr.write(output.stderr);
  if (output.artifacts) writeFileSync(options.output, output.artifacts);
  warnOfAttempts(output);
  return output.status;
};

const warnOfAttempts = ({ attempts }: Output, job = "the job"): void => {
  if (attempts !== undefined && attempts > 1)
    console.error(
      `${job} was given to ${attempts} providers, one after another: it may have run more than once`,
    );
};

const runJobs: Command = async (client, options, [file]) => {
  if (file === undefined) throw new Error(usage);
  const jobs = parseJobs(read(file).toString(), file);
  let done = 0;
  const results = await inOrder(jobs, positive(options, "width"), async (job, index) => {
    const result = await client.run(job, positive(options, "seconds")).catch((error: JobError) => error);
    done++;
    if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${jobs.length}`);
    if (!(result instanceof JobError)) warnOfAttempts(result, `job ${index + 1}`);
    return result;
  });
  if (process.stderr.isTTY) process.stderr.write("\n");
  for (const result of results) console.log(JSON.stringify(lineOf(result)));
  if (results.some((result) => result instanceof JobError)) return notRun;
  return results.every((result) => !(result instanceof JobError) && result.status === 0) ? 0 : 1;
};

/** A result as the deployment guide's broker writes it: text, and files in base64. */
const lineOf = (result: Output | JobError): object =>
  result instanceof JobError
    ? { error: result.message }
    : {
        result: {
          status: result.status,
          stdout: Buffer.from(result.stdout).toString(),
          stderr: Buffer.from(result.stderr).toString(),
          ...(result.artifacts ? { datafile: Buffer.from(result.artifacts).toString("base64") } : {}),
        },
      };

const commands: Readonly<Record<string, Command>> = {
  upload,
  run: runOne,
  jobs: runJobs,
};

async function main(): Promise<number> {
  const { values: options, positionals } = readArguments();
  if (options.help) {
    console.log(usage);
    return 0;
  }
  const [command = "", ...rest] = positionals;
  const chosen = commands[command];
  if (!chosen) throw new Error(usage);
  const client = clientOf(options);
  try {
    return await chosen(client, options, rest);
  } finally {
    client.close();
  }
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    console.error(error.message);
    process.exitCode = notRun;
  },
);
