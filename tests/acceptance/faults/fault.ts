import type { LabOutputs } from "../../../lab/context";
import type { DataServiceName } from "../verify/data-services";
import type { RemoteMachine } from "../verify/machine";

/** What clients are watched of: a data service, or the API of Kubernetes. */
export type Subject = DataServiceName | "kubernetes";

/** What a fault may lay hands on. */
export interface Patient {
  readonly outputs: LabOutputs;
  /** Names of the data nodes, and of the Kubernetes nodes. */
  readonly datanodes: readonly string[];
  readonly kubenodes: readonly string[];
  readonly reach: (name: string) => RemoteMachine;
}

/** Something that goes wrong. */
export interface Fault {
  readonly name: string;
  /** Whose clients are watched. */
  readonly subjects: readonly Subject[];
  /** The Kubernetes node that stays out of it: clients run there. @default the first one */
  readonly client?: (patient: Patient) => string;
  /** Does it and ends it, and gives what is to be said of it. */
  readonly strike: (patient: Patient) => Promise<string | undefined>;
}
