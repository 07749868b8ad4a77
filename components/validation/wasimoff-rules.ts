import { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { planArtifact } from "../artifact/plan";
import { normalise } from "../artifact/reference";
import { isNetworkAddress, networkOf, prefixOf } from "../config/addresses";
import { publicNames } from "../config/names";
import { quote } from "../config/quote";
import { variableProblem, wasimoffHost } from "../config/wasimoff";
import { eraNames, eras, transportPort } from "../config/wasimoff-eras";
import type { WasimoffConfiguration } from "../config/wasimoff-schema";
import { readCertificates } from "../wire/certificate-file";
import { certificateProblems } from "../wire/tls";
import { unreachable } from "./address-rules";
import type { Problem, Sections } from "./problem";
import type { Surroundings } from "./surroundings";

type Concerned = Sections<
  "wasimoff" | "domain" | "tls" | "wire" | "machines" | "firewall" | "host" | "kubernetes"
>;

/** What is wrong with Wasimoff in a stack. */
export function wasimoffRules(config: Concerned, surroundings: Surroundings): Problem[] {
  const { wasimoff } = config;
  if (!wasimoff) return [];
  return [
    ...environmentProblems(wasimoff),
    ...storageProblems(wasimoff, config),
    ...(wasimoff.mode === "public"
      ? [
          ...placeProblems(wasimoff, config),
          ...accessProblems(wasimoff),
          ...networkProblems(wasimoff),
          ...transportProblems(wasimoff, config),
          ...tlsProblems(wasimoff, config, surroundings),
        ]
      : localhostProblems(wasimoff, config)),
  ];
}

/** What is allowed and worth saying. */
export function wasimoffWarnings({ wasimoff }: Sections<"wasimoff">): string[] {
  if (!wasimoff) return [];
  const { mode, era, access, certificate, environment } = wasimoff;
  return [
    ...(mode === "public" && access.open
      ? [
          "wasimoff.access.open: whoever reaches the public name runs code on all providers, reads others' inputs as a provider, and returns results as he likes",
        ]
      : []),
    ...(mode === "localhost" && era === "webtransport" && !certificate
      ? [
          "wasimoff: a broker of this era makes its certificate for 14 days and renews none: restart it within them (docs/wasimoff.md)",
        ]
      : []),
    ...(environment.WASIMOFF_CLOUD_FUNCTION === undefined
      ? []
      : ["wasimoff.environment.WASIMOFF_CLOUD_FUNCTION: jobs and their inputs leave for that cloud"]),
  ];
}

const environmentProblems = ({ era, environment, origins }: WasimoffConfiguration): Problem[] => [
  ...Object.keys(environment).flatMap((name) => {
    const message = variableProblem(era, name);
    return message ? [{ key: `wasimoff.environment.${name}`, message }] : [];
  }),
  ...(era === "webtransport" && origins.length > 0
    ? [{ key: "wasimoff.origins", message: "a broker of the era webtransport takes providers of any origin" }]
    : []),
];

const storageProblems = ({ era }: WasimoffConfiguration, { kubernetes }: Concerned): Problem[] =>
  era === "websocket" && kubernetes.volumes.perNode === 0
    ? [{ key: "kubernetes.volumes.perNode", message: "is 0, and wasimoff keeps its modules on a volume" }]
    : [];

/** Nodes pull from the artifact's registry alone, and an image of the other era would ignore its settings. */
export function wasimoffImageRules(
  { wasimoff, artifact }: Sections<"wasimoff" | "artifact">,
  { readManifest }: Surroundings,
): Problem[] {
  if (!wasimoff || !artifact) return [];
  const { images, era } = wasimoff;
  const packed = new Set<string>();
  try {
    for (const { image } of planArtifact(
      artifact.sources.map(({ manifest, location }) => ({ manifest: readManifest(manifest), location })),
    ).images)
      if (image) packed.add(normalise(image.reference));
  } catch {
    // What is wrong with the artifact itself is artifactRules' to say.
    return [];
  }
  const other = eraNames.find((name) => name !== era && eras[name].images.test(images.broker));
  return [
    ...Object.entries(images).flatMap(([part, reference]) =>
      packed.has(normalise(reference))
        ? []
        : [
            {
              key: `wasimoff.images.${part}`,
              message: `the artifact does not have ${reference}: add a bundle with it to artifact.sources (docs/wasimoff.md)`,
            },
          ],
    ),
    ...(other
      ? [
          {
            key: "wasimoff.images.broker",
            message: `is one of the era ${other}, and wasimoff.era is ${era}: it would ignore its settings without a word`,
          },
        ]
      : []),
  ];
}

/** The ingress controller comes with Wire's releases, and its names are theirs. */
function placeProblems(wasimoff: WasimoffConfiguration, { domain, wire }: Concerned): Problem[] {
  const host = wasimoffHost(domain, wasimoff);
  const taken = publicNames(domain, { teamSettings: true, calling: true, federation: true });
  return [
    ...(taken.includes(host) || host === domain
      ? [{ key: "wasimoff.hostName", message: `${host} is one of Wire's names; choose another` }]
      : []),
    ...(wasimoff.era === "websocket" && !wire.charts
      ? [
          {
            key: "wasimoff.mode",
            message:
              "public takes the ingress controller, which comes with wire.charts; without them choose localhost",
          },
        ]
      : []),
    ...(wasimoff.node === undefined
      ? []
      : [{ key: "wasimoff.node", message: "is for localhost; in public mode the scheduler decides" }]),
  ];
}

/** Nothing that runs code is open to the world unless somebody says so. */
/** The ingress takes networks by their first address, and nobody comes from those that are not routed. */
const networkProblems = ({ access }: WasimoffConfiguration): Problem[] =>
  access.networks.flatMap((network, index) => {
    const key = `wasimoff.access.networks[${index}]`;
    const reason = unreachable(network);
    if (!isNetworkAddress(network))
      return [
        {
          key,
          message: `${network} does not name a network: its host bits must be zero, as in ${networkOf(network)}`,
        },
      ];
    if (prefixOf(network) === 0)
      return [
        { key, message: `${network} is everybody: say so by open: true, or name the networks that may` },
      ];
    return reason ? [{ key, message: `nobody comes from ${network}: it has addresses of ${reason}` }] : [];
  });

function accessProblems({ era, access }: WasimoffConfiguration): Problem[] {
  const { networks, token, open } = access;
  if (open)
    return networks.length > 0 || token
      ? [
          {
            key: "wasimoff.access.open",
            message: "contradicts networks and token; leave it out, or leave them out",
          },
        ]
      : [];
  if (era === "webtransport") {
    if (token)
      return [
        {
          key: "wasimoff.access.token",
          message:
            "cannot be asked for in the era webtransport: providers come by QUIC, with no ingress in front; give networks",
        },
      ];
    if (networks.length === 0)
      return [
        {
          key: "wasimoff.access.networks",
          message:
            "is empty, and whoever reaches a broker of the era webtransport runs code on all providers: give the networks that may, or open: true",
        },
      ];
  }
  return token === false && networks.length === 0
    ? [
        {
          key: "wasimoff.access.token",
          message:
            "is false and there are no networks: whoever reaches the public name would run code on all providers. If that is what you want, say open: true",
        },
      ]
    : [];
}

/** The port of the WebTransport era is free on the public address. */
function transportProblems({ era }: WasimoffConfiguration, { firewall, host }: Concerned): Problem[] {
  if (era !== "webtransport") return [];
  const port = transportPort.public;
  return [
    ...firewall.hostPorts.flatMap((entry, index) =>
      entry.endsWith(`/${port}`)
        ? [
            {
              key: `firewall.hostPorts[${index}]`,
              message: `${entry} is where browsers reach wasimoff of the era webtransport`,
            },
          ]
        : [],
    ),
    ...(host.ssh?.port === port
      ? [
          {
            key: "host.ssh.port",
            message: `${port} is where browsers reach wasimoff of the era webtransport`,
          },
        ]
      : []),
  ];
}

function tlsProblems(
  wasimoff: WasimoffConfiguration,
  { domain, tls }: Concerned,
  { keyFileProblem, readText }: Surroundings,
): Problem[] {
  const { era, certificate } = wasimoff;
  if (!certificate && tls.acme) return acmeProblems(era, tls.acme.production);
  const certificateFile = certificate?.certificateFile ?? tls.certificateFile;
  const privateKeyFile = certificate?.privateKeyFile ?? tls.privateKeyFile;
  const section = certificate ? "wasimoff.certificate" : "tls";
  if (certificateFile === undefined || privateKeyFile === undefined)
    return [
      { key: "wasimoff.certificate", message: "is missing, and so is tls: browsers take nothing without" },
    ];
  const about = (key: string, message: string): Problem => ({ key: `${section}.${key}`, message });
  const problem = keyFileProblem(privateKeyFile);
  if (problem) return certificate ? [about("privateKeyFile", problem)] : [];
  try {
    const text = readText(certificateFile);
    const messages = certificateProblems({
      certificate: text,
      privateKey: readText(privateKeyFile),
      names: [wasimoffHost(domain, wasimoff)],
      now: new Date(),
    });
    if (messages.length > 0)
      return messages.map((message) => about("certificateFile", `${certificateFile} ${message}`));
    const reason = trustProblem(text, wasimoff);
    return reason ? [about("certificateFile", `${certificateFile} ${reason}`)] : [];
  } catch (error) {
    return [about("certificateFile", (error as Error).message)];
  }
}

const acmeProblems = (era: WasimoffConfiguration["era"], production: boolean): Problem[] => [
  ...(era === "webtransport"
    ? [
        {
          key: "wasimoff.certificate",
          message:
            "is missing: a broker of the era webtransport reads its certificate once, so one that Let's Encrypt renews would run out on it",
        },
      ]
    : []),
  ...(production
    ? []
    : [
        {
          key: "tls.acme.production",
          message: "is false: no browser takes such a certificate of wasimoff's",
        },
      ]),
];

/** Why browsers would not take a certificate that is in order otherwise; undefined if they do, or are told to. */
function trustProblem(chain: string, { era, privateAuthority }: WasimoffConfiguration): string | undefined {
  const certificates = readCertificates(chain);
  if (typeof certificates === "string") return certificates;
  const [leaf, last] = [certificates[0], certificates.at(-1)];
  if (!leaf || !last) return undefined;
  if (leaf.checkIssued(leaf))
    return "is self-signed: browsers refuse it, and what runs jobs in them (a secure context, WebTransport) is not there behind a warning that somebody clicks away";
  const isKnown = rootCertificates.some((root) => {
    const authority = new X509Certificate(root);
    return last.fingerprint256 === authority.fingerprint256 || last.checkIssued(authority);
  });
  if (isKnown) return undefined;
  if (era === "webtransport")
    return "is from an authority that browsers do not know: they refuse WebTransport with it even where the authority is trusted";
  return privateAuthority
    ? undefined
    : "is from an authority that browsers do not know: strangers' browsers cannot join. If all providers are yours and trust it, say wasimoff.privateAuthority: true";
}

function localhostProblems(wasimoff: WasimoffConfiguration, { machines }: Concerned): Problem[] {
  const { node, hostName, certificate, access, origins, privateAuthority } = wasimoff;
  const staying = machines.filter(({ role, retiring }) => role === "kubenode" && !retiring);
  const given = {
    hostName: hostName !== undefined,
    certificate: certificate !== undefined,
    privateAuthority,
    origins: origins.length > 0,
    access: access.open || access.networks.length > 0 || access.token === true,
  };
  return [
    ...(node === undefined || staying.some(({ name }) => name === node)
      ? []
      : [{ key: "wasimoff.node", message: `${quote(node)} is no kubenode that stays` }]),
    ...Object.entries(given).flatMap(([key, there]) =>
      there
        ? [
            {
              key: `wasimoff.${key}`,
              message: "is for public mode: in localhost mode nobody but the machine itself gets there",
            },
          ]
        : [],
    ),
  ];
}
