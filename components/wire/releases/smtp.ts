import { hostNames } from "../../config/names";
import type { WireContext } from "../context";
import type { Values } from "../values";

/** The bundled mail server: it takes mail from the pods alone and delivers it by itself. */
export const smtp = ({ podNetwork, domain }: WireContext): Values => ({
  // The image wants a colon before each network. Other servers ask who it is, and the answer has to have an address.
  smtp: { config: { RELAY_NETWORKS: `:${podNetwork}`, MAILNAME: hostNames(domain).https } },
});
