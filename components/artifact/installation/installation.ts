import type * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript } from "../../machine/script";
import type { Target } from "../../machine/target";
import type { AssetHost } from "../asset-host/asset-host";
import type { ArtifactFile } from "../manifest";

/** The programs of a service. */
export interface InstallationPlan {
  readonly service: string;
  /** Debian packages. */
  readonly packages: readonly string[];
  /** systemd units, without `.service`, that the packages would start by themselves; patterns of the shell. */
  readonly units: readonly string[];
  /** Files of the artifact; each lies in its {@link directoryOf}, unpacked if it is an archive. */
  readonly files: readonly ArtifactFile[];
}

/** Where a file of the artifact lies on a node. */
export const directoryOf = (service: string, file: ArtifactFile): string =>
  `/opt/wiab/${service}/dist/${file.sha256}`;

/** Where a program of the artifact that is one file lies on a node. */
export const programOf = (service: string, file: ArtifactFile): string =>
  `${directoryOf(service, file)}/${file.path.slice(file.path.lastIndexOf("/") + 1)}`;

/** The parameters of install.sh. */
export const installationParameters = (plan: InstallationPlan, assets: string) => ({
  SERVICE: plan.service,
  PACKAGES: plan.packages.join(" "),
  UNITS: plan.units.join(" "),
  FILES: plan.files.map(({ path, sha256 }) => `${assets}/${path} ${sha256}`).join("\n"),
});

/** Installs the programs of a service on a node and gives the node as it is then. Nothing is started. */
export function install(
  name: string,
  plan: InstallationPlan,
  { target, assetHost }: { readonly target: Target; readonly assetHost: Pick<AssetHost, "url"> },
  options: pulumi.CustomResourceOptions,
): Target {
  const run = runScript(
    name,
    {
      target,
      script: loadScript(__dirname, "install.sh"),
      parameters: {
        ...installationParameters(plan, ""),
        FILES: assetHost.url.apply((url) => installationParameters(plan, url).FILES),
      },
    },
    options,
  );
  return { ...target, after: [run] };
}

/** {@link install} for a data service: the resource is called `<name>-programs-<node>`. */
export const installOn = (
  node: { readonly name: string; readonly target: Target },
  name: string,
  plan: InstallationPlan,
  assetHost: Pick<AssetHost, "url">,
  options: pulumi.CustomResourceOptions,
): Target => install(`${name}-programs-${node.name}`, plan, { target: node.target, assetHost }, options);
