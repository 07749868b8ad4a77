import { readFileSync } from "node:fs";
import { join } from "node:path";
import { certificateIn } from "../../../lab/certificate";
import type { LabOutputs } from "../../../lab/context";
import { installPackages, missingPackages } from "../../../lab/host/packages";
import { waitFor } from "../../../lab/wait";
import { Browser } from "./browser";
import type { RemoteMachine } from "./machine";
import type { Namespace } from "./namespace";
import { failing, Page } from "./page";
import { checkRelay } from "./relay";
import type { Report } from "./report";

/** What the checks need besides the lab itself: a browser, a place for authorities that it trusts, and a client. */
const packages = ["chromium", "libnss3-tools", "curl"];

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
  const missing = await missingPackages(packages);
  if (missing.length > 0) {
    console.log(`  installing ${missing.join(", ")}`);
    await installPackages(missing, () => {});
  }
  const { authorityFile } = certificateIn(folder);
  const { publicAddress } = outputs;
  const page = new Page(internet, publicAddress, authorityFile, urls.webapp ?? "");

  await report.check(`internet → http://${publicAddress}/`, async () => {
    const { code, stdout, stderr } = await internet.pipe(
      "",
      ...["curl", "--silent", "--show-error", "--max-time", "60", "--output", "/dev/null"],
      ...["--write-out", "%{http_code}", `http://${publicAddress}/`],
    );
    if (code !== 0) throw new Error(stderr.trim());
    return `answers ${stdout}`;
  });
  for (const url of Object.values(urls))
    await report.check(`internet → ${url}`, async () => {
      const { status } = await page.get(url);
      if (status >= 500) throw new Error(`answers ${status}`);
      return `answers ${status}, with a certificate of the lab's authority`;
    });

  await waitFor("every dependency to work", patience, async () => {
    const wrong = failing(await page.summary());
    if (wrong.length > 0) throw new Error(wrong.join(", "));
  }).catch(() => undefined);
  const { services } = await page.summary();
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

  await report.check(`a browser opens ${page.url}`, async () => {
    const browser = new Browser(internet, publicAddress, readFileSync(authorityFile, "utf8"));
    try {
      const picture = join(folder, "webapp.png");
      const verdict = await browser.textOf(`${page.url}/`, "verdict");
      await browser.picture(`${page.url}/`, picture);
      if (verdict !== "Every dependency of every service works") throw new Error(verdict);
      return `“${verdict}”; ${picture} shows it`;
    } finally {
      browser.remove();
    }
  });
  if (outputs.callingNode) await checkRelay(report, outputs, internet, reach);
}
