import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ClusterApi } from "../../components/wire/cluster/api";
import { explainRelease } from "../../components/wire/cluster/evidence";
import { releaseHooks } from "../../components/wire/cluster/hooks";
import { unlockRelease } from "../../components/wire/cluster/unlock";
import { type ApiServer, Reply, startApiServer } from "../fixtures/api-server";
import { acceptHooks } from "../program/hooks";

// What the program asks a cluster itself, of a server that speaks like an API server.

let server: ApiServer;
let api: ClusterApi;

beforeAll(async () => {
  server = await startApiServer();
  api = new ClusterApi(server.kubeconfig);
});
afterAll(() => server.close());
beforeEach(() => {
  server.answers = {};
  server.asked.length = 0;
});

const pods = "/api/v1/namespaces/default/pods";
const secrets = "/api/v1/namespaces/default/secrets";

const running = (ready: boolean) => ({ name: "main", ready, restartCount: 0, state: { running: {} } });
const pod = (name: string, status: object, labels: Record<string, string> = {}) => ({
  metadata: { name, labels },
  status,
});
const healthy = pod("other-1", { phase: "Running", containerStatuses: [running(true)] });
const list = (...items: object[]) => ({ items });
const eventsOf = (name: string) =>
  `GET /api/v1/namespaces/default/events?fieldSelector=involvedObject.name=${name}`;

describe("the API of a cluster", () => {
  it("is asked with the kubeconfig's certificate, by a client that knows the server", async () => {
    server.answers = { "GET /readyz": new Reply(200, "ok") };
    expect(await api.get("/readyz")).toBe("ok");
    await expect(new ClusterApi(server.strangersKubeconfig).get("/readyz")).rejects.toThrow(
      /answered 401 to GET \/readyz$/,
    );
    const unknown = server.kubeconfig.replace(/certificate-authority-data: .*/, "other: none");
    await expect(new ClusterApi(unknown).get("/readyz")).rejects.toThrow(/self-signed certificate/);
  });

  it("says who has answered what, where that is no success", async () => {
    await expect(api.get("/api/v1/pods?limit=1")).rejects.toThrow(
      /^https:\/\/127\.0\.0\.1:\d+ answered 404 to GET \/api\/v1\/pods$/,
    );
  });

  it("cannot be asked with a kubeconfig that does not hold together", () => {
    expect(
      () => new ClusterApi(server.kubeconfig.replace(/current-context: .*/, "current-context: x")),
    ).toThrow("the kubeconfig has no context named x");
  });
});

describe("what is said of a release that is not up", () => {
  it("is the image that nobody has, with the events, and no log of what never ran", async () => {
    server.answers = {
      [`GET ${pods}`]: list(
        healthy,
        pod("webapp-1", {
          phase: "Pending",
          containerStatuses: [
            {
              ...running(false),
              state: { waiting: { reason: "ImagePullBackOff", message: "no such image: nowhere:1" } },
            },
          ],
        }),
      ),
      [eventsOf("webapp-1")]: list(
        { type: "Normal", reason: "Scheduled", message: "assigned" },
        { type: "Warning", reason: "Failed", message: "pulling nowhere:1", count: 7 },
      ),
    };
    expect(await explainRelease(api, "default", "webapp")).toBe(
      [
        "pod webapp-1: Pending",
        "  container main: ImagePullBackOff: no such image: nowhere:1",
        "  event Failed (7 times): pulling nowhere:1",
      ].join("\n"),
    );
    expect(server.asked.filter((question) => question.includes("/log"))).toEqual([]);
  });

  it("is the last log lines: of a container that runs, of the former life of one that crashes", async () => {
    const logOf = (name: string, previous: boolean) =>
      `GET ${pods}/${name}/log?container=main&tailLines=15&previous=${previous}`;
    server.answers = {
      [`GET ${pods}`]: list(
        pod("brig-1", { phase: "Running", containerStatuses: [running(false)] }),
        pod("galley-1", {
          phase: "Running",
          containerStatuses: [
            { ...running(false), restartCount: 3, state: { waiting: { reason: "CrashLoopBackOff" } } },
          ],
        }),
      ),
      [eventsOf("brig-1")]: list(),
      [eventsOf("galley-1")]: list(),
      [logOf("brig-1", false)]: new Reply(200, "postgresql: password refused\n"),
      [logOf("galley-1", true)]: new Reply(200, "first\nlast\n"),
    };
    expect(await explainRelease(api, "default", "wire-server")).toBe(
      [
        "pod brig-1: Running",
        "  container main: running, not ready",
        "  last lines of main:",
        "    postgresql: password refused",
        "pod galley-1: Running",
        "  container main: CrashLoopBackOff, restarted 3 times",
        "  last lines of main:",
        "    first",
        "    last",
      ].join("\n"),
    );
  });

  it("is why a pod has no place, and what it says itself though its log cannot be had", async () => {
    server.answers = {
      [`GET ${pods}`]: list(
        pod("sftd-0", {
          phase: "Pending",
          conditions: [{ type: "PodScheduled", status: "False", message: "0/3 nodes are available" }],
        }),
        pod("coturn-0", { phase: "Running", containerStatuses: [running(false)] }),
      ),
      [eventsOf("sftd-0")]: list(),
      [eventsOf("coturn-0")]: list(),
    };
    const text = await explainRelease(api, "default", "sftd");
    expect(text).toContain("pod sftd-0: Pending, not placed: 0/3 nodes are available");
    expect(text).toMatch(/last lines of main:\n {4}\(no log: .* answered 404/);
  });

  it("is of its own pods where they can be told, and of three at most", async () => {
    const broken = (name: string, labels?: Record<string, string>) =>
      pod(name, { phase: "Failed", containerStatuses: [] }, labels);
    const own = [1, 2, 3, 4, 5].map((number) => broken(`own-${number}`, { release: "webapp" }));
    server.answers = {
      [`GET ${pods}`]: list(broken("foreign-1"), ...own),
      ...Object.fromEntries(own.map(({ metadata }) => [eventsOf(metadata.name), list()])),
    };
    expect(await explainRelease(api, "default", "webapp")).toBe(
      ["pod own-1: Failed", "pod own-2: Failed", "pod own-3: Failed", "and 2 more pods"].join("\n"),
    );
  });

  it("is that everybody is well now, where it is so", async () => {
    server.answers = { [`GET ${pods}`]: list(healthy, pod("job-1", { phase: "Succeeded" })) };
    expect(await explainRelease(api, "default", "webapp")).toBe(
      "no pod in the namespace default is unwell now",
    );
  });
});

const selector = "owner=helm,name=webapp,status in (pending-install,pending-upgrade,pending-rollback)";
const record = "sh.helm.release.v1.webapp.v4";
const locked = () => ({
  [`GET ${secrets}?labelSelector=${selector}`]: list({ metadata: { name: record } }),
  [`DELETE ${secrets}/${record}`]: {},
});

describe("a release that a killed Helm has left", () => {
  it("loses the record of the revision that has not ended, and no other", async () => {
    server.answers = locked();
    expect(await unlockRelease(api, "default", "webapp")).toEqual([record]);
    expect(server.asked.filter((question) => question.startsWith("DELETE"))).toEqual([
      `DELETE ${secrets}/${record}`,
    ]);
  });

  it("is left alone where nothing is in the way", async () => {
    server.answers = { [`GET ${secrets}?labelSelector=${selector}`]: list() };
    expect(await unlockRelease(api, "default", "webapp")).toEqual([]);
    expect(server.asked).toHaveLength(1);
  });
});

describe("the hooks of a release", () => {
  const newInputs = { name: "webapp", namespace: "default", values: {} };
  let hooks: pulumi.ResourceHookBinding;
  let warnings: string[];
  let errors: string[];

  beforeEach(async () => {
    acceptHooks();
    await pulumi.runtime.setMocks({
      call: () => ({}),
      newResource: () => ({ id: "none", state: {} }),
    });
    hooks = releaseHooks("wire", pulumi.secret(server.kubeconfig));
    warnings = [];
    errors = [];
    vi.spyOn(pulumi.log, "warn").mockImplementation(async (text) => void warnings.push(text));
    vi.spyOn(pulumi.log, "error").mockImplementation(async (text) => void errors.push(text));
  });

  const call = (hook: unknown, args: object) =>
    (hook as { callback: (args: object) => Promise<unknown> }).callback(args);

  it("take the lock away before Helm begins, and say so", async () => {
    server.answers = locked();
    for (const before of [hooks.beforeCreate, hooks.beforeUpdate]) {
      warnings.length = 0;
      await call(before?.[0], { newInputs });
      expect(warnings).toEqual([
        `webapp: an earlier run was killed while Helm was at work; removed ${record}`,
      ]);
    }
  });

  it("tell what the pods say when Helm has failed, and have nothing tried again", async () => {
    server.answers = {
      [`GET ${pods}`]: list(pod("webapp-1", { phase: "Running", containerStatuses: [running(false)] })),
      [eventsOf("webapp-1")]: list(),
    };
    for (const failedOperation of ["create", "update"]) {
      errors.length = 0;
      expect(await call(hooks.onError?.[0], { newInputs, failedOperation })).toBe(false);
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatch(/^Helm release webapp is not up:\npod webapp-1: Running\n/);
    }
  });

  it("let the engine's own error stand where the cluster does not answer", async () => {
    server.answers = { [`GET ${pods}`]: new Reply(500, "etcd is gone") };
    expect(await call(hooks.onError?.[0], { newInputs, failedOperation: "update" })).toBe(false);
    expect(errors[0]).toMatch(/what the pods say cannot be had: .* answered 500 to GET/);
  });

  it("have nothing to say of a release that is being taken away", async () => {
    expect(await call(hooks.onError?.[0], { newInputs, failedOperation: "delete" })).toBe(false);
    expect(errors).toEqual([]);
    expect(server.asked).toEqual([]);
  });
});
