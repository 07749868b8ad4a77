import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Report } from "../../../checks/report";
import { certificateIn } from "../../../lab/certificate";
import type { LabOutputs } from "../../../lab/context";
import { waitFor } from "../../../lab/wait";
import { Browser } from "./browser";
import type { RemoteMachine } from "./machine";
import type { Namespace } from "./namespace";
import { failing, Page, type Summary } from "./page";
import { checkRelay } from "./relay";

/**
 * Uses what stands for Wire as its clients would, from a namespace that plays the internet: every public name, every
 * dependency of every service, the page in a browser that trusts the lab's authority, and a relayed call.
 * @param folder - Where the lab's certificate lies; the browser's picture of the page is put there too.
 * @param patience - Seconds that everything has to work again after somebody has seen to it.
 */
export async function checkWire(
  report: Report,
  outputs: LabOutputs,
  { urls }: NonNullable<LabOutputs["wire"]>,
  internet: Namespace,
  reach: (name: string) => RemoteMachine,
  folder: string,
  patience = 300,
): Promise<void> {
  const { authorityFile } = certificateIn(folder);
  const { publicAddress } = outputs;
  const page = new Page(internet, publicAddress, authorityFile, urls.webapp ?? "");
  const parts = [
    (report: Report) => checkNames(report, page, publicAddress, Object.values(urls), internet, patience),
    (report: Report) => checkServices(report, page, patience),
    (report: Report) =>
      report.check(`a browser opens ${page.url}`, () =>
        waitFor(`a browser to see that all is well`, patience, () =>
          look(page, new Browser(internet, publicAddress, readFileSync(authorityFile, "utf8")), folder),
        ),
      ),
    ...(outputs.callingNode
      ? [(report: Report) => checkRelay(report, outputs, internet, reach, patience)]
      : []),
  ];
  await report.each(parts, (report, part) => part(report));
}

async function checkNames(
  report: Report,
  page: Page,
  publicAddress: string,
  urls: readonly string[],
  internet: Namespace,
  patience: number,
): Promise<void> {
  await report.check(`internet → http://${publicAddress}/`, async () => {
    const { code, stdout, stderr } = await internet.pipe(
      "",
      ...["curl", "--silent", "--show-error", "--max-time", "60", "--output", "/dev/null"],
      ...["--write-out", "%{http_code}", `http://${publicAddress}/`],
    );
    if (code !== 0) throw new Error(stderr.trim());
    return `answers ${stdout}`;
  });
  await report.each(urls, (report, url) =>
    report.check(`internet → ${url}`, () =>
      waitFor(`${url} to answer`, patience, async () => {
        const { status } = await page.get(url);
        if (status >= 500) throw new Error(`answers ${status}`);
        return `answers ${status}, with a certificate of the lab's authority`;
      }),
    ),
  );
}

async function checkServices(report: Report, page: Page, patience: number): Promise<void> {
  // What is told is what the wait has ended with: asked once more, a busy machine may have another answer.
  let last: Summary | undefined;
  await waitFor("every dependency to work", patience, async () => {
    last = await page.summary();
    const wrong = failing(last);
    if (wrong.length > 0) throw new Error(wrong.join(", "));
  }).catch((error: Error) => {
    if (!last) throw error;
  });
  const { services } = last as unknown as Summary;
  for (const { service, pods, error } of services)
    await report.check(`${service} and what it depends on`, () => {
      const all = pods ?? [];
      const failed = all.flatMap(({ pod, checks }) =>
        checks.filter(({ ok }) => !ok).map(({ name, error }) => `${pod}: ${name}: ${error}`),
      );
      if (error || failed.length > 0) throw new Error([error, ...failed].filter(Boolean).join("\n"));
      const names = all[0]?.checks.map(({ name }) => name).join(", ") || "nothing";
      return `${names}${all.length > 1 ? ` (${all.length} pods)` : ""}`;
    });
}

/** Has a browser open the page and take its picture. */
async function look(page: Page, browser: Browser, folder: string): Promise<string> {
  try {
    const picture = join(folder, "webapp.png");
    const verdict = await browser.textOf(`${page.url}/`, "verdict");
    await browser.picture(`${page.url}/`, picture);
    if (verdict !== "Every dependency of every service works") throw new Error(verdict);
    return `“${verdict}”; ${picture} shows it`;
  } finally {
    browser.remove();
  }
}
