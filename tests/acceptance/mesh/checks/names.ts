import { expectSame, type Report } from "../../../../checks/report";
import { ingressNodePorts } from "../../../../components/config/ports";
import { directories } from "../../../../components/mesh/files";
import { until } from "../../../fixtures/machine";
import { docker } from "../docker";
import { type MeshLab, siteNames, zoneOf } from "../lab";
import { fetchFrom, hasJoined, isClosed, packets, reaches, secondsUntil, webOf } from "../probes";

/** Names, and who resolves and reaches them. */
export async function checkNames(report: Report, lab: MeshLab): Promise<void> {
  await report.check("two sites have joined each other", async () => {
    const seconds = await secondsUntil("a has joined b", hasJoined(lab, "a", "b"), 60);
    await until("b has joined a", hasJoined(lab, "b", "a"), 60);
    return `after ${seconds}`;
  });
  await report.check("HTTP and UDP by name, both ways", async () => {
    for (const [from, to] of pairs) {
      expectSame((await fetchFrom(lab.sites[from].box, to)).stdout, `${to}\n`);
      const { sent, lost } = await (await packets(lab, from, to, 20)).stop();
      if (lost > 0 || sent === 0) throw new Error(`${from} to ${to}: ${lost} of ${sent} packets lost`);
    }
    return `web-server and echo of ${pairs.map(([, to]) => zoneOf(to)).join(" and ")}`;
  });
  await report.check("a machine of the stack has its name", async () =>
    expectSame(
      (await lab.sites.a.box.run(`curl --silent --max-time 10 http://machine.${zoneOf("b")}:8080/`)).trim(),
      "b",
    ),
  );
  await report.check("a machine of a site resolves the other site's names, as do its containers", () =>
    resolves(lab),
  );
  await report.check("what joins wgnet gets its name, and loses it when it goes", () => containers(lab));
  await report.check("of two containers with one label the former's name comes back", () => collision(lab));
  await report.check("Wire's ingress, by its name in the mesh and with its own certificate", () =>
    ingress(lab),
  );
  await report.check("a target that is away: the next of the same name answers", () => nextTarget(lab));
}

const pairs = [
  ["a", "b"],
  ["b", "a"],
] as const;

/** Asks as a program of the machine does, which has no IPv6: a name is resolved all the same. */
async function resolves(lab: MeshLab): Promise<string> {
  const machine = lab.machines.a;
  const parameters = lab.sites.a.asks(lab.plan("a", siteNames));
  const script = "components/mesh/resolve.sh";
  const wanted = lab.plan("b", siteNames).services.find(({ label }) => label === "web-server")?.address ?? "";
  const before = await machine.run("cat /etc/resolv.conf");
  for (let round = 0; round < 2; round++) {
    const { code, stderr } = await machine.script(script, parameters);
    if (code !== 0) throw new Error(stderr);
  }
  const asked = await machine.run(
    `python3 -c 'import socket; print(socket.getaddrinfo("${webOf("b")}", 80, socket.AF_INET6)[0][4][0])'`,
  );
  expectSame(asked, wanted);
  await machine.script(script, parameters, "remove");
  expectSame(await machine.run("cat /etc/resolv.conf"), before);
  return `${webOf("b")} is ${asked}`;
}

/** Whether a page of b's machine is there by a name. */
const answers = (lab: MeshLab, label: string) => async (): Promise<boolean> =>
  (await lab.sites.a.box.try(`curl --silent --max-time 3 http://${label}.${zoneOf("b")}:8080/`)).stdout ===
  "b\n";

const machineOfB = "10.1.1.3";
const nobody = "10.1.1.77";

async function containers(lab: MeshLab): Promise<string> {
  const list = await docker(lab.sites.b.box);
  const began = Date.now();
  const label = "my-awesome-container-123";
  await list([
    { name: "_my.awesome_container_.123.", created: 1, address: machineOfB },
    { name: "undeclared", created: 2, address: machineOfB },
  ]);
  const there = await secondsUntil("it answers", answers(lab, label), 30, began);
  const { box } = lab.sites.a;
  const undeclared = `undeclared.${zoneOf("b")}`;
  await until("the other resolves", async () => (await box.try(`getent ahostsv6 ${undeclared}`)).code === 0);
  if (!(await isClosed(box, undeclared, 8080))) throw new Error("what mesh.access does not have is open");
  await list([]);
  const gone = await secondsUntil(
    "its name is gone",
    async () => (await lab.sites.a.box.try(`getent ahostsv6 ${label}.${zoneOf("b")}`)).code !== 0,
    90,
  );
  return `reached after ${there} from the other site, gone after ${gone}, one that is not declared is closed; Docker's API is a stand-in`;
}

async function collision(lab: MeshLab): Promise<string> {
  const list = await docker(lab.sites.b.box);
  const former = { name: "web.box", created: 1, address: machineOfB };
  const later = { name: "Web_Box", created: 2, address: nobody };
  const refusal = async () =>
    (await lab.sites.b.status()).names?.find(({ name }) => name === "Web_Box")?.refused ?? "";
  await list([former, later]);
  await until("the later one is refused", async () => (await refusal()) !== "");
  const said = await refusal();
  await until("the former has the name", answers(lab, "web-box"));
  await list([later]);
  await until("the later has it", async () => (await refusal()) === "");
  const began = Date.now();
  await list([former, later]);
  const back = await secondsUntil("the former has it again", answers(lab, "web-box"), 30, began);
  await list([former]);
  await until("the later has gone", async () => (await refusal()) === "");
  if (!(await answers(lab, "web-box")())) throw new Error("the former went along with the later");
  await list([]);
  return `back after ${back}; the later: "${said}"`;
}

/** What serves TLS on the ingress' node port is a stand-in; the way to it is that of a stack. */
async function ingress(lab: MeshLab): Promise<string> {
  const [machine, { box }] = [lab.machines.b, lab.sites.a];
  const wire = "nginz-https.wire.example.com";
  const authority = await lab.authority();
  const { certificate, privateKey } = await authority.issue(wire, lab.plan("b", siteNames).site.prefix);
  await machine.write("/run/ingress.pem", `${privateKey}\n${certificate}`);
  await box.write("/run/authority.pem", authority.certificate);
  const port = ingressNodePorts.https;
  const listens = async () => (await machine.try(`ss -ltn | grep -q ':${port} '`)).code === 0;
  if (!(await listens()))
    machine.begin(
      `openssl s_server -quiet -accept ${port} -cert /run/ingress.pem -key /run/ingress.pem -www`,
    );
  await until("the ingress listens", listens);
  const page = await box.run(
    `curl --silent --fail --max-time 10 --cacert /run/authority.pem --connect-to ${wire}:443:wire.${zoneOf("b")}:443 https://${wire}/`,
  );
  if (!page.includes("TLSv1.3")) throw new Error(`it answers ${page}`);
  return `${wire} by way of wire.${zoneOf("b")}; a stand-in serves it`;
}

async function nextTarget(lab: MeshLab): Promise<string> {
  // As Wire's ingress has it, on several nodes; the first is one that refuses, and counts that it was asked.
  const machine = lab.machines.b;
  await machine.run(
    "nft 'add table inet lab; add chain inet lab asked { type filter hook input priority 0; }; add rule inet lab asked tcp dport 9 counter'",
  );
  const asked = async () =>
    Number(/counter packets (\d+)/.exec(await machine.run("nft list chain inet lab asked"))?.[1]);
  const path = `${directories.settings}/mesh.json`;
  const text = await lab.sites.b.box.run(`cat ${path}`);
  const settings = JSON.parse(text);
  for (const service of settings.services)
    if (service.label === "web-server") service.targets.unshift(`${machineOfB}:9`);
  await lab.sites.b.box.write(path, JSON.stringify(settings));
  try {
    const seconds = await secondsUntil(
      "a reaches b by way of the one that is away",
      async () => (await reaches(lab, "a", "b")) && (await asked()) > 0,
      30,
    );
    return `after ${seconds}; the first was tried ${await asked()} times`;
  } finally {
    await lab.sites.b.box.write(path, `${text}\n`);
    await machine.run("nft delete table inet lab");
    await until("a reaches b", () => reaches(lab, "a", "b"), 30);
  }
}
