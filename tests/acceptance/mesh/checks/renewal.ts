import type { Report } from "../../../../checks/report";
import { until } from "../../../fixtures/machine";
import { type MeshLab, zoneOf } from "../lab";
import { allReach, expectNoLoss, hasJoined, lossWhile } from "../probes";

/** Keys are renewed under traffic. */
export async function checkRenewal(report: Report, lab: MeshLab): Promise<void> {
  const all = ["a", "b", "c"] as const;
  await report.check(
    "a pre-shared key, over the next handshake, with both daemons killed meanwhile",
    async () => {
      const digest = async () => (await lab.sites.a.peer(zoneOf("b")))?.preshared;
      const former = await digest();
      return expectNoLoss(
        await lossWhile(lab, ["a", "b"], async () => {
          const began = Date.now();
          await lab.sites.a.mesh("rotate-preshared");
          await until("both have the same new key", async () => {
            const [one, other] = [await digest(), (await lab.sites.b.peer(zoneOf("a")))?.preshared];
            return one !== former && one !== "" && one === other;
          });
          for (const name of ["a", "b"] as const) await lab.sites[name].box.killService("wiab-mesh");
          // Sessions are renewed after 120 s (REKEY_AFTER_TIME), which is the first use of the new key.
          await until(
            "a handshake with the new key",
            async () =>
              ((await lab.sites.a.peer(zoneOf("b")))?.handshakeAge ?? 1e9) * 1000 <
              Date.now() - began - 10_000,
            150,
          );
        }),
      );
    },
  );
  await report.check("a certificate of the month before, renewed by up", async () => {
    const month = 30 * 24 * 3600 * 1000;
    const seen = async () => (await lab.sites.b.peer(zoneOf("a")))?.daysLeft ?? 0;
    await lab.certify("a", new Date(Date.now() - month));
    await lab.up("a", all);
    await until("b has seen the former one", async () => (await seen()) > 29 && (await seen()) < 60.1);
    const former = await seen();
    await lab.certify("a", new Date());
    const loss = await lossWhile(lab, ["a", "b"], async () => {
      await lab.up("a", all);
      await until("b has seen the new one", async () => (await seen()) > former + 29);
    });
    return `${expectNoLoss(loss)}; ${former.toFixed(0)} days left, then ${(await seen()).toFixed(0)}`;
  });
  await report.check("the private keys of a site, by its second interface", async () => {
    for (const other of ["b", "c"] as const)
      await until(`a has joined ${other}`, hasJoined(lab, "a", other), 60);
    await until(
      "the second interface is ready for both",
      async () => (await lab.sites.a.status()).peers.every(({ standby }) => standby),
      60,
    );
    const former = (await lab.sites.a.status()).publicKeys;
    const began = Date.now();
    let seconds = 0;
    const loss = await lossWhile(lab, ["a", "b"], async () => {
      const said = await lab.sites.a.mesh("rotate-private");
      seconds = (Date.now() - began) / 1000;
      if (said) throw new Error(said);
      await allReach(lab, all);
    });
    const { publicKeys } = await lab.sites.a.status();
    if (publicKeys.some((key) => former.includes(key))) throw new Error("a key is the former one");
    return `${expectNoLoss(loss)}; both keys in ${seconds.toFixed(1)} s`;
  });
}
