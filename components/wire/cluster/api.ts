import { request } from "node:https";
import { parse } from "yaml";

/** How long the API server may take for an answer, in milliseconds. */
const patience = 15_000;

/** The part of a kubeconfig that matters here. */
interface Kubeconfig {
  readonly "current-context": string;
  readonly contexts: readonly { name: string; context: { cluster: string; user: string } }[];
  readonly clusters: readonly {
    name: string;
    cluster: { server: string; "certificate-authority-data"?: string; "tls-server-name"?: string };
  }[];
  readonly users: readonly {
    name: string;
    user: { "client-certificate-data"?: string; "client-key-data"?: string; token?: string };
  }[];
}

/** A few questions to the API server of a cluster, from within the program. */
export class ClusterApi {
  private readonly server: string;
  private readonly tls: Record<string, string | undefined>;
  private readonly headers: Record<string, string>;

  /** @throws Error if the text is no kubeconfig with its keys inside. */
  constructor(kubeconfig: string) {
    const config = parse(kubeconfig) as Kubeconfig;
    const { context } = named(config.contexts, config["current-context"], "context");
    const { cluster } = named(config.clusters, context.cluster, "cluster");
    const { user } = named(config.users, context.user, "user");
    const decode = (data: string | undefined) => data && Buffer.from(data, "base64").toString();
    this.server = cluster.server;
    this.tls = {
      ca: decode(cluster["certificate-authority-data"]),
      cert: decode(user["client-certificate-data"]),
      key: decode(user["client-key-data"]),
      servername: cluster["tls-server-name"],
    };
    this.headers = user.token ? { authorization: `Bearer ${user.token}` } : {};
  }

  /** Gives what a path below the server's URL holds. @throws Error where the server does not say 200. */
  get = (path: string): Promise<string> => this.ask("GET", path);

  /** The items of a list. */
  async list<Item>(path: string): Promise<readonly Item[]> {
    return (JSON.parse(await this.get(path)) as { items: Item[] }).items;
  }

  delete = (path: string): Promise<string> => this.ask("DELETE", path);

  private ask(method: string, path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const url = new URL(path, this.server);
      const asked = request(
        url,
        { method, ...this.tls, headers: this.headers, timeout: patience },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
          answer.on("error", reject);
          answer.on("end", () =>
            answer.statusCode === 200
              ? resolve(text)
              : reject(new Error(`${url.origin} answered ${answer.statusCode} to ${method} ${url.pathname}`)),
          );
        },
      );
      asked.on("timeout", () =>
        asked.destroy(new Error(`${url.origin} has not answered in ${patience / 1000} s`)),
      );
      asked.on("error", reject);
      asked.end();
    });
  }
}

function named<Entry extends { name: string }>(entries: readonly Entry[], name: string, what: string): Entry {
  const entry = entries.find((one) => one.name === name);
  if (!entry) throw new Error(`the kubeconfig has no ${what} named ${name}`);
  return entry;
}
