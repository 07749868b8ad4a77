import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Job } from "./jobs";

/** Where a broker is, and what its front asks for. */
export interface BrokerAccess {
  /** For example https://wasimoff.example.com */
  readonly url: string;
  /** @default none is shown */
  readonly token?: string | undefined;
  /** Certificate in PEM of an authority to trust besides the usual ones. */
  readonly authority?: string | undefined;
}

/** What a program wrote and ended with. */
export interface Output {
  readonly status: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** ZIP archive of the files that were asked for. @default none were */
  readonly artifacts?: Uint8Array;
  /** The provider that ran it. */
  readonly provider: string;
  /** How many providers the job was given to, where the broker tells: with more than one it may have run twice. */
  readonly attempts: number | undefined;
}

/** A job that did not run to its end, or of which nobody knows whether it did. */
export class JobError extends Error {
  /** @param isSafe - Whether it has certainly not run, so that it may be sent again. */
  constructor(
    message: string,
    readonly isSafe = false,
  ) {
    super(message);
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** How often something is sent that may be sent again, and milliseconds before the second time; doubled each time. */
const sendings = 6;
const firstPause = 200;

/** Errors before a connection is there: nothing was sent. */
const unsent = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/** What is wrong with a server's certificate, by Node's code, and what to do. */
const certificateErrors: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "is self-signed: nobody can tell whose it is; the broker needs another one",
  SELF_SIGNED_CERT_IN_CHAIN: "is from an authority that is not known here: give it with --authority FILE",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "is from an authority that is not known here: give it with --authority FILE",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "is from an authority that is not known here: give it with --authority FILE",
  CERT_HAS_EXPIRED: "has run out",
  CERT_NOT_YET_VALID: "is not valid yet: is this machine's clock right?",
  ERR_TLS_CERT_ALTNAME_INVALID: "is for another name than the broker is asked for by",
};

/** A client of a broker of today's era. */
export class WasimoffClient {
  private readonly base: URL;
  private readonly agent: HttpAgent;

  constructor(private readonly access: BrokerAccess) {
    this.base = new URL(access.url);
    const isSecure = this.base.protocol === "https:";
    this.agent = isSecure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  }

  /** Stores a module or a ZIP archive. Sent again after any failure: the same content has the same reference. */
  async upload(name: string, content: Uint8Array): Promise<string> {
    const path = `/api/storage/upload?name=${encodeURIComponent(name)}`;
    const { body } = await again(
      async () => {
        const answer = await this.send(
          path,
          content,
          { "content-type": "application/octet-stream" },
          120_000,
        );
        refuse(answer);
        return answer;
      },
      (error) => !(error instanceof Refusal) || error.isPassing,
    );
    return body.toString();
  }

  /**
   * Runs a job. Sent again only where it has certainly not run.
   * @param seconds - After which it is ended.
   * @throws JobError
   */
  async run(job: Job, seconds: number): Promise<Output> {
    const request = {
      qos: { deadline: new Date(Date.now() + seconds * 1000).toISOString() },
      params: {
        binary: { ref: job.module },
        args: job.args,
        envs: job.envs,
        stdin: Buffer.from(job.stdin).toString("base64"),
        ...(job.files === undefined ? {} : { rootfs: { ref: job.files } }),
        artifacts: job.artifacts,
      },
    };
    const headers = { "content-type": "application/json", "connect-timeout-ms": `${seconds * 1000}` };
    return again(
      async () => {
        // The broker is the one to say that the time is over.
        const answer = await this.send(
          "/api/client/wasimoff.v1.Tasks/RunWasip1",
          Buffer.from(JSON.stringify(request)),
          headers,
          (seconds + 15) * 1000,
        );
        return outputOf(answer);
      },
      (error) => error instanceof JobError && error.isSafe,
    );
  }

  /** Ends connections that are kept open. */
  close(): void {
    this.agent.destroy();
  }

  private send(
    path: string,
    content: Uint8Array,
    headers: Readonly<Record<string, string>>,
    milliseconds: number,
  ): Promise<Answer> {
    const { token, authority } = this.access;
    const request = this.base.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException) => reject(this.explain(error));
      const sent = request(
        new URL(path, this.base),
        {
          method: "POST",
          agent: this.agent,
          timeout: milliseconds,
          ca: authority,
          headers: {
            ...headers,
            "content-length": content.length,
            ...(token === undefined
              ? {}
              : { authorization: `Basic ${Buffer.from(`wasimoff:${token}`).toString("base64")}` }),
          },
        },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on("data", (part: Buffer) => parts.push(part));
          answer.on("error", failed);
          answer.on("end", () =>
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              body: Buffer.concat(parts),
            }),
          );
        },
      );
      sent.on("error", failed);
      sent.on("timeout", () =>
        sent.destroy(new Error(`the broker has not answered within ${milliseconds / 1000} s`)),
      );
      sent.end(content);
    });
  }

  private explain(error: NodeJS.ErrnoException): JobError {
    const { code = "" } = error;
    const certificate = certificateErrors[code];
    if (certificate) return new JobError(`the certificate of ${this.base.host} ${certificate} (${code})`);
    if (unsent.has(code)) return new JobError(`${this.base.host} cannot be reached (${code})`, true);
    return new JobError(
      `the connection to ${this.base.host} was lost (${code || error.message}); whether the job has run is not known`,
    );
  }
}

/** A request that the broker, or what is in front of it, did not take. */
class Refusal extends JobError {
  /** @param isPassing - Whether it is worth trying again. */
  constructor(
    message: string,
    readonly isPassing: boolean,
  ) {
    super(message, isPassing);
  }
}

/** What statuses of the front mean here. */
const refusals: Readonly<Record<number, string>> = {
  401: "the broker's front asks for a token: give it with --token-file FILE (output wasimoff.token)",
  403: "this machine's network may not use the broker (wasimoff.access.networks)",
  413: "that is larger than the broker takes",
  415: "the broker takes WebAssembly modules and ZIP archives alone",
};

/** @throws Refusal of an answer that is none. */
function refuse({ status, body }: Answer): void {
  if (status === 200) return;
  const known = refusals[status];
  if (known) throw new Refusal(`${known} (status ${status})`, false);
  throw new Refusal(`status ${status}: ${body.toString().slice(0, 300).trim()}`, status === 503);
}

function outputOf(answer: Answer): Output {
  const { headers, body, status } = answer;
  const parsed = parse(body);
  if (status !== 200 && parsed?.code) {
    // A queue that is full has not taken the job; anything else may have been begun.
    throw new JobError(`${parsed.message} (${parsed.code})`, parsed.code === "resource_exhausted");
  }
  refuse(answer);
  const { ok, error, info } = parsed ?? {};
  if (!ok) throw new JobError(error ?? "the broker has answered with nothing that is a result");
  const bytes = (text?: string) => Buffer.from(text ?? "", "base64");
  const attempts = Number(headers["x-stand-in-attempts"]);
  return {
    status: ok.status ?? 0,
    stdout: bytes(ok.stdout),
    stderr: bytes(ok.stderr),
    ...(ok.artifacts?.blob ? { artifacts: bytes(ok.artifacts.blob) } : {}),
    provider: info?.provider ?? "",
    attempts: attempts > 0 ? attempts : undefined,
  };
}

/** What the broker answers, as far as it is read. */
interface Response {
  readonly code?: string;
  readonly message?: string;
  readonly error?: string;
  readonly info?: { readonly provider?: string };
  readonly ok?: {
    readonly status?: number;
    readonly stdout?: string;
    readonly stderr?: string;
    readonly artifacts?: { readonly blob?: string };
  };
}

function parse(body: Buffer): Response | undefined {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

/** Does something again while it fails in a way that allows it. */
async function again<T>(work: () => Promise<T>, isAllowed: (error: unknown) => boolean): Promise<T> {
  for (let sending = 1; ; sending++)
    try {
      return await work();
    } catch (error) {
      if (sending === sendings || !isAllowed(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, firstPause * 2 ** (sending - 1)));
    }
}
