import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MeshPlan, planMesh } from "../../components/config/mesh";
import { mesh as schema } from "../../components/config/mesh-schema";
import { run } from "../../toolchain/commands";
import { projectDirectory } from "../../toolchain/environment";
import { findGo, goEnvironment } from "../../toolchain/go";
import { cable, Namespace } from "../acceptance/verify/namespace";
import { ended, until } from "../fixtures/machine";
import { type Issued, MeshAuthority } from "../fixtures/mesh-authority";
import { meshPrograms } from "../fixtures/mesh-programs";
import { type MeshPrograms, MeshSite } from "../fixtures/mesh-site";

// Gateways in network namespaces behind a router, with the programs that a stack puts on them. WireGuard runs in user space here
// unless the machine's kernel has it.

const cwd = join(projectDirectory, "mesh");
const names = ["a", "b", "c"] as const;
type Name = (typeof names)[number];
const zone = (name: Name) => `${name}.pmd.internal`;
const address = (name: Name) => `10.1.${names.indexOf(name)}.2`;

let programs: MeshPrograms;
let router: Namespace;
let authority: MeshAuthority;
const sites = {} as Record<Name, MeshSite>;
const identities = {} as Record<Name, Awaited<ReturnType<MeshAuthority["issue"]>>>;
const endpoints: Record<Name, string> = { a: address("a"), b: address("b"), c: address("c") };

/** The mesh as one site has it, with the sites that it knows. */
function planOf(name: Name, known: readonly Name[], changes: object = {}): MeshPlan {
  const target = "127.0.0.1:8080";
  return planMesh(
    schema.parse({
      site: name,
      gateway: "gateway",
      endpoint: endpoints[name],
      identity: { certificateFile: "-", privateKeyFile: "-", authorityFile: "-" },
      peers: known
        .filter((other) => other !== name)
        .map((other) => ({ site: other, endpoint: address(other) })),
      services: [
        { name: "Web_Server", port: 80, target },
        { name: "echo", protocol: "udp", port: 7, target },
        { name: "private", port: 80, target, peers: [] },
      ],
      ...changes,
    }),
    endpoints[name],
  );
}

const configure = (name: Name, known: readonly Name[]) => sites[name].configure(planOf(name, known));
const fetchFrom = (from: Name, to: Name, path = "/") =>
  sites[from].try(`curl --silent --fail --max-time 10 http://web-server.${zone(to)}${path}`);
const reaches = async (from: Name, to: Name) => (await fetchFrom(from, to)).stdout.startsWith(`${to}\n`);
const joined = (from: Name, to: Name) => async () => {
  const peer = await sites[from].peer(zone(to));
  return peer?.state === "joined" && peer.handshakeAge >= 0;
};
/** The router's rules: what it drops. */
const drop = (...rules: string[]) =>
  router.pipe(
    `add table inet test\ndelete table inet test\ntable inet test {\nchain forward { type filter hook forward priority 0;\n${rules.map((rule) => `${rule} drop`).join("\n")}\n}\nchain output { type filter hook output priority 0;\n${rules.map((rule) => `${rule} drop`).join("\n")}\n}\n}\n`,
    ...["nft", "-f", "-"],
  );

/** Looks for a text in all that passes a network; `stop` says in how many packets of how many it was. */
async function sniff(network: Namespace, text: string) {
  const program = [
    "import select, socket, sys",
    "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))",
    "print('started', flush=True)",
    "packets = marked = 0",
    "ended = False",
    "while True:",
    "    ready = select.select([s] if ended else [s, sys.stdin], [], [], 0.5 if ended else None)[0]",
    "    if s in ready:",
    "        data = s.recv(65535)",
    "        packets += 1",
    `        marked += b'${text}' in data`,
    "    elif ended:",
    "        break",
    "    ended = ended or sys.stdin in ready",
    "print(packets, marked)",
  ].join("\n");
  const child = spawn("ip", ["netns", "exec", network.name, "python3", "-c", program]);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return {
    stop: async () => {
      const [packets = 0, marked = 0] = (await ended(child)).stdout.trim().split(" ").map(Number);
      return { packets, marked };
    },
  };
}

/** Starts numbered packets from one site to another's name; `stop` says how many of them were lost. */
async function packets(from: Name, to: Name, perSecond: number) {
  const script = join(projectDirectory, "tests/fixtures/mesh-pinger.py");
  const child = sites[from].spawn("-c", `exec python3 ${script} echo.${zone(to)} 7 ${perSecond}`);
  await new Promise((resolve, reject) => {
    child.stdout?.once("data", resolve);
    child.once("close", () => reject(new Error("the packets ended early")));
  });
  const result = new Promise<{ sent: number; lost: number }>((resolve) => {
    let text = "";
    child.stdout?.on("data", (data) => {
      text += data;
    });
    child.once("close", () => {
      const [sent = 0, answered = 0] = text.trim().split(" ").map(Number);
      resolve({ sent, lost: sent - answered });
    });
  });
  return {
    stop: () => {
      child.stdin?.end();
      return result;
    },
  };
}

async function boot(name: Name, known: readonly Name[]): Promise<void> {
  configure(name, known);
  sites[name].up("device", "run", "forward", "dns");
}

beforeAll(async () => {
  programs = await meshPrograms();
  authority = await MeshAuthority.make("mesh of the tests");
  router = new Namespace("router");
  router.set("net/ipv4/ip_forward", 1);
  for (const [index, name] of names.entries()) {
    const site = await MeshSite.start(name, programs);
    sites[name] = site;
    cable(router, `to-${name}`, site.network, "eth0");
    router.run("ip", "address", "add", `10.1.${index}.1/24`, "dev", `to-${name}`);
    site.network.run("ip", "address", "add", `${address(name)}/24`, "dev", "eth0");
    site.network.run("ip", "route", "add", "default", "via", `10.1.${index}.1`);
    const plan = planOf(name, names);
    identities[name] = await authority.issue(zone(name), plan.site.prefix);
    site.identify(identities[name], authority.certificate);
    await site.resolveBy(plan.nameServer);
    site.begin("server", `python3 ${join(projectDirectory, "tests/fixtures/mesh-server.py")} ${name} 8080`);
  }
}, 600_000);
afterAll(async () => {
  for (const site of Object.values(sites)) {
    if (process.env.MESH_LOGS) console.log(site.logs());
    await site.stop();
  }
  router?.remove();
});

it("the gateway's program is formatted, vetted, and passes its own tests", {
  timeout: 600_000,
}, async () => {
  const go = await findGo();
  const root = await run(go, ["env", "GOROOT"], { cwd, env: goEnvironment });
  expect(await run(join(root, "bin/gofmt"), ["-l", "."], { cwd })).toBe("");
  await run(go, ["vet", "./..."], { cwd, env: goEnvironment });
  expect(await run(go, ["test", "./..."], { cwd, env: goEnvironment })).toMatch(/^ok\s/m);
});

describe("two sites", () => {
  it("find each other, and reach each other's names over HTTP and UDP both ways", async () => {
    await boot("a", ["a", "b"]);
    await boot("b", ["a", "b"]);
    await until("a has joined b", joined("a", "b"), 60);
    await until("b has joined a", joined("b", "a"), 60);
    await until("a reaches b", () => reaches("a", "b"));
    await until("b reaches a", () => reaches("b", "a"));
    for (const [from, to] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      const stream = await packets(from, to, 20);
      const { sent, lost } = await stream.stop();
      expect(sent).toBeGreaterThan(0);
      expect(lost).toBe(0);
    }
    expect((await sites.a.peer(zone("b")))?.preshared).toBe((await sites.b.peer(zone("a")))?.preshared);
  }, 120_000);

  it("offer what is declared and nothing else", async () => {
    const { gatewayAddress, services } = planOf("b", names);
    const open = async (at: string, port: number) =>
      (await sites.a.try(`curl --silent --output /dev/null --max-time 2 'http://[${at}]:${port}/'`)).code !==
      28;
    const [web, , secret] = services;
    expect(await open(web?.address ?? "", 80)).toBe(true);
    // A name that is offered to nobody, another port of one that is, the exchange and the gateway's own.
    expect(await open(secret?.address ?? "", 80)).toBe(false);
    expect(await open(web?.address ?? "", 8080)).toBe(false);
    expect(await open(gatewayAddress, 29292)).toBe(false);
    expect(await open(gatewayAddress, 22)).toBe(false);
  });

  it("send nothing in clear", async () => {
    const marker = "mesh-marker-in-clear-7f3a";
    const through = () => sniff(router, marker);
    const tunnel = await through();
    for (let index = 0; index < 20; index++)
      await sites.a.run(
        `curl --silent --fail --max-time 10 --data '${marker}' http://web-server.${zone("b")}/`,
      );
    const inTunnel = await tunnel.stop();
    expect(inTunnel.packets).toBeGreaterThan(40);
    expect(inTunnel.marked).toBe(0);
    const beside = await through();
    await sites.a.run(`echo ${marker} >/dev/udp/${address("b")}/9`);
    expect((await beside.stop()).marked).toBeGreaterThan(0);
  });

  it("carry large answers over a path of 1400 bytes on which nobody says so", async () => {
    router.run("ip", "link", "set", "to-b", "mtu", "1400");
    await drop("ip protocol icmp");
    try {
      for (const [from, to] of [
        ["a", "b"],
        ["b", "a"],
      ] as const)
        expect((await fetchFrom(from, to, "/1000000")).stdout).toHaveLength(1_000_002);
    } finally {
      router.run("ip", "link", "set", "to-b", "mtu", "1500");
      await drop();
    }
  });
});

describe("a third site", () => {
  it("joins once both ports are open, each said by name while it is closed, and disturbs nobody", async () => {
    const both = [await packets("a", "b", 50), await packets("b", "a", 50)];
    await drop(`ip daddr ${address("c")} tcp dport 29292`, `ip saddr ${address("c")} tcp dport 29292`);
    for (const name of ["a", "b"] as const) configure(name, names);
    await boot("c", names);
    const trouble = async () => (await sites.a.peer(zone("c")))?.trouble ?? "";
    await until("a says that tcp is closed", async () =>
      /tcp 10\.1\.2\.2:29292 does not answer/.test(await trouble()),
    );
    expect((await sites.a.peer(zone("c")))?.state).toBe("waiting");

    await drop(`ip daddr ${address("c")} udp dport 29292`, `ip saddr ${address("c")} udp dport 29292`);
    await until(
      "a says that udp is closed",
      async () => /udp 10\.1\.2\.2:29292: no handshake .*open for UDP/.test(await trouble()),
      60,
    );
    await drop();
    for (const other of ["a", "b"] as const) {
      await until(`${other} has joined c`, joined(other, "c"), 60);
      await until(`${other} reaches c`, () => reaches(other, "c"));
      await until(`c reaches ${other}`, () => reaches("c", other));
    }
    expect(await trouble()).toBe("");
    for (const one of both) expect((await one.stop()).lost).toBe(0);
  }, 240_000);

  it("is followed to another address within 20 seconds", async () => {
    const stream = await packets("a", "c", 20);
    endpoints.c = "10.1.2.9";
    sites.c.network.run("ip", "address", "delete", `${address("c")}/24`, "dev", "eth0");
    sites.c.network.run("ip", "address", "add", "10.1.2.9/24", "dev", "eth0");
    sites.c.network.run("ip", "route", "replace", "default", "via", "10.1.2.1");
    configure("c", names);
    const started = Date.now();
    await until("a reaches c", () => reaches("a", "c"), 20);
    for (const other of ["a", "b"] as const)
      await until(
        `${other} knows where c is`,
        async () => (await sites[other].peer(zone("c")))?.endpoint === "10.1.2.9:29292",
        20,
      );
    const { sent, lost } = await stream.stop();
    console.log(
      `endpoint moved: followed after ${Date.now() - started} ms, ${lost} of ${sent} packets at 20/s lost`,
    );
  });

  it("is cut off everywhere within 10 seconds once one site has it on its revocation list", async () => {
    const list = await authority.revoke(identities.c);
    const started = Date.now();
    sites.a.put("revocations.pem", list);
    const cut = (name: Name) => async () => (await sites[name].peer(zone("c")))?.state === "cut";
    await until("a has cut c off", cut("a"), 10);
    const here = Date.now() - started;
    // Nobody has told b but a.
    await until("b has cut c off", cut("b"), 10);
    const there = Date.now() - started;
    expect(there).toBeLessThan(10_000);
    console.log(
      `revoked: cut off by the site that has the list after ${here} ms, by the other after ${there} ms`,
    );
    for (const name of ["a", "b"] as const) {
      expect(await reaches(name, "c")).toBe(false);
      expect(await reaches("c", name)).toBe(false);
    }
    expect(await reaches("a", "b")).toBe(true);
  });

  it("is refused with a certificate that has run out, of another authority, or for another prefix", async () => {
    const other = await MeshAuthority.make("another mesh");
    const { prefix } = planOf("c", names).site;
    const foreign = "fd51:1:1:1::/64";
    const cases = [
      ["run out", await authority.issue(zone("c"), prefix, -60_000), prefix, /expired/],
      ["of another authority", await other.issue(zone("c"), prefix), prefix, /unknown authority/],
      // It believes so itself.
      [
        "for another prefix",
        await authority.issue(zone("c"), foreign),
        foreign,
        /is for the prefix "fd51:1:1:1::\/64"/,
      ],
    ] as const;
    const restart = async (identity: Issued, own: string) => {
      sites.c.identify(identity, authority.certificate);
      sites.c.configure(planOf("c", names, { prefix: own }));
      await sites.c.end("run");
      sites.c.up("run");
    };
    for (const [what, identity, own, reason] of cases) {
      await restart(identity, own);
      await until(
        `a says why it refuses a certificate ${what}`,
        async () => reason.test((await sites.a.peer(zone("c")))?.trouble ?? ""),
        30,
      );
      expect((await sites.a.peer(zone("c")))?.state).toBe("cut");
      expect(await reaches("a", "c")).toBe(false);
    }
    // With one that is in order it is in again.
    await restart(await authority.issue(zone("c"), prefix), prefix);
    await until("a reaches c", () => reaches("a", "c"), 60);
  }, 180_000);
});

describe("what fails or is renewed", () => {
  it("a pre-shared key, and the daemons killed, cost no packet over the next handshake", async () => {
    const digest = async () => (await sites.a.peer(zone("b")))?.preshared;
    const former = await digest();
    const both = [await packets("a", "b", 50), await packets("b", "a", 50)];
    const started = Date.now();
    await sites.a.mesh("rotate-preshared");
    await until("both have the same new key", async () => {
      const [one, other] = [await digest(), (await sites.b.peer(zone("a")))?.preshared];
      return one !== former && one !== "" && one === other;
    });
    for (const name of ["a", "b"] as const) {
      await sites[name].end("run");
      sites[name].up("run");
    }
    // Sessions are renewed after 120 s (REKEY_AFTER_TIME), which is the first use of the new key.
    await until(
      "a handshake with the new key",
      async () =>
        ((await sites.a.peer(zone("b")))?.handshakeAge ?? 1e9) * 1000 < Date.now() - started - 10_000,
      150,
    );
    for (const one of both) {
      const { sent, lost } = await one.stop();
      console.log(`pre-shared key renewed and both daemons killed: ${lost} of ${sent} packets lost`);
      expect(lost).toBe(0);
    }
  }, 240_000);

  it("a private key is renewed in place, at the price of the packets until the others know it", async () => {
    const stream = await packets("b", "a", 50);
    const { publicKey } = JSON.parse(await sites.a.mesh("status"));
    await sites.a.mesh("rotate-private");
    expect(JSON.parse(await sites.a.mesh("status")).publicKey).not.toBe(publicKey);
    await until("b reaches a", () => reaches("b", "a"));
    const { sent, lost } = await stream.stop();
    console.log(`private key renewed in place: ${lost} of ${sent} packets at 50/s lost`);
    expect(lost).toBeLessThan(sent);
  });

  it("a gateway that starts anew, and its name server, come back by themselves", async () => {
    for (const parts of [["device", "run", "forward", "dns"], ["dns"], ["forward"]] as const) {
      for (const part of parts) await sites.b.end(part);
      const started = Date.now();
      sites.b.up(...parts);
      await until("a reaches b", () => reaches("a", "b"), 60);
      await until("b reaches a", () => reaches("b", "a"), 60);
      console.log(`${parts.join(", ")} killed: both ways by name again after ${Date.now() - started} ms`);
    }
  }, 200_000);

  it("a name that is no longer claimed gives its label back to the former one", async () => {
    const service = (name: string, port: number) => ({ name, port, target: "127.0.0.1:8080" });
    const withServices = (services: object[]) =>
      planMesh(
        schema.parse({
          ...{ site: "b", gateway: "gateway", endpoint: endpoints.b, collisions: "suffix", services },
          identity: { certificateFile: "-", privateKeyFile: "-", authorityFile: "-" },
          peers: [{ site: "a", endpoint: address("a") }],
        }),
        endpoints.b,
      );
    const answers = async (port: number) =>
      (await sites.a.try(`curl --silent --max-time 3 http://web-server.${zone("b")}:${port}/`)).stdout ===
      "b\n";
    sites.b.configure(withServices([service("web.server", 81), service("Web_Server", 80)]));
    await until("the earlier claim has the label", async () => (await answers(81)) && !(await answers(80)));
    sites.b.configure(withServices([service("Web_Server", 80)]));
    await until("the other has it again", async () => (await answers(80)) && !(await answers(81)));
  });
});
