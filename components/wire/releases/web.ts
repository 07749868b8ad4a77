import { hostNames } from "../../config/names";

/** Where a page served from a domain may load things from: all of that domain. */
export function contentSecurityPolicy(domain: string): Record<string, string> {
  const sources = "IMG SCRIPT DEFAULT FONT FRAME MANIFEST OBJECT MEDIA PREFETCH STYLE WORKER".split(" ");
  return {
    CSP_EXTRA_CONNECT_SRC: `https://*.${domain}, wss://*.${domain}`,
    ...Object.fromEntries(sources.map((source) => [`CSP_EXTRA_${source}_SRC`, `https://*.${domain}`])),
  };
}

/** The URLs of the pages that refer to one another; there is no other website of the operator's to name. */
export function pageUrls(domain: string) {
  const { account, teams, webapp } = hostNames(domain);
  return { account: `https://${account}`, teams: `https://${teams}`, webapp: `https://${webapp}` };
}
