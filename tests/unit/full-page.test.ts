import { expect, it } from "vitest";
import { renderPage } from "../full-page";

const result = { name: "faults", passed: 0, wrong: [], seconds: 600, seen: "18 writers, 0 lost" } as const;

it("says of a full proof what was seen", () => {
  const page = renderPage("2026-01-01, commit abc, on 2 cores", [
    result,
    { ...result, name: "services", passed: 70, seen: "" },
  ]);
  expect(page).toContain("2026-01-01, commit abc, on 2 cores. 2 of 2 parts passed.");
  expect(page).toContain("| faults | passed |  | 10 | 18 writers, 0 lost |");
  expect(page).toContain("| services | passed | 70 of 70 | 10 |  |");
});

it("names what failed, and its last words", () => {
  const page = renderPage("2026-01-01", [
    result,
    { ...result, name: "drills", wrong: ["ended with 1:\n  Redis stopped\n  FAIL  too much"], seen: "" },
    { ...result, name: "services", passed: 68, wrong: ["a.test.ts: A", "b.test.ts: B"], seen: "" },
  ]);
  expect(page).toContain("1 of 3 parts passed; 2 failed: drills, services.");
  expect(page).toContain("| drills | **FAILED** |  | 10 |   FAIL  too much |");
  expect(page).toContain("| services | **FAILED** | 68 of 70 | 10 | a.test.ts: A; b.test.ts: B |");
});

it("says of what was not run that it was not", () => {
  const page = renderPage("2026-01-01", [result, { name: "drills" }]);
  expect(page).toContain("1 of 2 parts passed; 1 were not run.");
  expect(page).toContain("| drills | not run |  |  |  |");
});
