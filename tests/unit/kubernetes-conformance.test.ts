import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readSpecification } from "../../bundle/read";
import { testSupplies } from "../acceptance/kubernetes-conformance/images";
import { testModule } from "../acceptance/kubernetes-conformance/programs";
import { showProgress } from "../acceptance/kubernetes-conformance/progress";
import {
  endedIn,
  mergeReports,
  renderResults,
  type SpecReport,
  sumUp,
} from "../acceptance/kubernetes-conformance/results";
import { ginkgoChoice, leftOut, rulesFor } from "../acceptance/kubernetes-conformance/selection";

const names = {
  serial: "[sig-apps] Daemon set [Serial] should run and stop simple daemon [Conformance]",
  slow: "[sig-apps] CronJob should not schedule jobs when suspended [Slow] [Conformance]",
  nodes: "[sig-architecture] Conformance Tests should have at least two untainted nodes [Conformance]",
  pods: "[sig-node] Pods should be updated [NodeConformance] [Conformance]",
  tagged: "[sig-node] Pods should get (one) host IP [Conformance] [MinimumKubeletVersion:1.34]",
  other: "[sig-node] Pods should cap back-off [NodeConformance]",
};

/** Whether Ginkgo would run a test; it takes the tests that one focus and no skip fits. */
const chosen = (args: readonly string[], name: string): boolean => {
  const fits = (option: string) =>
    args.some((arg) => arg.startsWith(`--${option}=`) && new RegExp(arg.slice(option.length + 3)).test(name));
  return fits("focus") && !fits("skip");
};

describe("the choice of conformance tests", () => {
  it("is the same for Ginkgo as for the counts", () => {
    for (const nodes of [1, 3]) {
      const rules = rulesFor(nodes, false);
      const args = ginkgoChoice(rules, [], []);
      for (const name of Object.values(names))
        expect(chosen(args, name), name).toBe(
          name.includes("[Conformance]") && leftOut(name, rules) === undefined,
        );
    }
  });

  it("leaves out by the first rule that fits, and the count of nodes only where there are not two", () => {
    expect(leftOut(names.serial, rulesFor(3, false))).toMatch(/Serial/);
    expect(leftOut(names.pods, rulesFor(1, false))).toBeUndefined();
    expect(leftOut(names.nodes, rulesFor(3, false))).toBeUndefined();
    expect(leftOut(names.nodes, rulesFor(1, false))).toBe("wants two nodes");
  });

  it("is narrowed by words, each of which stands for itself", () => {
    const args = ginkgoChoice(rulesFor(3, false), ["get (one) host", "CronJob"], []);
    expect(Object.values(names).filter((name) => chosen(args, name))).toEqual([names.tagged]);
  });
});

describe("the choice of a run that goes on", () => {
  it("leaves out what has ended, and with --all takes the serial and the slow ones", () => {
    const args = ginkgoChoice(rulesFor(3, true), [], [names.tagged]);
    expect(Object.values(names).filter((name) => chosen(args, name))).toEqual([
      names.serial,
      names.slow,
      names.nodes,
      names.pods,
    ]);
  });
});

describe("the results", () => {
  const spec = (name: string, State: string, Message?: string): SpecReport => ({
    ContainerHierarchyTexts: [name.slice(0, name.indexOf("]") + 1)],
    LeafNodeType: "It",
    LeafNodeText: name.slice(name.indexOf("]") + 2),
    State,
    ...(Message ? { Failure: { Message } } : {}),
  });
  const rules = rulesFor(1, false);
  const report = [
    { ContainerHierarchyTexts: null, LeafNodeType: "ReportAfterSuite", LeafNodeText: "", State: "failed" },
    spec(names.other, "skipped"),
    spec(names.serial, "skipped"),
    spec(names.slow, "skipped"),
    spec(names.nodes, "skipped"),
    spec(names.pods, "passed"),
    spec(names.pods, "failed", "\nno pod\nand more"),
    spec(names.pods, "panicked"),
    spec(names.tagged, "skipped"),
    spec(names.tagged, "timedout", "the time is over"),
    spec(names.tagged, "skipped", "Requires IPv6"),
  ];
  const results = sumUp(report, rules);

  it("count every conformance test once", () => {
    expect(results.all).toBe(9);
    expect([...results.leftOut.values()]).toEqual([1, 1, 0, 1]);
    expect(results.passed).toBe(1);
    expect(results.failed.map(({ message }) => message)).toEqual(["no pod", ""]);
    expect(results.unfinished).toBe(2);
    expect(results.declined).toEqual([{ name: names.tagged, message: "Requires IPv6" }]);
  });

  it("of several runs have of each test the last one in which it ended", () => {
    const runs = [
      [spec(names.pods, "passed"), spec(names.nodes, "timedout"), spec(names.tagged, "failed", "no pod")],
      [spec(names.pods, "skipped"), spec(names.nodes, "passed"), spec(names.tagged, "interrupted")],
    ];
    expect(runs.map(endedIn)).toEqual([[names.pods, names.tagged], [names.nodes]]);
    expect(mergeReports(runs).map(({ State }) => State)).toEqual(["passed", "passed", "failed"]);
  });

  it("tell the counts and the names of what failed", () => {
    const text = renderResults(results, [20, 10]);
    const count = (what: string) => Number(new RegExp(`\\| ${what}[^|]* \\| (\\d+) \\|`).exec(text)?.[1]);
    expect(count("in all")).toBe(9);
    expect(count("\\*\\*passed\\*\\*")).toBe(1);
    expect(count("\\*\\*failed\\*\\*")).toBe(2);
    expect(count("not ended within 20 \\+ 10 min")).toBe(2);
    expect(text).toContain(`- ${names.pods}: no pod\n`);
    expect(text).toContain(`- ${names.tagged}: Requires IPv6`);
  });
});

describe("what the tests run with", () => {
  const lab = readSpecification("lab/bundle.yaml").specification;

  it("is of the Kubernetes that the lab has", () => {
    const versionIn = (folder: string) =>
      /^\tk8s\.io\/kubernetes (\S+)/m.exec(readFileSync(join(folder, "go.mod"), "utf8"))?.[1];
    expect(versionIn(testModule)).toBe(versionIn("lab/bundle/go/kubernetes"));
    expect(lab.binaries.find(({ name }) => name === "kubectl")?.version).toBe(versionIn(testModule));
  });

  it("has ginkgo in the version of the tests' own module", () => {
    const pinned = /^\tgithub\.com\/onsi\/ginkgo\/v2 (\S+)/m.exec(
      readFileSync(join(testModule, "go.mod"), "utf8"),
    )?.[1];
    const { binaries } = testSupplies(lab, "/sources");
    expect(binaries.find(({ name }) => name === "ginkgo")?.version).toBe(pinned);
  });

  it("puts one root file system beneath all images", () => {
    const { images } = testSupplies(lab, "/sources");
    const roots = images.flatMap(({ debian }) => (debian ? [debian.packages.join()] : []));
    expect(roots.length).toBeGreaterThan(5);
    expect(new Set(roots).size).toBe(1);
  });
});

describe("the progress", () => {
  const shown = (output: string): string[] => {
    const lines: string[] = [];
    const take = showProgress((line) => lines.push(line));
    for (const line of output.split("\n")) take(line);
    return lines;
  };
  const labels = "[sig-node, NodeConformance, Conformance]";

  it("has a line for each test that has ended, where several run side by side", () => {
    const output = [
      "Will run 7 of 7579 specs",
      "SSSSSSSSSS",
      "------------------------------",
      "• [9.123 seconds]",
      `${names.pods} ${labels}`,
      "k8s.io/kubernetes@v1.36.3/test/e2e/common/node/pods.go:1",
      "  STEP: • [1.000 seconds]",
      "S [SKIPPED] [0.024 seconds]",
      `${names.other} ${labels}`,
      "• [FAILED] [250.324 seconds]",
      `${names.tagged.replace("should", "[It] should")} ${labels}`,
    ];
    expect(shown(output.join("\n"))).toEqual([
      `  ok  1 of 7, 0.0 min  ${names.pods}`,
      `  FAILED  2 of 7, 0.0 min  ${names.tagged}`,
    ]);
  });

  it("takes the name that came before where one runs at a time", () => {
    const line = "------------------------------";
    expect(
      shown([line, `${names.pods} ${labels}`, "pods.go:1", "• [9.123 seconds]", line].join("\n")),
    ).toEqual([`  ok  1 of ?, 0.0 min  ${names.pods}`]);
  });
});
