import { publicNames } from "../config/names";
import type { WireContext } from "./context";

/** The public host names as URLs, under their first label: `webapp`, `teams`, `nginz-https`, … */
export const urlsOf = ({ domain, features, callingNode, federation }: WireContext): Record<string, string> =>
  Object.fromEntries(
    publicNames(domain, {
      teamSettings: features.teamSettings,
      calling: callingNode !== undefined,
      federation: federation !== undefined,
    }).map((name) => [name.slice(0, -domain.length - 1), `https://${name}`]),
  );

/** How upstream's documents do it: brig's internal interface, which no public name leads to. */
const brig = "kubectl --namespace default port-forward service/brig 9999:8080";

/** What an operator does first, to be typed on a control plane node as root. */
export const adminCommands = (domain: string): Record<string, string> => ({
  reachBrig: `${brig} &`,
  createTeamAndOwner: post({
    name: "Owner",
    email: `owner@${domain}`,
    password: "CHOOSE-A-PASSWORD",
    team: { name: "Team", icon: "default" },
  }),
  createUser: post({ name: "User", email: `user@${domain}`, password: "CHOOSE-A-PASSWORD" }),
  findUser: `curl --get http://localhost:9999/i/users --data-urlencode email=user@${domain}`,
});

const post = (body: object): string =>
  `curl --fail-with-body --header 'Content-Type: application/json' --data '${JSON.stringify(body)}' http://localhost:9999/i/users`;
