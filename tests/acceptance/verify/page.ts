import type { Ended, Namespace } from "./namespace";

/** What `/conformance.json` says (stand-in/program/server/summary.go). */
export interface Summary {
  readonly services: readonly {
    readonly service: string;
    readonly ready: boolean;
    readonly error?: string;
    readonly pods:
      | readonly {
          readonly pod: string;
          readonly checks: readonly {
            readonly name: string;
            readonly ok: boolean;
            readonly error?: string;
            /** When the dependency was last used, in RFC 3339. */
            readonly at: string;
          }[];
        }[]
      | null;
  }[];
}

/** The lab's public names as a client out there sees them, and the page that says how every service is. */
export class Page {
  /**
   * @param internet - Where the client is.
   * @param address - Where every name leads to: the namespace has no name server.
   * @param authorityFile - The one authority that it trusts.
   * @param url - Of the page.
   */
  constructor(
    private readonly internet: Namespace,
    private readonly address: string,
    private readonly authorityFile: string,
    readonly url: string,
  ) {}

  /** @throws Error with curl's words, where there is no answer or the certificate is none to be trusted. */
  async get(url: string): Promise<{ readonly body: string; readonly status: number }> {
    const { host } = new URL(url);
    const { code, stdout, stderr }: Ended = await this.internet.pipe(
      "",
      ...["curl", "--silent", "--show-error", "--max-time", "60", "--cacert", this.authorityFile],
      ...["--resolve", `${host}:443:${this.address}`, "--write-out", "\n%{http_code}", url],
    );
    if (code !== 0) throw new Error(stderr.trim());
    const [, body, status] = /^([\s\S]*)\n(\d+)$/.exec(stdout) ?? [];
    return { body: body ?? "", status: Number(status) };
  }

  /** How every service is, with everything that it depends on. */
  async summary(): Promise<Summary> {
    const { body, status } = await this.get(`${this.url}/conformance.json`);
    try {
      return JSON.parse(body);
    } catch {
      throw new Error(`${this.url}/conformance.json answers ${status}: ${body.slice(0, 200)}`);
    }
  }
}

/** What does not work, each as `service: dependency`, whatever the number of pods that say so. */
export const failing = ({ services }: Summary): string[] => [
  ...new Set(
    services.flatMap(({ service, error, pods }) => [
      ...(error ? [`${service}: ${error}`] : []),
      ...(pods ?? []).flatMap(({ checks }) =>
        checks.filter(({ ok }) => !ok).map(({ name }) => `${service}: ${name}`),
      ),
    ]),
  ),
];
