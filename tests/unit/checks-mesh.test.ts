import { describe, expect, it } from "vitest";
import { checkMesh, type MeshFacts } from "../../checks/mesh";
import { Report } from "../../checks/report";

const peer = { zone: "b.pmd.internal", state: "joined", handshakeAge: 12.3, standby: true };
const facts: MeshFacts = { zone: "a.pmd.internal", daysLeft: 61.4, drift: [], peers: [peer], names: [] };

async function judged(changed: Partial<MeshFacts>) {
  const report = new Report(() => {});
  await checkMesh(report, { ...facts, ...changed });
  return report.entries.map(({ state, name, text }) => `${state} ${name}: ${text}`);
}

describe("checkMesh", () => {
  it("has nothing to say against a gateway that is as it should be", async () => {
    expect(await judged({})).toEqual([
      "ok certificate of a.pmd.internal: 61 days left",
      "ok site b.pmd.internal: last handshake 12 s ago",
      "ok as it was made: interfaces, addresses and rules",
    ]);
  });

  it("says what is wrong and what to do", async () => {
    const trouble = "tcp 192.0.2.2:29292 does not answer";
    const failures = await judged({
      daysLeft: 29,
      drift: ["wiab-mesh2: MTU 1400 instead of 1280"],
      peers: [
        { ...peer, state: "waiting", trouble },
        { ...peer, zone: "c.pmd.internal", standby: false },
      ],
      names: [
        { source: "container", name: "web.box", refused: "becomes web-box, which web_box has already" },
        { source: "kubernetes", name: "Inner", label: "inner", closed: true },
        { source: "kubernetes", name: "open", label: "open" },
      ],
    });
    expect(failures).toEqual([
      expect.stringMatching(
        /^fail certificate of a\.pmd\.internal: 29 days left: run "npm run pulumi -- up"/,
      ),
      `fail site b.pmd.internal: waiting: ${trouble}`,
      "ok site c.pmd.internal: last handshake 12 s ago; its second interface is not ready",
      expect.stringMatching(/^fail as it was made: wiab-mesh2: MTU .*: systemctl restart /),
      expect.stringMatching(/^note container "web\.box" has no name in the mesh: it becomes web-box/),
      'note kubernetes "Inner" is inner.a.pmd.internal, and no peer may use it: mesh.access does not have it: ',
    ]);
  });
});
