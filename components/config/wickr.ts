import type { Configuration, MachineConfiguration } from "./schema";
import type { WaivableRule, WickrConfiguration } from "./wickr-schema";

/** TCP ports of the guide's table (section 3.1.2), by who may reach them. */
export const wickrPorts = {
  all: [443],
  admin: [22, 8800],
  internal: { first: 9870, last: 9881 },
} as const;

/** What the guide asks of a machine; where it contradicts itself or its installer, docs/wickr.md says which was taken. */
export const wickrNeeds = {
  vcpus: 2,
  memoryGiB: 8,
  /** The installer's own check counts `/` to 200 G; the guide's table has 60 GB, which is too little for it. */
  rootGB: 200,
  /** The guide's table; its script says 100. */
  diskGB: 120,
} as const;

/** All that follows from the configuration of Wickr. */
export interface WickrPlan {
  readonly hostname: string;
  /** Address that clients reach. */
  readonly address: string;
  /** The host's address that is forwarded to the machine; undefined for one that is there already. */
  readonly forwarded:
    | {
        readonly address: string;
        /** TCP ports that administrators reach there; SSH stays with the host where the address is the host's own. */
        readonly adminPorts: readonly number[];
      }
    | undefined;
  readonly adminRanges: readonly string[];
  readonly internalRanges: readonly string[];
  readonly disk: WickrConfiguration["disk"];
  readonly waive: readonly WaivableRule[];
}

/** Whether a stack has machines of Wire's. */
export const hasWire = ({ machines }: Pick<Configuration, "machines">): boolean =>
  machines.some(({ role }) => role !== "wickr");

/** Works out what the machine of Wickr is to be. Pure. */
export function planWickr(
  wickr: WickrConfiguration,
  machine: Pick<MachineConfiguration, "address" | "existing">,
  { publicAddress: hostAddress }: Configuration["firewall"],
): WickrPlan {
  const publicAddress = wickr.publicAddress ?? hostAddress;
  return {
    hostname: wickr.hostname,
    address: machine.existing ? machine.address : publicAddress,
    forwarded: machine.existing
      ? undefined
      : {
          address: publicAddress,
          adminPorts: wickrPorts.admin.filter((port) => port !== 22 || publicAddress !== hostAddress),
        },
    adminRanges: wickr.adminRanges,
    internalRanges: wickr.internalRanges,
    disk: wickr.disk,
    waive: wickr.waive,
  };
}
