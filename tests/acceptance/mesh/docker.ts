import { until } from "../../fixtures/machine";
import type { Box } from "./box";

/**
 * A stand-in for Docker's API on a gateway; gives what has it list containers, which are none: their addresses are of the site's
 * network, or of one that they have to themselves, and their image exposes port 8080.
 */
export async function docker(box: Box) {
  const list = (
    containers: readonly { name: string; created: number; address: string; prefixLength?: number }[],
  ) =>
    box.write(
      "/run/containers.json",
      JSON.stringify(
        containers.map(({ name, created, address, prefixLength }) => ({
          Id: name,
          Names: [`/${name}`],
          Created: created,
          Ports: [{ PrivatePort: 8080, Type: "tcp" }],
          NetworkSettings: { Networks: { wgnet: { IPAddress: address, IPPrefixLen: prefixLength } } },
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
