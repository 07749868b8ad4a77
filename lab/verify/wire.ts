import { readFileSync } from "node:fs";
import { join } from "node:path";
import { certificateIn } from "../certificate";
import type { LabOutputs } from "../context";
import { installPackages, missingPackages } from "../host/packages";
import { waitFor } from "../wait";
import { Browser } from "./browser";
import type { RemoteMachine } from "./machine";
import type { Namespace } from "./namespace";
import { checkRelay } from "./relay";
import type { Report } from "./report";

/** What the checks need besides the lab itself: a browser, a place for authorities that it trusts, and a client. */
const packages = ["chromium", "libnss3-tools", "curl"];

/** Seconds until everything works again after somebody has seen to it. */
const patience = 300;

/** What `/conformance.json` says (lab/conformance/serve.go). */
interface Summary {
  readonly services: readonly {
    readonly service: string;
    readonly ready: boolean;
    readonly error?: string;
    readonly pods: readonly { pod: string; checks: { name: string; ok: boolean; error?: string }[] }[];
  }[];
}

/**
 * Uses what stands for Wire as its clients would, from a namespace that plays the internet: every public name, every
 * dependency of every service, the page in a browser that trusts the lab's authority, and a relayed call.
 * @param folder - Where the lab's certificate lies; the browser's picture of the page is put there too.
 */
export async function checkWire(
  report: Report,
  outputs: LabOutputs,
  { urls }: NonNullable<LabOutputs["wire"]>,
  internet: Namespace,
  reach: (name: string) => RemoteMachine,
  folder: string,
): Promise<void> {
  const missing = await missingPackages(packages);
  if (missing.length > 0) {
    console.log(`  installing ${missing.join(", ")}`);
    await installPackages(missing, () => {});
  }
  const { authorityFile } = certificateIn(folder);
  const { publicAddress } = outputs;
  const get = async (url: string, ...options: string[]) => {
    const { host } = new URL(url);
    const { code, stdout, stderr } = await internet.pipe(
      "",
      ...["curl", "--silent", "--show-error", "--max-time", "60", "--cacert", authorityFile, ...options],
      ...["--resolve", `${host}:443:${publicAddress}`, "--write-out", "\n%{http_code}", url],
    );
    if (code !== 0) throw new Error(stderr.trim());
    const [, body, status] = /^([\s\S]*)\n(\d+)$/.exec(stdout) ?? [];
    return { body: body ?? "", status: Number(status) };
  };

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
      const { status } = await get(url);
      if (status >= 500) throw new Error(`answers ${status}`);
      return `answers ${status}, with a certificate of the lab's authority`;
    });

  const webapp = urls.webapp ?? "";
  const look = async () => JSON.parse((await get(`${webapp}/conformance.json`)).body) as Summary;
  await waitFor("every dependency to work", patience, async () => {
    if (!(await look()).services.every(({ ready }) => ready)) throw new Error("not yet");
  }).catch(() => undefined);
  const { services } = await look();
  for (const { service, pods, error } of services)
    await report.check(`${service} and what it depends on`, () => {
      const failed = pods.flatMap(({ pod, checks }) =>
        checks.filter(({ ok }) => !ok).map(({ name, error }) => `${pod}: ${name}: ${error}`),
      );
      if (error || failed.length > 0) throw new Error([error, ...failed].filter(Boolean).join("\n"));
      const names = pods[0]?.checks.map(({ name }) => name).join(", ") || "nothing";
      return `${names}${pods.length > 1 ? ` (${pods.length} pods)` : ""}`;
    });

  await report.check(`a browser opens ${webapp}`, async () => {
    const browser = new Browser(internet, publicAddress, readFileSync(authorityFile, "utf8"));
    try {
      const picture = join(folder, "webapp.png");
      const verdict = await browser.textOf(`${webapp}/`, "verdict");
      await browser.picture(`${webapp}/`, picture);
      if (verdict !== "Every dependency of every service works") throw new Error(verdict);
      return `“${verdict}”; ${picture} shows it`;
    } finally {
      browser.remove();
    }
  });
  if (outputs.callingNode) await checkRelay(report, outputs, internet, reach);
}
