/** NodePorts of the ingress controller (the deployment guide). */
export const ingressNodePorts = { http: 31772, https: 31773 } as const;
/**
 * TURN's control port, the range of a call's media (the deployment guide), and the first port that coturn relays through:
 * its own default, as the chart has no value for it (RFC 8656).
 */
export const callingPorts = { turn: 3478, media: { first: 32768, last: 65535 }, relays: 49152 } as const;
