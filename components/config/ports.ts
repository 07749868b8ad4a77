/** NodePorts of the ingress controller (the deployment guide). */
export const ingressNodePorts = { http: 31772, https: 31773 } as const;
/** TURN's control port and the range of media relays (the deployment guide). */
export const callingPorts = { turn: 3478, media: { first: 32768, last: 65535 } } as const;
