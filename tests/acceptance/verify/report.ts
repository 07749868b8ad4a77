/** Prints one line a check as it is made, and counts. */
export class Report {
  private passed = 0;
  /** Names of the checks that have failed. */
  readonly failures: string[] = [];

  /** @param print - Takes each line. @default the screen */
  constructor(private readonly print: (line: string) => void = (line) => console.log(line)) {}

  /** Makes a check: `look` gives what was measured, or throws what is wrong. */
  async check(name: string, look: () => Promise<string> | string): Promise<void> {
    try {
      const measured = await look();
      this.print(`  ok    ${name}: ${measured}`);
      this.passed++;
    } catch (error) {
      this.print(`  FAIL  ${name}: ${(error as Error).message.split("\n").join("\n        ")}`);
      this.failures.push(name);
    }
  }

  /** Says what was not checked, and why. */
  note(text: string): void {
    this.print(`  note  ${text}`);
  }

  /**
   * Makes the checks of several sections side by side. A section's lines are printed under its title, all at once when
   * its last check is made.
   */
  async sections(sections: Readonly<Record<string, (section: Report) => Promise<void>>>): Promise<void> {
    await allToTheirEnd(
      Object.entries(sections).map(([title, make]) =>
        this.apart(async (section) => {
          section.print(title);
          await make(section);
        }),
      ),
    );
  }

  /** Makes the checks of several things side by side; the lines come in the order of the things, once all are made. */
  async each<T>(things: readonly T[], make: (part: Report, thing: T) => Promise<void>): Promise<void> {
    let before = Promise.resolve();
    await allToTheirEnd(
      things.map((thing) => {
        const turn = before;
        const made = this.apart((part) => make(part, thing), turn);
        before = made.catch(() => {});
        return made;
      }),
    );
  }

  /** Prints the count and gives the exit code. */
  conclude(): number {
    const failed = this.failures.length;
    this.print(`\n${this.passed} passed, ${failed} failed`);
    return failed === 0 && this.passed > 0 ? 0 : 1;
  }

  /** Makes checks whose lines are printed together, not before `turn`. */
  private async apart(make: (part: Report) => Promise<void>, turn = Promise.resolve()): Promise<void> {
    const lines: string[] = [];
    const part = new Report((line) => lines.push(line));
    try {
      await make(part);
    } finally {
      await turn;
      for (const line of lines) this.print(line);
      this.passed += part.passed;
      this.failures.push(...part.failures);
    }
  }
}

/** Waits until all have ended, one way or the other. @throws what the first of those that failed has thrown. */
async function allToTheirEnd(all: readonly Promise<void>[]): Promise<void> {
  for (const ended of await Promise.allSettled(all)) if (ended.status === "rejected") throw ended.reason;
}

/** Throws unless both are the same; gives the value for the report. */
export function expectSame(found: string | number, wanted: string | number): string {
  if (String(found) !== String(wanted)) throw new Error(`found ${found}, wanted ${wanted}`);
  return String(found);
}
