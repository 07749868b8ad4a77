import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { contentKey } from "../../toolchain/cache";
import { run } from "../../toolchain/commands";
import { buildGo } from "../sources/program";
import type { GoSource } from "../specification";
import type { Workshop } from "../workshop";

/** Minor version of the Kubernetes that Helm renders for: that of the client it is made with (go/helm/go.mod). */
const kubernetesMinor = "35";

/** Helm, from the module proxy. */
export const helmSource: GoSource = {
  module: join(__dirname, "../go/helm"),
  package: "helm.sh/helm/v3/cmd/helm",
  variables: {
    "helm.sh/helm/v3/internal/version.version": "v3.20.0",
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": "1",
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": kubernetesMinor,
  },
  tags: [],
  cgo: false,
};

/** Where the operator's own Helm keeps its repositories, with their passwords. */
function operatorsRepositories(): string {
  const { HELM_REPOSITORY_CONFIG, HELM_CONFIG_HOME, XDG_CONFIG_HOME } = process.env;
  const home = HELM_CONFIG_HOME || join(XDG_CONFIG_HOME || join(homedir(), ".config"), "helm");
  return HELM_REPOSITORY_CONFIG || join(home, "repositories.yaml");
}

/** Helm with folders of its own, which knows the operator's repositories and changes nothing of theirs. */
export class Helm {
  private readonly config: string;

  private constructor(
    private readonly program: string,
    private readonly home: string,
  ) {
    this.config = join(home, "repositories.yaml");
  }

  /** @param home an empty folder, for what it keeps. */
  static async open(workshop: Workshop, home: string): Promise<Helm> {
    const helm = new Helm(await buildGo(helmSource, workshop), home);
    mkdirSync(home, { recursive: true });
    if (existsSync(operatorsRepositories())) cpSync(operatorsRepositories(), helm.config);
    return helm;
  }

  /** @throws CommandError with what Helm says. */
  run(...args: string[]): Promise<string> {
    const folder = (name: string) => join(this.home, name);
    return run(this.program, args, {
      env: {
        HELM_REPOSITORY_CONFIG: this.config,
        HELM_REPOSITORY_CACHE: folder("repositories"),
        HELM_CACHE_HOME: folder("cache"),
        HELM_DATA_HOME: folder("data"),
      },
    });
  }

  /** Makes a repository known, its index being up to date. @returns what to write before a chart's name. */
  async repository(url: string): Promise<string> {
    if (url.startsWith("oci://")) return url;
    const known = this.known().find((entry) =>
      [entry.url.replace(/\/$/, ""), `@${entry.name}`].includes(url.replace(/\/$/, "")),
    );
    const name = known?.name ?? `bundle-${contentKey([url])}`;
    if (known) await this.run("repo", "update", name);
    else await this.run("repo", "add", name, url);
    return name;
  }

  private known(): readonly { readonly name: string; readonly url: string }[] {
    return existsSync(this.config) ? (parse(readFileSync(this.config, "utf8"))?.repositories ?? []) : [];
  }
}
