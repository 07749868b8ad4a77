import { publicNames } from "../config/names";
import { chooseReleases, type ReleaseName } from "../config/releases";
import { type ChartSource, findChart } from "../wire/charts";
import { replicas } from "../wire/context";
import { chartRelease } from "../wire/facts";
import { poolClaims, tooFewConnections } from "../wire/postgresql-connections";
import { certificateProblems } from "../wire/tls";
import { mergeValues, staticValues, withoutPaths } from "../wire/values";
import type { Problem, Sections } from "./problem";
import type { Surroundings } from "./surroundings";

/**
 * The releases that a configuration asks for.
 * @param dropped - Those that Wire has given up.
 */
export const plannedReleases = (
  { calling, features, mail, tls, wire }: Sections<"calling" | "features" | "mail" | "tls" | "wire">,
  dropped: readonly ReleaseName[] = [],
): ReleaseName[] =>
  chooseReleases({
    dropped,
    calling: calling.enabled,
    teamSettings: features.teamSettings,
    acme: tls.acme !== undefined,
    mailRelay: mail.relay !== undefined,
    smallstep: wire.values["smallstep-accomp"] !== undefined,
  });

/** Where a configuration has its charts; undefined where nothing of Wire is installed. */
export const chartSource = ({ wire: { charts } }: Sections<"wire">): ChartSource | undefined => {
  const { directory, repository } = charts ?? {};
  if (directory !== undefined) return { directory };
  return repository === undefined ? undefined : { repository };
};

/** Charts come from one place, and it has all of them. */
export function chartRules(config: Sections<"calling" | "features" | "mail" | "tls" | "wire">): Problem[] {
  const { charts } = config.wire;
  if (!charts) return [];
  if ((charts.directory === undefined) === (charts.repository === undefined))
    return [{ key: "wire.charts", message: "must have either directory or repository" }];
  const source = chartSource(config) as ChartSource;
  return plannedReleases(config, chartRelease(source).dropped).flatMap((release) => {
    try {
      findChart(source, release);
      return [];
    } catch (error) {
      return [{ key: "wire.charts.directory", message: (error as Error).message }];
    }
  });
}

/** Wire needs a certificate that its clients take, and a way to get it. */
export function tlsRules(
  {
    domain,
    tls,
    calling,
    features,
    firewall,
    wire,
  }: Sections<"domain" | "tls" | "calling" | "features" | "firewall" | "wire">,
  { keyFileProblem, readText }: Surroundings,
): Problem[] {
  const files = [tls.certificateFile, tls.privateKeyFile];
  const own = files.filter((file) => file !== undefined).length;
  if (tls.acme) {
    if (own > 0)
      return [{ key: "tls", message: "has both files and acme; a certificate comes from one of them" }];
    return firewall.privateDeployment
      ? [
          {
            key: "tls.acme",
            message:
              "needs a way out to Let's Encrypt, which firewall.privateDeployment takes away; bring a certificate of your own",
          },
        ]
      : [];
  }
  if (own === 1) return [{ key: "tls", message: "must have both certificateFile and privateKeyFile" }];
  const { certificateFile, privateKeyFile } = tls;
  if (certificateFile === undefined || privateKeyFile === undefined)
    return wire.charts
      ? [{ key: "tls", message: "is missing: give certificateFile and privateKeyFile, or acme" }]
      : [];
  const problem = keyFileProblem(privateKeyFile);
  if (problem) return [{ key: "tls.privateKeyFile", message: problem }];
  try {
    return certificateProblems({
      certificate: readText(certificateFile),
      privateKey: readText(privateKeyFile),
      names: publicNames(domain, {
        teamSettings: features.teamSettings,
        calling: calling.enabled,
        federation: features.federation !== undefined,
      }),
      now: new Date(),
    }).map((message) => ({ key: "tls.certificateFile", message: `${certificateFile} ${message}` }));
  } catch (error) {
    return [{ key: "tls.certificateFile", message: (error as Error).message }];
  }
}

/** The authorities of other backends can be read. */
export function federationRules({ features }: Sections<"features">, { readText }: Surroundings): Problem[] {
  const file = features.federation?.authoritiesFile;
  return file === undefined
    ? []
    : certificateFileProblems("features.federation.authoritiesFile", file, readText);
}

/** A file with the certificates of authorities. */
export function certificateFileProblems(
  key: string,
  file: string,
  readText: Surroundings["readText"],
): Problem[] {
  try {
    return readText(file).includes("-----BEGIN CERTIFICATE-----")
      ? []
      : [{ key, message: `${file} holds no certificate in PEM` }];
  } catch (error) {
    return [{ key, message: (error as Error).message }];
  }
}

/** PostgreSQL has connections for all of Wire's pods, those of an update included. */
export function connectionRules({
  machines,
  dataServices,
  wire,
}: Sections<"machines" | "dataServices" | "wire">): Problem[] {
  if (!wire.charts) return [];
  const staying = (role: string) =>
    machines.filter((machine) => machine.role === role && !machine.retiring).length;
  const replicaCount = replicas({ kubenodes: staying("kubenode") });
  const source = chartSource({ wire });
  const unknown = (source && chartRelease(source).facts?.unknown["wire-server"]) ?? [];
  const message = tooFewConnections(
    poolClaims(
      mergeValues(
        withoutPaths(staticValues("wire-server"), unknown),
        { brig: { replicaCount }, galley: { replicaCount }, gundeck: { replicaCount } },
        wire.values["wire-server"] ?? {},
      ),
    ),
    dataServices.postgresql.maxConnections,
    machines.filter(({ role }) => role === "datanode").length,
  );
  return message ? [{ key: "dataServices.postgresql.maxConnections", message }] : [];
}
