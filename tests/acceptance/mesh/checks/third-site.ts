import type { Report } from "../../../../checks/report";
import type { MeshPlan } from "../../../../components/config/mesh";
import { until } from "../../../fixtures/machine";
import { MeshAuthority } from "../../../fixtures/mesh-authority";
import { docker } from "../docker";
import { type MeshLab, zoneOf } from "../lab";
import {
  allReach,
  expectNoLoss,
  hasJoined,
  isClosed,
  lossWhile,
  packets,
  reaches,
  secondsUntil,
  troubleOf,
} from "../probes";

const all = ["a", "b", "c"] as const;
const first = ["a", "b"] as const;

/** A third site: it joins, moves, is cut off, and shows certificates that are not in order. */
export async function checkThirdSite(report: Report, lab: MeshLab): Promise<void> {
  await report.check("a third site joins and disturbs nobody", async () => {
    const loss = await lossWhile(lab, first, async () => {
      await closed(report, lab);
      for (const other of first) await until(`${other} has joined c`, hasJoined(lab, other, "c"), 60);
      await allReach(lab, all);
    });
    if (await troubleOf(lab, "a", "c")) throw new Error(await troubleOf(lab, "a", "c"));
    return expectNoLoss(loss);
  });
  await report.check("what is offered to one site is open to it alone", () => forOne(lab));
  await report.check("an endpoint that moves is followed within 20 s", () => moved(lab));
  await report.check("a revoked site is cut off everywhere within 10 s", () => revoked(lab));
  for (const [what, make, reason] of certificates)
    await report.check(`a certificate ${what} is refused`, () => refused(lab, make, reason));
  await report.check("with one that is in order it is in again", async () => {
    await lab.renewIdentity("c");
    await lab.up("c", all);
    return secondsUntil("a reaches c", () => reaches(lab, "a", "c"), 60);
  });
}

/** Has the third site come up behind closed ports, first for TCP, then for UDP. */
async function closed(report: Report, lab: MeshLab): Promise<void> {
  const at = lab.endpoints.c;
  const drop = (...ports: string[]) =>
    lab.drop(...ports.flatMap((port) => [`ip daddr ${at} ${port}`, `ip saddr ${at} ${port}`]));
  await drop("tcp dport 29292");
  await Promise.all([lab.up("a", all), lab.up("b", all), lab.up("c", all)]);
  const says = (what: RegExp) => async () => what.test(await troubleOf(lab, "a", "c"));
  await report.check("TCP closed: said as such, and no join", async () => {
    const seconds = await secondsUntil("a says so", says(/tcp 10\.1\.2\.2:29292 does not answer/), 30);
    if ((await lab.sites.a.peer(zoneOf("c")))?.state !== "waiting") throw new Error("c has joined");
    return `after ${seconds}`;
  });
  await drop("udp dport { 29292, 29293 }");
  await report.check(
    "UDP closed: said as such",
    async () =>
      `after ${await secondsUntil("a says so", says(/udp 10\.1\.2\.2:29292: no handshake .*open for UDP/), 60)}`,
  );
  await lab.drop();
}

/** A service of the configuration, and a container by the access list. */
async function forOne(lab: MeshLab): Promise<string> {
  const list = await docker(lab.sites.b.box);
  await list([{ name: "box-for-c", created: 1, address: "10.1.1.3" }]);
  const names = ["for-c", "box-for-c"].map((label) => `${label}.${zoneOf("b")}`);
  const get = (name: string) =>
    lab.sites.c.box.try(`curl --silent --max-time 3 http://${name}:8080/`).then(({ stdout }) => stdout);
  for (const name of names) {
    await until(`c reaches ${name}`, async () => (await get(name)) === "b\n", 30);
    const { box } = lab.sites.a;
    await until(`a resolves ${name}`, async () => (await box.try(`getent ahostsv6 ${name}`)).code === 0);
    if (!(await isClosed(box, name, 8080))) throw new Error(`a gets to ${name}, which is offered to c`);
  }
  await list([]);
  return `${names.join(" and ")}: c has them, a has their addresses alone`;
}

async function moved(lab: MeshLab): Promise<string> {
  const stream = await packets(lab, "a", "c", 20);
  const began = Date.now();
  lab.move("c", 9);
  await lab.up("c", all);
  const seconds = await secondsUntil("a reaches c", () => reaches(lab, "a", "c"), 20, began);
  for (const other of first)
    await until(
      `${other} knows where c is`,
      async () =>
        (await lab.sites[other].peer(zoneOf("c")))?.endpoint?.startsWith(`${lab.endpoints.c}:`) ?? false,
      20,
    );
  const { sent, lost } = await stream.stop();
  return `after ${seconds}; ${lost} of ${sent} packets lost, 20 a second`;
}

async function revoked(lab: MeshLab): Promise<string> {
  const serial = (await lab.sites.a.peer(zoneOf("c")))?.serial ?? "";
  lab.revoke(serial);
  const { revocations } = await lab.credentials("a");
  const began = Date.now();
  await lab.sites.a.box.write("/etc/wiab/mesh/revocations.pem", revocations);
  const cut = (name: "a" | "b") => async () => (await lab.sites[name].peer(zoneOf("c")))?.state === "cut";
  const here = await secondsUntil("a has cut c off", cut("a"), 10, began);
  // Nobody has told b but a.
  const there = await secondsUntil("b has cut c off", cut("b"), 10, began);
  for (const name of first)
    if ((await reaches(lab, name, "c")) || (await reaches(lab, "c", name)))
      throw new Error(`${name} reaches c`);
  if (!(await reaches(lab, "a", "b"))) throw new Error("a no longer reaches b");
  return `${here} where the list is, ${there} where it is heard of`;
}

const foreign = "fd51:1:1:1::/64";
const certificates = [
  [
    "that has run out",
    async (lab: MeshLab, plan: MeshPlan) => issueBy(await lab.authority(), plan, -60_000),
    /expired/,
  ],
  [
    "of another authority",
    async (_: MeshLab, plan: MeshPlan) => issueBy(await MeshAuthority.make("another mesh"), plan),
    /unknown authority/,
  ],
  [
    "for another prefix",
    async (lab: MeshLab, plan: MeshPlan) => issueBy(await lab.authority(), plan),
    /is for the prefix "fd51:1:1:1::\/64"/,
  ],
] as const;

const issueBy = (authority: MeshAuthority, { site }: MeshPlan, left?: number) =>
  authority.issue(site.zone, site.prefix, left);

async function refused(
  lab: MeshLab,
  issue: (typeof certificates)[number][1],
  reason: RegExp,
): Promise<string> {
  // It believes so itself.
  const plan = lab.plan("c", all, reason.source.includes("prefix") ? { prefix: foreign } : {});
  const { certificate, privateKey } = await issue(lab, plan);
  const credentials = { ...(await lab.credentials("a")), certificate, privateKey };
  await lab.sites.c.up(plan, credentials);
  const seconds = await secondsUntil(
    "a says why it refuses it",
    async () => reason.test(await troubleOf(lab, "a", "c")),
    30,
  );
  if ((await lab.sites.a.peer(zoneOf("c")))?.state !== "cut") throw new Error("c has joined");
  if (await reaches(lab, "a", "c")) throw new Error("a reaches c");
  return `${reason.exec(await troubleOf(lab, "a", "c"))?.[0]}, after ${seconds}`;
}
