# Listens on a machine and tells whoever asks what reached it, as namespace-agent.ts does in a namespace.
# Arguments: the machine's name, then ports such as tcp:31772. It ends when its standard input does.
import json
import socketserver
import sys
import threading


def answer(protocol, port, peer):
    seen = {"machine": sys.argv[1], "protocol": protocol, "port": port, "from": peer[0], "fromPort": peer[1]}
    return json.dumps(seen).encode()


class Tcp(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1)
        self.request.sendall(answer("tcp", self.server.server_address[1], self.client_address))


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(answer("udp", self.server.server_address[1], self.client_address), self.client_address)


socketserver.ThreadingTCPServer.allow_reuse_address = True
servers = []
for argument in sys.argv[2:]:
    protocol, port = argument.split(":")
    kind, handler = (
        (socketserver.ThreadingTCPServer, Tcp) if protocol == "tcp" else (socketserver.ThreadingUDPServer, Udp)
    )
    server = kind(("0.0.0.0", int(port)), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    servers.append(server)
print("listening", flush=True)
sys.stdin.read()
