import { hostNames } from "../../config/names";
import type { WireContext } from "../context";
import type { Values } from "../values";
import { contentSecurityPolicy, pageUrls } from "./web";

/** The pages that links in mails lead to. */
export function accountPages({ domain, features }: WireContext): Values {
  const { https, account } = hostNames(domain);
  const urls = pageUrls(domain);
  return {
    config: { externalUrls: { backendRest: https, appHost: account } },
    envVars: {
      ...contentSecurityPolicy(domain),
      COMPANY_NAME: domain,
      URL_WEBAPP_BASE: urls.webapp,
      URL_WEBSITE_BASE: urls.webapp,
      ...(features.teamSettings && { URL_TEAMS_BASE: urls.teams }),
    },
  };
}
