import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { specification } from "../../bundle/specification";
import { installable, knownReleases, packageFacts, systemFacts } from "../../cli/release-facts";
import { type ArtifactPlan, findBinary } from "../../components/artifact/plan";
import { planCassandra } from "../../components/data-services/cassandra/plan";
import { planElasticsearch } from "../../components/data-services/elasticsearch/plan";
import { planMinio } from "../../components/data-services/minio/plan";
import { planPostgresql } from "../../components/data-services/postgresql/plan";
import { planRabbitMq } from "../../components/data-services/rabbitmq/plan";
import { planRuntime } from "../../components/kubernetes/container-runtime/plan";
import { projectDirectory } from "../../toolchain/environment";
import { type Need, packageNeeds } from "../fixtures/package-needs";
import { releaseArtifact } from "../fixtures/wire-artifact";

const system = systemFacts();
const packageOf = (command: string) =>
  Object.entries(system.commands).find(([, commands]) => commands.includes(command))?.[0];
const there = (release: string) => new Set([...installable(release), ...system.cloudImage.packages]);
/** Packages in place of programs that Wire's artifact has, or of a Java that it has another version of. */
const alternatives = ["containernetworking-plugins", "openjdk-17-jre-headless", "runc"];
/** Programs of an artifact that are no packages. */
const programs = ["containerd", "crictl", "ctr", "kubeadm", "kubectl", "kubelet"];

/** What machines need and would not get, with the place that needs it. */
const lacking = (needs: readonly Need[], available: ReadonlySet<string>): string[] =>
  needs.flatMap(({ kind, name, file, line }) => {
    if (kind === "command" && programs.includes(name)) return [];
    const wanted = kind === "command" ? packageOf(name) : name;
    if (wanted === undefined)
      return [`${file}:${line}: no package is known for ${name}: see releases/jammy.yaml`];
    return available.has(wanted) || alternatives.includes(wanted)
      ? []
      : [`${file}:${line}: nobody brings ${wanted}`];
  });

/** A release's artifact with the programs of the bundle beside it. */
async function withBundle(release: string): Promise<ArtifactPlan> {
  const artifact = await releaseArtifact(release);
  const { binaries } = specification.parse(parse(readFileSync("bundle/asset-host-jammy.yaml", "utf8")));
  const programs = binaries.map(({ name, version }) => ({
    ...{ path: `binaries/${name}`, archive: "binaries.tar", sha256: "0".repeat(64), size: 1 },
    ...{ kind: "binary" as const, name, version },
  }));
  return { ...artifact, served: [...artifact.served, ...programs] };
}

/** A checkout with one file. */
async function needsOf(file: string, text: string): Promise<Need[]> {
  const root = mkdtempSync(join(tmpdir(), "wiab-needs-"));
  try {
    mkdirSync(join(root, "components/room"), { recursive: true });
    writeFileSync(join(root, "components/room", file), text);
    return await packageNeeds(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}
const words = (needs: readonly Need[]) => needs.map(({ kind, name, line }) => `${line} ${kind} ${name}`);

describe("what machines need", () => {
  it.each(knownReleases())(
    "is in Wire's artifact of %s, in the bundle beside it, or in the image",
    async (release) => {
      expect(lacking(await packageNeeds(projectDirectory), there(release))).toEqual([]);
    },
  );

  it.each(knownReleases())(
    "is planned of an artifact of %s without what that has in another form",
    async (release) => {
      const artifact = await withBundle(release);
      const planned = [
        ...[planCassandra, planElasticsearch, planMinio, planPostgresql, planRabbitMq].flatMap(
          (plan) => plan(artifact).installation.packages,
        ),
        ...planRuntime(artifact).packages,
      ];
      expect(planned).toContain("rabbitmq-server");
      expect(planned.filter((name) => alternatives.includes(name) || !there(release).has(name))).toEqual([]);
      expect(findBinary(artifact, "cni-plugins")).toBeDefined();
    },
  );

  it("would be missed: a package that the bundle has for it, and one that only the image has", async () => {
    const needs = await packageNeeds(projectDirectory);
    const without = (name: string) =>
      lacking(needs, new Set([...there("5.32")].filter((each) => each !== name)));
    expect(without("haproxy")).toContainEqual(
      expect.stringMatching(/^components\/kubernetes\/plan\.ts:\d+: nobody brings haproxy$/),
    );
    for (const name of [
      "ethtool",
      "nftables",
      "nginx",
      "docker-registry",
      "systemd-timesyncd",
      "rabbitmq-server",
    ])
      expect(without(name), name).not.toEqual([]);
  });

  it("is found in scripts: packages, commands, and commands that others run", async () => {
    const script = `apply() {
  install_packages nftables "$MORE" frob
  a=$(jq . <<<"$1" | helper) && if ! timeout 5 ncat -z x 1; then :; fi
  runuser -u postgres -- psql -c x
  wait_for "the thing" 120 mtr --report
  "$BIN/tool" /opt/wiab/thing
  cat <<END
dig is only a word here, $(lsof -t)
END
}
helper() { xargs -r tac; }
wait_for() { "$@"; }
`;
    expect(words(await needsOf("node.sh", script)).sort()).toEqual([
      ...["11 command tac", "11 command xargs", "2 package frob", "2 package nftables", "3 command jq"],
      ...["3 command ncat", "3 command timeout", "4 command psql", "4 command runuser", "5 command mtr"],
      ...["7 command cat", "8 command lsof"],
    ]);
  });

  it("is found in plans, and where commands are called by their paths", async () => {
    const program = `const packages = [edition.java.package, "nftables", ...(some ? [] : ["unzip"])];
const java = { package: "openjdk-8-jre-headless", home: "/usr/lib/jvm" };
const unit = \`ExecStart=/usr/sbin/haproxy -f /etc/haproxy.cfg\`;
`;
    expect(words(await needsOf("plan.ts", program))).toEqual([
      ...["1 package nftables", "1 package unzip", "2 package openjdk-8-jre-headless"],
      "3 command haproxy",
    ]);
    expect(words(await needsOf("health.py", "#!/usr/bin/python3\n"))).toEqual(["1 command python3"]);
  });

  it("is refused with file and line if nobody brings it", async () => {
    const needs = await needsOf("node.sh", "apply() {\n  install_packages frob\n  knit\n}\n");
    expect(lacking(needs, there("5.32"))).toEqual([
      "components/room/node.sh:2: nobody brings frob",
      "components/room/node.sh:3: no package is known for knit: see releases/jammy.yaml",
    ]);
  });
});

it("says of each package that is brought along which one of Wire's list brings it", () => {
  for (const release of knownReleases()) {
    const { asked, brought } = packageFacts(release).apt;
    expect(Object.values(brought).filter((name) => !asked.includes(name))).toEqual([]);
  }
});
