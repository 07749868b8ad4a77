import { hostNames } from "../../config/names";
import type { WireContext } from "../context";
import type { Values } from "../values";
import { contentSecurityPolicy, pageUrls } from "./web";

/** The management of teams. */
export function teamSettings({ domain, features, secrets }: WireContext): Values {
  const { https, ssl, teams, webapp } = hostNames(domain);
  const urls = pageUrls(domain);
  return {
    config: { externalUrls: { backendRest: https, backendWebsocket: ssl, appHost: teams } },
    envVars: {
      ...contentSecurityPolicy(domain),
      FEATURE_ENABLE_NEW_TEAM: `${features.registration}`,
      FEATURE_ENABLE_LEGAL_HOLD: `${features.legalhold}`,
      URL_ACCOUNT_BASE: urls.account,
      URL_WEBAPP_BASE: urls.webapp,
      URL_WEBSITE_BASE: urls.webapp,
      WEBSITE_LABEL: webapp,
    },
    secrets: { configJson: secrets.teamSettings.configJson },
  };
}
