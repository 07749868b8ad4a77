/** The public host names of a domain. */
export const hostNames = (domain: string) => ({
  https: `nginz-https.${domain}`,
  ssl: `nginz-ssl.${domain}`,
  webapp: `webapp.${domain}`,
  assets: `assets.${domain}`,
  account: `account.${domain}`,
  teams: `teams.${domain}`,
  sftd: `sftd.${domain}`,
  federator: `federator.${domain}`,
});

/** Those of them that a deployment has. */
export function publicNames(
  domain: string,
  has: { readonly teamSettings: boolean; readonly calling: boolean; readonly federation: boolean },
): string[] {
  const { teams, sftd, federator, ...always } = hostNames(domain);
  return [
    ...Object.values(always),
    ...(has.teamSettings ? [teams] : []),
    ...(has.calling ? [sftd] : []),
    ...(has.federation ? [federator] : []),
  ];
}
