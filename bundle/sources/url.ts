import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../toolchain/commands";
import { sumOf } from "../tar";
import { unfinished, type Workshop } from "../workshop";

/** Times that a download which broke off is taken up again before it is given up. */
const resumptions = 4;

/** curl's exit codes that trying again will not change: bad URL, refused by the server, disk full, no resuming. */
const final = ["3", "22", "23", "33"];

/** A download that curl gave up. */
class TransferError extends Error {
  constructor(
    readonly code: string,
    message: string,
    cause: Error,
  ) {
    super(message, { cause });
  }
}

/**
 * Fetches a file and checks it. What has arrived of it stays in the cache until it is whole: a run that was killed,
 * or a connection that broke, costs no byte twice. @returns its path.
 * @throws Error if it cannot be had, or is another file than the checksum says.
 */
export async function fetchUrl(url: string, sha256: string, workshop: Workshop): Promise<string> {
  const directory = await workshop.part(["url", sha256], (directory) =>
    workshop.limits.download.run(async () => {
      const folder = unfinished("download", sha256);
      const file = join(folder, "file");
      const resumed = existsSync(file);
      // A killed run may have had the last byte already, or half of a file that the server has changed since, and
      // not every server can go on in the middle: what cannot be completed is fetched anew.
      await transfer(url, file).catch((error: TransferError) => {
        if (!resumed || !["22", "33"].includes(error.code)) throw error;
      });
      let found = (await sumOf(file)).sha256;
      if (found !== sha256 && resumed) {
        rmSync(file);
        await transfer(url, file);
        found = (await sumOf(file)).sha256;
      }
      if (found !== sha256) {
        rmSync(folder, { recursive: true });
        throw new Error(
          `${withoutCredentials(url)} has checksum ${found}, expected ${sha256}: it is another file than the list ` +
            "pins. Find out why before you change the list",
        );
      }
      renameSync(file, join(directory, "file"));
      rmSync(folder, { recursive: true });
    }),
  );
  return join(directory, "file");
}

/** Fetches what is missing of a file. Proxies and authorities are the operator's, as curl knows them. */
async function transfer(url: string, file: string): Promise<void> {
  const options = [
    ...["--fail", "--silent", "--show-error", "--location", "--proto", "=http,https", "--continue-at", "-"],
    ...["--connect-timeout", "15", "--speed-time", "30", "--speed-limit", "1", "--retry", "2"],
  ];
  for (let broken = 0; ; broken++) {
    try {
      // The URL by standard input: it may hold a password.
      await run("curl", [...options, "--output", file, "--config", "-"], {
        input: `url = ${JSON.stringify(url)}\n`,
      });
      return;
    } catch (error) {
      const [, code = "", said = ""] = /ended with (\w+):\n([\s\S]*)$/.exec((error as Error).message) ?? [];
      const message = `cannot fetch ${withoutCredentials(url)}: ${said || (error as Error).message}`;
      if (code === "" || final.includes(code) || broken === resumptions)
        throw new TransferError(code, message, error as Error);
      await sleep((broken + 1) * 500);
    }
  }
}

/** A URL as it may be shown and written down. */
export function withoutCredentials(url: string): string {
  const parsed = new URL(url);
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}
