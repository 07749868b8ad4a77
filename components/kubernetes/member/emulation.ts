import { type KubernetesPlan, minorOf } from "../plan";

/** What a control plane is told where its machine is slow or quick; keys are those of the programs' options. */
export interface Pace {
  /** How long kubeadm waits for anything, as Go writes durations. */
  readonly patience: string;
  readonly apiServer: Readonly<Record<string, string>>;
  /** For the scheduler and the controller manager. */
  readonly leaders: Readonly<Record<string, string>>;
  /** What kubeadm changes of its own pods' manifests, by the name of the pod. */
  readonly patches: Readonly<Record<string, object>>;
}

/** kubeadm has them asked every second whether they are ready, and two of three by TLS. */
const probed = ["etcd", "kube-apiserver", "kube-scheduler"];

/**
 * The pace of a control plane. A machine that is emulated in software is nine times as slow as kubeadm expects one to
 * be, and programs that give up and begin anew make it no quicker (docs/lab.md).
 */
export const paceOf = ({ version }: KubernetesPlan, emulated: boolean): Pace =>
  emulated
    ? {
        patience: "40m0s",
        // An API server that starts describes all its types to this plugin, for minutes, while nothing here has such
        // policies. It is on by default since 1.36.
        apiServer: minorOf(version) >= 36 ? { "disable-admission-plugins": "MutatingAdmissionPolicy" } : {},
        // With the defaults, of 15, 10 and 2 s, both end themselves whenever the API server is busy.
        leaders: {
          "leader-elect-lease-duration": "120s",
          "leader-elect-renew-deadline": "90s",
          "leader-elect-retry-period": "15s",
        },
        patches: Object.fromEntries(
          probed.map((name) => [
            name,
            { spec: { containers: [{ name, readinessProbe: { periodSeconds: 30 } }] } },
          ]),
        ),
      }
    : { patience: "10m0s", apiServer: {}, leaders: {}, patches: {} };
