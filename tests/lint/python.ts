import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type Diagnostic, PositionEncoding, Workspace } from "@astral-sh/ruff-wasm-nodejs";

/**
 * Ruff on every Python file of the checkout, by its build for Node: no Python, no other registry. What runs on machines
 * has Ubuntu 22.04's Python there, which is 3.10.
 */
const ruff = new Workspace(
  {
    "target-version": "py310",
    lint: {
      select: ["B", "E", "F", "PIE", "PLE", "UP", "W"],
      // Lines are as long as they read well; the rest are matters of taste, or wrong about functions that are called
      // before the loop goes on.
      ignore: ["B007", "B023", "B905", "E501", "UP031"],
    },
  },
  PositionEncoding.Utf16,
);

const files = execFileSync("git", ["ls-files", "*.py"], { encoding: "utf8" }).trimEnd().split("\n");
const findings = files.flatMap((file) =>
  ruff
    .check(readFileSync(file, "utf8"))
    .map(
      ({ code, message, start_location: { row, column } }: Diagnostic) =>
        `${file}:${row}:${column} ${code ?? ""} ${message}`,
    ),
);
console.log(findings.join("\n") || `ruff finds nothing in ${files.length} files`);
process.exitCode = findings.length === 0 ? 0 : 1;
