import type { WireContext } from "../context";
import type { Values } from "../values";

/** The relay of calls, on the calling node's own network. */
export const coturn = ({ callingNode, publicAddress, secrets }: WireContext): Values => ({
  nodeSelector: { "kubernetes.io/hostname": callingNode?.name },
  coturnTurnListenIP: callingNode?.address,
  coturnTurnRelayIP: callingNode?.address,
  coturnTurnExternalIP: publicAddress,
  secrets: { zrestSecrets: [secrets.turn.secret] },
});
