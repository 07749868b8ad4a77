import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../../toolchain/commands";
import type { Namespace } from "./namespace";

/** Chromium without a window, in a network namespace, with a profile of its own that is thrown away. */
export class Browser {
  private readonly home = mkdtempSync(join(tmpdir(), "wiab-browser-"));
  private ready?: Promise<void>;

  /**
   * @param address - Where every name leads to: the namespace has no name server.
   * @param authority - Certificate in PEM of the one authority that it trusts besides the usual ones.
   */
  constructor(
    private readonly namespace: Namespace,
    private readonly address: string,
    private readonly authority: string,
  ) {}

  /** The text of the element with that ID on a page. */
  async textOf(url: string, id: string): Promise<string> {
    const page = await this.chromium("--dump-dom", url);
    const text = new RegExp(`id="${id}"[^>]*>([^<]*)<`).exec(page)?.[1];
    if (text === undefined) throw new Error(`${url} has nothing of the ID ${id}: ${page.slice(0, 500)}`);
    return text.trim();
  }

  /** Writes a picture of a page, in PNG. */
  async picture(url: string, file: string): Promise<void> {
    await this.chromium("--hide-scrollbars", "--window-size=1000,900", `--screenshot=${file}`, url);
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }

  private async chromium(...what: string[]): Promise<string> {
    this.ready ??= this.trust();
    await this.ready;
    const { code, stdout, stderr } = await this.namespace.pipe(
      "",
      ...["env", `HOME=${this.home}`, "timeout", "120", "chromium", "--headless", "--disable-gpu"],
      // It refuses to run as root with one; the page is the lab's own.
      ...["--no-sandbox", `--user-data-dir=${this.home}/profile`],
      ...[`--host-resolver-rules=MAP * ${this.address}`, ...what],
    );
    if (code !== 0) throw new Error(`chromium ended with ${code}: ${stderr.slice(-500)}`);
    return stdout;
  }

  private async trust(): Promise<void> {
    const database = join(this.home, ".pki/nssdb");
    mkdirSync(database, { recursive: true });
    const file = join(this.home, "authority.pem");
    writeFileSync(file, this.authority);
    await run("certutil", ["-d", `sql:${database}`, "-N", "--empty-password"]);
    await run("certutil", ["-d", `sql:${database}`, "-A", "-n", "lab", "-t", "C,,", "-i", file]);
  }
}
