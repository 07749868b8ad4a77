import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import type { SerializedError } from "vitest";
import type { Reporter, TestModule, TestSuite, Vitest } from "vitest/node";
import { projectDirectory } from "../toolchain/environment";

/** What a run of tests left behind. */
export interface Report {
  readonly passed: number;
  /** A line for each test that failed, and for all else that did: a file, what comes after its tests, an error of nobody's. */
  readonly wrong: readonly string[];
}

/** Vitest's reporter of a {@link Report}, to the file that `--outputFile.report` names. */
export default class ReportWriter implements Reporter {
  private file = "";

  onInit({ config }: Vitest): void {
    const files = config.outputFile;
    this.file = (typeof files === "object" && files.report) || "";
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const failed = tests.filter((test) => test.result().state === "failed");
    const around = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const report: Report = {
      passed: tests.filter((test) => test.result().state === "passed").length,
      wrong: [
        ...failed.map((test) => line(pathOf(test.module), test.fullName, test.result().errors ?? [])),
        ...around.flatMap((part) => (part.errors().length > 0 ? [outside(part)] : [])),
        ...unhandled.map((error) => line("outside of all tests", "", [error])),
      ],
    };
    writeFileSync(this.file, JSON.stringify(report));
  }
}

const pathOf = (module: TestModule): string => relative(projectDirectory, module.moduleId);

const outside = (part: TestModule | TestSuite): string =>
  part.type === "module"
    ? line(pathOf(part), "before or after its tests", part.errors())
    : line(pathOf(part.module), `${part.fullName}, before or after its tests`, part.errors());

/** What it was, and the first line of what was wrong with it. */
const line = (file: string, name: string, errors: readonly { message: string }[]): string =>
  [file, ...(name ? [name] : []), (errors[0]?.message ?? "failed").split("\n")[0]].join(": ");
