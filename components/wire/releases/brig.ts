import { hostNames } from "../../config/names";
import { replicas, sender, type WireContext } from "../context";
import type { Values } from "../values";
import { connections } from "./databases";
import { pageUrls } from "./web";

/** What brig itself replaces in the links of its mails. */
const [key, code] = ["key", "code"].map((name) => `\${${name}}`);

/** The part of wire-server's values that is about users, their mail and their calls. */
export function brig(context: WireContext): Values {
  const { domain, federationDomain, features, federation, callingNode, publicAddress, services, secrets } =
    context;
  const { cassandra, elasticsearch, postgresql, rabbitmq } = connections(context);
  const { https, sftd } = hostNames(domain);
  const urls = pageUrls(domain);
  const account = (path: string) => `${urls.account}/${path}`;
  return {
    replicaCount: replicas(context),
    config: {
      cassandra,
      elasticsearch,
      rabbitmq,
      postgresql,
      enableFederation: federation !== undefined,
      externalUrls: {
        nginz: `https://${https}`,
        accountPages: urls.account,
        teamMemberWelcome: urls.webapp,
        teamCreatorWelcome: features.teamSettings ? `${urls.teams}/login` : urls.webapp,
        ...(features.teamSettings && { teamSettings: urls.teams }),
      },
      optSettings: {
        setFederationDomain: federationDomain,
        // The chart leaves out a `false`, and the service takes that for one.
        ...(!features.registration && { setRestrictUserCreation: true }),
        ...(callingNode && { setSftStaticUrl: `https://${sftd}:443` }),
        ...(federation && {
          setFederationStrategy: "allowDynamic",
          setFederationDomainConfigs: federation.domains.map((other) => ({
            domain: other.domain,
            search_policy: other.search,
          })),
        }),
      },
      emailSMS: {
        general: { emailSender: sender(context) },
        user: {
          passwordResetUrl: account(`reset/?key=${key}&code=${code}`),
          activationUrl: account(`verify/?key=${key}&code=${code}`),
          smsActivationUrl: account(`v/${code}`),
          deletionUrl: account(`d/?key=${key}&code=${code}`),
          invitationUrl: account(`i/${code}`),
        },
      },
      smtp: mailServer(context),
    },
    // Without calling the lists are empty, and say so: the chart's own would name localhost.
    turnStatic: {
      v1: [],
      v2: callingNode ? turnUris(publicAddress) : [],
    },
    secrets: {
      pgPassword: services.postgresql.password,
      smtpPassword: secrets.smtp.password,
      zAuth: secrets.zauth,
      turn: secrets.turn,
      rabbitmq: { username: services.rabbitmq.username, password: services.rabbitmq.password },
      ...secrets.fakeAws,
    },
  };
}

/** Where clients find the relay, by UDP and, where that is blocked, by TCP. */
export const turnUris = (publicAddress: string): string[] => [
  `turn:${publicAddress}:3478`,
  `turn:${publicAddress}:3478?transport=tcp`,
];

/** The bundled mail server, or the operator's with TLS as its port has it. */
function mailServer({ mail: { relay } }: WireContext): Values {
  if (!relay) return { host: "smtp", port: 25, connType: "plain" };
  const { host, port, username } = relay;
  const connType = port === 465 ? "ssl" : port === 25 ? "plain" : "tls";
  return { host, port, connType, ...(username && { username }) };
}
