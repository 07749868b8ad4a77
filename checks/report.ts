/** What came of one check. */
export interface Entry {
  /** Title of the section that it stands in; empty outside of one. */
  readonly section: string;
  /** `note` is what was not checked, and why; its text is the name. */
  readonly state: "ok" | "fail" | "note";
  readonly name: string;
  /** What was measured, or what is wrong and what to do. */
  readonly text: string;
}

/** Prints one line a check as it is made, and counts. */
export class Report {
  /** All checks so far, in the order of their lines. */
  readonly entries: Entry[] = [];
  private section = "";

  /**
   * @param print - Takes each line. @default the screen
   * @param atOnce - Takes what cannot wait until its section is printed. @default as `print`
   */
  constructor(
    private readonly print: (line: string) => void = (line) => console.log(line),
    private readonly atOnce = print,
  ) {}

  /** Names of the checks that have failed. */
  get failures(): string[] {
    return this.entries.filter(({ state }) => state === "fail").map(({ name }) => name);
  }

  private get passed(): number {
    return this.entries.filter(({ state }) => state === "ok").length;
  }

  /** Makes a check: `look` gives what was measured, or throws what is wrong. */
  async check(name: string, look: () => Promise<string> | string): Promise<void> {
    try {
      this.add("ok", name, await look());
    } catch (error) {
      this.add("fail", name, (error as Error).message);
    }
  }

  /** Says what was not checked, and why. */
  note(text: string): void {
    this.add("note", text, "");
  }

  private add(state: Entry["state"], name: string, text: string): void {
    this.entries.push({ section: this.section, state, name, text });
    const said = text && `: ${text.split("\n").join("\n        ")}`;
    this.print(`  ${{ ok: "ok   ", fail: "FAIL ", note: "note " }[state]} ${name}${said}`);
  }

  /**
   * Makes the checks of several sections side by side. A section's lines are printed under its title, all at once when
   * its last check is made.
   */
  async sections(sections: Readonly<Record<string, (section: Report) => Promise<void>>>): Promise<void> {
    await allToTheirEnd(
      Object.entries(sections).map(([title, make]) =>
        this.apart(async (section) => {
          section.section = title;
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

  /**
   * Makes checks again, once a second, until none of them fails or the time is over: what is not so at first may come.
   * What is waited for is said at once, and again when it is something else.
   * @param seconds - 0 makes them once.
   */
  async patiently(seconds: number, make: (part: Report) => Promise<void>): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    let said = "";
    for (;;) {
      const lines: string[] = [];
      const part = this.part(lines);
      await make(part);
      if (part.failures.length === 0 || Date.now() >= deadline) return this.take(part, lines);
      const failures = part.failures.join(", ");
      if (failures !== said) this.atOnce(`  wait  ${this.section}: ${failures}, for ${seconds} s at most`);
      said = failures;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
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
    const part = this.part(lines);
    try {
      await make(part);
    } finally {
      await turn;
      this.take(part, lines);
    }
  }

  private part(lines: string[]): Report {
    const part = new Report((line) => lines.push(line), this.atOnce);
    part.section = this.section;
    return part;
  }

  private take(part: Report, lines: readonly string[]): void {
    for (const line of lines) this.print(line);
    this.entries.push(...part.entries);
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
