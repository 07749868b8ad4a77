import { describe, expect, it } from "vitest";
import { planMesh } from "../../components/config/mesh";
import { mesh as schema } from "../../components/config/mesh-schema";
import { reportIn, verdict, writerPod, writesAgain } from "../acceptance/drills/failover";
import { expectEqual } from "../acceptance/drills/ground";
import { callerPod, joinMesh, otherPlan, publishing } from "../acceptance/drills/mesh";
import { faults } from "../acceptance/faults/faults";
import { isAcknowledged, type WriterReport } from "../acceptance/faults/writer";
import { dataServices } from "../acceptance/verify/data-services";
import { failing, type Summary } from "../acceptance/verify/page";
import type { Values } from "../stacks";
import { problemsOf } from "./refused";

const check = (name: string, ok: boolean) => ({ name, ok, at: "2026-06-01T00:00:00Z" });

describe("what the page says", () => {
  it("is each dependency that fails, once for all pods, and a service of which no pod answers", () => {
    const summary: Summary = {
      services: [
        {
          service: "brig",
          ready: false,
          pods: [
            { pod: "brig-1", checks: [check("cassandra", true), check("rabbitmq", false)] },
            { pod: "brig-2", checks: [check("cassandra", true), check("rabbitmq", false)] },
          ],
        },
        { service: "galley", ready: true, pods: [{ pod: "galley-1", checks: [check("mls", true)] }] },
        // What Go makes of a list with nothing in it.
        { service: "spar", ready: false, error: "no pod answers", pods: null },
      ],
    };
    expect(failing(summary)).toEqual(["brig: rabbitmq", "spar: no pod answers"]);
  });
});

describe("a writer", () => {
  it.each([
    [[], false],
    [["a: record 1 acknowledged"], true],
    [["a: record 1 acknowledged", "b: record 40: no space left on device"], false],
    [["b: record 40: no space left on device", "c: record 40 acknowledged", "d: something else"], true],
  ])("is let write where the last of its records was acknowledged: %j", (said, expected) => {
    expect(isAcknowledged(said)).toBe(expected);
  });
});

describe("the faults", () => {
  it("have those of machines that nobody looks after, for every service", () => {
    for (const name of ["disk full, and freed", "have forgotten it", "paused, and resumed"])
      expect(faults.find((fault) => fault.name.includes(name))?.subjects, name).toEqual(dataServices);
  });
});

describe("the faults of the host", () => {
  it("are watched by the clients of every service, and of Kubernetes where its nodes are struck", () => {
    const subjectsOf = (word: string) => faults.find(({ name }) => name.includes(word))?.subjects;
    for (const word of ["table deleted", "network restarted"])
      expect(subjectsOf(word), word).toEqual(dataServices);
    for (const word of ["host's disk full", "host's power cut"])
      expect(subjectsOf(word), word).toEqual([...dataServices, "kubernetes"]);
  });
});

describe("a drill", () => {
  it("is content with what it expects in any order, and says what is too much and what is missing", () => {
    expect(() => expectEqual(["b", "a"], ["a", "b"])).not.toThrow();
    expect(() => expectEqual([], [])).not.toThrow();
    expect(() => expectEqual(["a", "c"], ["a", "b"])).toThrow(/^too much: c; missing: b$/);
    expect(() => expectEqual([], ["b"])).toThrow(/^missing: b$/);
  });
});

describe("the drill of the mesh", () => {
  const sources = [{ manifest: "/bundle/manifest.json", location: "/bundle" }];
  const programs = { manifest: "/mesh/manifest.json", location: "/mesh" };
  const identity = { authorityFile: "authority.pem", authorityKeyFile: "authority.key" };

  it("has both sites know each other as they are, in a configuration that is accepted", () => {
    const settings = { artifact: { sources } };
    joinMesh(settings, identity, programs);
    expect(settings.artifact.sources).toEqual([...sources, programs]);
    const { mesh } = settings as unknown as { mesh: Values };
    const refusals = problemsOf(
      (config) => {
        delete config.artifact;
        config.mesh = mesh;
      },
      // The authority is the drill's to make.
      { readText: () => "" },
    );
    expect(refusals.filter((line) => !line.startsWith("mesh.identity"))).toEqual([]);
    const around = { publicAddress: "198.51.100.7", machines: [], ingress: ["192.168.122.21"] };
    const here = planMesh(schema.parse(mesh), around);
    const there = otherPlan("198.51.100.7");
    expect(here.peers).toEqual([there.site]);
    expect(there.peers).toEqual([here.site]);
  });

  it("has a service ask for its own name, with the pods of another", () => {
    const webapp = { spec: { selector: { app: "webapp" }, ports: [{ port: 80, targetPort: 8080 }] } };
    expect(publishing(webapp)).toMatchObject({
      metadata: { name: "drill-page", labels: { "mesh.wiab-staging/name": "" } },
      spec: { type: "NodePort", selector: { app: "webapp" }, ports: [{ port: 8000, targetPort: 8080 }] },
    });
  });

  it("has a pod call by names alone, with a program of the node that it cannot write to", () => {
    const { spec } = callerPod("brig:1") as {
      spec: {
        containers: { command: string[]; volumeMounts: { name: string; readOnly: boolean }[] }[];
        volumes: { name: string }[];
      };
    };
    const [container] = spec.containers;
    expect(container?.volumeMounts.map(({ name }) => name)).toEqual(spec.volumes.map(({ name }) => name));
    expect(container?.volumeMounts.every(({ readOnly }) => readOnly)).toBe(true);
    expect(container?.command.at(-1)).toContain("web.other.pmd.internal");
    expect(container?.command.at(-1)).not.toMatch(/\d+\.\d+\.\d+\.\d+/);
  });
});

describe("a failover under a pod that writes", () => {
  const report: WriterReport = {
    ...{ service: "postgresql" as const, acknowledged: 900, missingCount: 0, error: "", errors: [] },
    longestPause: { at: "2026-06-01T00:00:00Z", milliseconds: 41_250 },
  };

  it("has the pod use the name that Wire's services use, and its password stand in a secret alone", () => {
    const connection = {
      addresses: ["192.168.122.31"],
      port: 5432,
      username: "wire-server",
      password: "hidden",
    };
    const objects = writerPod("conformance:4", { ...connection, database: "wire-server", authority: "PEM" });
    const { items } = objects as { items: { kind: string; stringData?: Record<string, string> }[] };
    const settings = JSON.parse(items[0]?.stringData?.["settings.json"] ?? "");
    expect(settings).toMatchObject({
      addresses: ["postgresql-external-rw"],
      password: "hidden",
      unverified: true,
    });
    expect(JSON.stringify(items[1])).not.toContain("hidden");
    expect(items.map(({ kind }) => kind)).toEqual(["Secret", "Pod"]);
  });

  it.each([
    ["", false],
    ["10:00:00.000 postgresql: record 1 acknowledged\n", false],
    ["a: record 1 acknowledged\nb: record 40: connection refused\n", false],
    ["a: record 1 acknowledged\nb: record 40: connection refused\nc: record 40 acknowledged\n", true],
    ["a: record 1 acknowledged\nb: record 4: x\nc: record 4 acknowledged\nd: record 9: reset\n", false],
  ])("knows from its log whether it writes again: %j", (log, expected) => {
    expect(writesAgain(log)).toBe(expected);
  });

  it("finds the report after what the writer has said, and says so if there is none", () => {
    const log = `a: record 1 acknowledged\n${JSON.stringify(report, undefined, 2)}\nconformance write: something\n`;
    expect(reportIn(log)).toEqual(report);
    expect(() => reportIn("a: record 1 acknowledged\n{\n")).toThrow(/made no report:\na: record 1/);
  });

  it("says how long the pause was, and fails for what is gone or could not be read", () => {
    expect(verdict(report, "datanode1", "datanode2")).toBe(
      "datanode2 took over from datanode1; a pod wrote on through postgresql-external-rw after 41.3 s; 900 acknowledged, none lost",
    );
    expect(() => verdict({ ...report, missingCount: 2 }, "a", "b")).toThrow(
      "2 of 900 acknowledged records are gone",
    );
    expect(() => verdict({ ...report, error: "timeout" }, "a", "b")).toThrow(
      "not everything could be read back: timeout",
    );
  });
});
