// Runs inside a network namespace: listens, probes and says what it saw. One JSON request a line on
// standard input, one answer a line on standard output.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect, createServer, Socket } from "node:net";
import { createInterface } from "node:readline";

/** What a listener answers to whoever reaches it. */
export interface Answer {
  readonly machine: string;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** Address and port that the request came from, as the listener saw them. */
  readonly from: string;
  readonly fromPort: number;
}

export interface Probe {
  readonly protocol: "tcp" | "udp";
  readonly address: string;
  readonly port: number;
  /** Milliseconds after which no answer counts as none. */
  readonly patience: number;
  readonly sourcePort?: number;
  /** What a datagram has in it, in base64. @default a question mark */
  readonly payload?: string;
}

export type Request =
  | { readonly do: "listen"; readonly tcp: readonly number[]; readonly udp: readonly number[] }
  | { readonly do: "probe"; readonly probe: Probe }
  | { readonly do: "open"; readonly probe: Probe }
  | { readonly do: "again" }
  | { readonly do: "arrivals" };

const machine = process.argv[2] ?? "";
const arrivals: Answer[] = [];
let kept: Socket | undefined;

function answer(protocol: "tcp" | "udp", port: number, from = "", fromPort = 0): string {
  const seen = { machine, protocol, port, from: from.replace("::ffff:", ""), fromPort };
  arrivals.push(seen);
  return JSON.stringify(seen);
}

function listenTcp(port: number): Promise<void> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", () => socket.write(answer("tcp", port, socket.remoteAddress, socket.remotePort)));
  });
  return new Promise((done, failed) => server.once("error", failed).listen(port, "::", done));
}

function listenUdp(port: number): Promise<void> {
  const socket = createSocket("udp4");
  socket.on("message", (_, peer) =>
    socket.send(answer("udp", port, peer.address, peer.port), peer.port, peer.address),
  );
  return new Promise((done, failed) => socket.once("error", failed).bind(port, "0.0.0.0", done));
}

/** Sends one request and gives the answer, or the reason for none. */
function exchange(socket: Socket | UdpSocket, send: () => void, patience: number): Promise<unknown> {
  return new Promise((done) => {
    const timer = setTimeout(() => done({ none: "no answer" }), patience);
    const finish = (result: unknown) => {
      clearTimeout(timer);
      done(result);
    };
    const emitter: NodeJS.EventEmitter = socket;
    emitter.once("error", (error: NodeJS.ErrnoException) => finish({ none: error.code }));
    emitter.once(socket instanceof Socket ? "data" : "message", (data: Buffer) =>
      finish(JSON.parse(data.toString())),
    );
    send();
  });
}

async function probeTcp({ address, port, patience }: Probe, keep: boolean): Promise<unknown> {
  const socket = connect({ host: address, port });
  const result = await exchange(socket, () => socket.write("?"), patience);
  if (keep) kept = socket;
  else socket.destroy();
  return result;
}

async function probeUdp({ address, port, patience, sourcePort, payload }: Probe): Promise<unknown> {
  const socket = createSocket("udp4");
  if (sourcePort) {
    await new Promise<void>((done, failed) => socket.once("error", failed).bind(sourcePort, done));
  }
  const result = await exchange(
    socket,
    () => socket.send(payload ? Buffer.from(payload, "base64") : "?", port, address),
    patience,
  );
  socket.close();
  return result;
}

async function perform(request: Request): Promise<unknown> {
  switch (request.do) {
    case "listen":
      await Promise.all([...request.tcp.map(listenTcp), ...request.udp.map(listenUdp)]);
      return {};
    case "probe":
      return request.probe.protocol === "tcp" ? probeTcp(request.probe, false) : probeUdp(request.probe);
    case "open":
      return probeTcp(request.probe, true);
    case "again": {
      const socket = kept;
      return socket ? exchange(socket, () => socket.write("?"), 10_000) : { none: "nothing is open" };
    }
    case "arrivals":
      return arrivals.splice(0);
  }
}

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { id, request } = JSON.parse(line) as { id: number; request: Request };
    const result = await perform(request).catch((error: Error) => ({ failed: error.message }));
    process.stdout.write(`${JSON.stringify({ id, result })}\n`);
  })
  .on("close", () => process.exit(0));
