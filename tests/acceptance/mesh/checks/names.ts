import { expectSame, type Report } from "../../../../checks/report";
import { directories } from "../../../../components/mesh/files";
import { until } from "../../../fixtures/machine";
import { type MeshLab, siteNames, zoneOf } from "../lab";
import { fetchFrom, hasJoined, packets, reaches, secondsUntil, webOf } from "../probes";

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

/** A stand-in for Docker's API, which lists containers that are none: addresses of the gateway's own. */
async function docker(lab: MeshLab) {
  const { box } = lab.sites.b;
  const list = (containers: readonly { name: string; created: number; address: string }[]) =>
    box.write(
      "/run/containers.json",
      JSON.stringify(
        containers.map(({ name, created, address }) => ({
          Id: name,
          Names: [`/${name}`],
          Created: created,
          Ports: [{ PrivatePort: 8080, Type: "tcp" }],
          NetworkSettings: { Networks: { wgnet: { IPAddress: address } } },
        })),
      ),
    );
  await list([]);
  const server = [
    "import http.server, socketserver",
    "class Api(http.server.BaseHTTPRequestHandler):",
    "    def do_GET(self):",
    "        body = open('/run/containers.json', 'rb').read()",
    "        self.send_response(200)",
    "        self.send_header('Content-Length', str(len(body)))",
    "        self.end_headers()",
    "        self.wfile.write(body)",
    "    def log_message(self, *_): pass",
    "class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):",
    "    def get_request(self):",
    "        return super().get_request()[0], ('docker', 0)",
    "Server('/run/docker.sock', Api).serve_forever()",
  ].join("\n");
  await box.write("/run/docker.py", server);
  if ((await box.try("test -S /run/docker.sock")).code !== 0) box.begin("python3 /run/docker.py");
  await until(
    "the stand-in for Docker answers",
    async () => (await box.try("test -S /run/docker.sock")).code === 0,
  );
  return list;
}

/** Which of b's two container targets answers by a name: the machine behind, or the gateway itself. */
const answers = (lab: MeshLab, label: string) => async (): Promise<boolean> =>
  (await lab.sites.a.box.try(`curl --silent --max-time 3 http://${label}.${zoneOf("b")}:8080/`)).stdout ===
  "b\n";

const machineOfB = "10.1.1.3";
const nobody = "10.1.1.77";

async function containers(lab: MeshLab): Promise<string> {
  const list = await docker(lab);
  const began = Date.now();
  const label = "my-awesome-container-123";
  await list([{ name: "_my.awesome_container_.123.", created: 1, address: machineOfB }]);
  const there = await secondsUntil("it answers", answers(lab, label), 30, began);
  await list([]);
  const gone = await secondsUntil(
    "its name is gone",
    async () => (await lab.sites.a.box.try(`getent ahostsv6 ${label}.${zoneOf("b")}`)).code !== 0,
    90,
  );
  return `reached after ${there} from the other site, gone after ${gone}; Docker's API is a stand-in`;
}

async function collision(lab: MeshLab): Promise<string> {
  const list = await docker(lab);
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
  await list([]);
  return `back after ${back}; the later: "${said}"`;
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
