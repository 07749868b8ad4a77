import { contains } from "../config/addresses";
import { publicNames } from "../config/names";
import { quotePath } from "../config/quote";
import { chooseReleases, type ReleaseName } from "../config/releases";
import type { Configuration } from "../config/schema";
import { type ChartSource, findChart, isFolder, MissingChart } from "../wire/charts";
import { replicas } from "../wire/context";
import { chartRelease } from "../wire/facts";
import { poolClaims, tooFewConnections } from "../wire/postgresql-connections";
import { authorityFileProblems, certificateProblems } from "../wire/tls";
import { mergeValues, staticValues, withoutPaths } from "../wire/values";
import type { Problem, Sections } from "./problem";
import type { Surroundings } from "./surroundings";
import { poolProblems, valueRules } from "./value-rules";

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
  if ("directory" in source && !isFolder(source.directory))
    return [
      {
        key: "wire.charts.directory",
        message: `${quotePath(source.directory)} is no folder on the workstation: the charts/ of the artifact is wanted, a path relative to the project`,
      },
    ];
  const missing: string[] = [];
  const problems = plannedReleases(config, chartRelease(source).dropped).flatMap((release) => {
    try {
      findChart(source, release);
      return [];
    } catch (error) {
      if (!(error instanceof MissingChart))
        return [{ key: "wire.charts.directory", message: (error as Error).message }];
      missing.push(release);
      return [];
    }
  });
  return missing.length > 0 && "directory" in source
    ? [
        ...problems,
        {
          key: "wire.charts.directory",
          message: `${quotePath(source.directory)} has no chart ${missing.join(", ")}: a folder of that name with Chart.yaml, or NAME.tgz`,
        },
      ]
    : problems;
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
    return acmeProblems(tls.acme, domain, firewall);
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

/** Domains below which nobody has a name that the internet knows (RFC 2606, 6761, 6762, 7686, 8375, 9476; ICANN, internal). */
const unknownOutside =
  /(^|\.)(test|example|invalid|localhost|local|internal|onion|alt|home\.arpa|lan|home|corp)$/;

/** Where documentation has its addresses: Let's Encrypt takes none of them. */
const exampleMail = /(^|\.)example\.(com|net|org)$/;

/** Addresses that Let's Encrypt does not come to. */
const privateNetworks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];

/** What Let's Encrypt would refuse after everything else was made. */
function acmeProblems(
  { email }: NonNullable<Configuration["tls"]["acme"]>,
  domain: string,
  { privateDeployment, publicAddress }: Configuration["firewall"],
): Problem[] {
  const own = "bring a certificate of your own (tls.certificateFile)";
  const refused = [
    privateDeployment &&
      `needs a way out to Let's Encrypt, which firewall.privateDeployment takes away; ${own}`,
    unknownOutside.test(domain) &&
      `gives no certificate for names below ${domain}, which the internet does not know; ${own}`,
    privateNetworks.some((network) => contains(network, publicAddress)) &&
      `comes to port 80 of the public address, and ${publicAddress} is in nobody's reach from outside (RFC 1918, RFC 6598); ${own}`,
  ].flatMap((message) => (message ? [{ key: "tls.acme", message }] : []));
  const place = email.split("@")[1] ?? "";
  return unknownOutside.test(place) || exampleMail.test(place)
    ? [
        ...refused,
        {
          key: "tls.acme.email",
          message: "is an address that Let's Encrypt refuses: nobody gets mail there",
        },
      ]
    : refused;
}

/** The authorities of other backends can be read, and they are others. */
export function federationRules(
  { features, domain, firewall }: Sections<"features" | "domain" | "firewall">,
  { readText }: Surroundings,
): Problem[] {
  const { federation } = features;
  if (!federation) return [];
  const domains = federation.domains.map((one) => one.domain);
  return [
    ...domains.flatMap((other, index) => {
      const key = `features.federation.domains[${index}].domain`;
      if (other === domain) return [{ key, message: "is this stack's own domain; the others' are wanted" }];
      return domains.indexOf(other) < index ? [{ key, message: "is there twice" }] : [];
    }),
    ...(firewall.privateDeployment
      ? [
          {
            key: "features.federation",
            message:
              "needs a way out to the other backends, which firewall.privateDeployment takes away: set it to false, or leave federation out",
          },
        ]
      : []),
    ...certificateFileProblems("features.federation.authoritiesFile", federation.authoritiesFile, readText),
  ];
}

/** A file with the certificates of authorities can be read. */
export function certificateFileProblems(
  key: string,
  file: string,
  readText: Surroundings["readText"],
): Problem[] {
  try {
    return authorityFileProblems(readText(file), new Date()).map((message) => ({
      key,
      message: `${file} ${message}`,
    }));
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
  const values = wire.values["wire-server"];
  const unreckonable = poolProblems(values);
  // Of values in another shape valueRules speaks.
  if (unreckonable.length > 0 || valueRules({ wire }).length > 0) return unreckonable;
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
        values ?? {},
      ),
    ),
    dataServices.postgresql.maxConnections,
    machines.filter(({ role }) => role === "datanode").length,
  );
  return message ? [{ key: "dataServices.postgresql.maxConnections", message }] : [];
}
