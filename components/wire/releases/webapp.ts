import { hostNames } from "../../config/names";
import { replicas, type WireContext } from "../context";
import type { Values } from "../values";
import { contentSecurityPolicy, pageUrls } from "./web";

/** The web client. */
export function webapp(context: WireContext): Values {
  const { domain, features } = context;
  const { https, ssl, webapp } = hostNames(domain);
  const urls = pageUrls(domain);
  return {
    replicaCount: replicas(context),
    config: { externalUrls: { backendRest: https, backendWebsocket: ssl, appHost: webapp } },
    envVars: {
      ...contentSecurityPolicy(domain),
      FEATURE_ENABLE_ACCOUNT_REGISTRATION: `${features.registration}`,
      FEATURE_ENABLE_SSO: `${features.sso}`,
      FEATURE_ENABLE_MLS: `${features.mls}`,
      URL_ACCOUNT_BASE: urls.account,
      URL_WEBSITE_BASE: urls.webapp,
      ...(features.teamSettings && { URL_TEAMS_BASE: urls.teams, URL_TEAMS_CREATE: urls.teams }),
    },
  };
}
