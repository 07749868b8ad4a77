/** A part of a long work. */
export interface Part {
  readonly name: string;
  /** What it takes on two cores, measured. */
  readonly minutes: number;
}

/** What parts take together. */
export const minutesOf = (parts: readonly Part[]): number =>
  parts.reduce((sum, { minutes }) => sum + minutes, 0);

/** Told the name of each part that has ended. */
export type Done = (name: string) => void;

/** Where the progress is shown; a terminal keeps it in its last line. */
type Screen = Pick<NodeJS.WriteStream, "write" | "isTTY">;

const width = 30;

/**
 * Shows how far a long work has come, and how long the rest takes at the pace of what is done. On a terminal it stays
 * below whatever else this process prints; elsewhere it is a line for each part that ends.
 */
export class Progress {
  private readonly started: number;
  private readonly left: Map<string, number>;
  private readonly total: number;
  private timer?: NodeJS.Timeout;
  private readonly restore: (() => void)[] = [];

  constructor(
    parts: readonly Part[],
    private readonly screen: Screen = process.stderr,
    private readonly now: () => number = Date.now,
  ) {
    this.started = now();
    this.left = new Map(parts.map(({ name, minutes }) => [name, minutes]));
    this.total = this.minutesLeft();
  }

  /** Keeps the line below what is printed from now on. */
  start(): void {
    if (!this.screen.isTTY) return;
    for (const stream of [process.stdout, process.stderr]) this.keepBelow(stream);
    this.timer = setInterval(() => this.draw(), 1000);
    this.timer.unref();
  }

  /** Notes that a part has ended; one that was not expected counts nothing. */
  done(name: string): void {
    if (this.left.delete(name) && !this.screen.isTTY) this.screen.write(`${this.line()}\n`);
  }

  /** Takes the line away. */
  stop(): void {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    for (const restore of this.restore) restore();
    this.clear();
  }

  /** Share of the work that is done, and what is left at this pace. */
  line(): string {
    const left = this.minutesLeft();
    const done = this.total - left;
    const share = this.total === 0 ? 1 : done / this.total;
    const elapsed = (this.now() - this.started) / 60_000;
    // Before anything is done, what was measured elsewhere is all there is to go by; and no less than that is promised
    // while a part takes longer than it should.
    const pace = done > 0 ? elapsed / done : Math.max(1, elapsed / this.total);
    const bar = "█".repeat(Math.round(share * width)).padEnd(width, "·");
    return `${bar} ${Math.floor(share * 100)} %, about ${Math.max(1, Math.ceil(left * pace))} min left`;
  }

  private minutesLeft(): number {
    return [...this.left.values()].reduce((sum, minutes) => sum + minutes, 0);
  }

  private keepBelow(stream: NodeJS.WriteStream): void {
    const { write } = stream;
    stream.write = ((...args: Parameters<typeof write>) => {
      this.clear(write.bind(stream));
      return write.apply(stream, args);
    }) as typeof write;
    this.restore.push(() => {
      stream.write = write;
    });
  }

  private clear(write: Screen["write"] = this.screen.write.bind(this.screen)): void {
    write("\r\x1b[K");
  }

  private draw(): void {
    this.screen.write(this.line());
  }
}
