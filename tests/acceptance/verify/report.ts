/** Prints one line a check as it is made, and counts. */
export class Report {
  private passed = 0;
  /** Names of the checks that have failed. */
  readonly failures: string[] = [];

  /** Makes a check: `look` gives what was measured, or throws what is wrong. */
  async check(name: string, look: () => Promise<string> | string): Promise<void> {
    try {
      console.log(`  ok    ${name}: ${await look()}`);
      this.passed++;
    } catch (error) {
      console.log(`  FAIL  ${name}: ${(error as Error).message.split("\n").join("\n        ")}`);
      this.failures.push(name);
    }
  }

  /** Says what was not checked, and why. */
  note(text: string): void {
    console.log(`  note  ${text}`);
  }

  /** Prints the count and gives the exit code. */
  conclude(): number {
    const failed = this.failures.length;
    console.log(`\n${this.passed} passed, ${failed} failed`);
    return failed === 0 && this.passed > 0 ? 0 : 1;
  }
}

/** Throws unless both are the same; gives the value for the report. */
export function expectSame(found: string | number, wanted: string | number): string {
  if (String(found) !== String(wanted)) throw new Error(`found ${found}, wanted ${wanted}`);
  return String(found);
}
