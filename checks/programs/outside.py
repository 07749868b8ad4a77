"""What a client sees of a deployment from where this runs: its public names, its ports, and its relay."""
import base64
import calendar
import concurrent.futures
import hashlib
import hmac
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import time

GIVEN = json.load(sys.stdin)
ADDRESS = GIVEN["address"]
SECONDS = 15
COOKIE = b"\x21\x12\xa4\x42"


def name(host):
    """The certificate that a name is shown, and the status that its page answers with."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((ADDRESS, 443), SECONDS) as plain, context.wrap_socket(plain, server_hostname=host) as secure:
        der = secure.getpeercert(binary_form=True)
        secure.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        status = secure.recv(64).split(b"\r\n")[0].decode(errors="replace")
    pem = ssl.DER_cert_to_PEM_cert(der)
    command = ["openssl", "x509", "-noout", "-enddate", "-issuer", "-checkhost", host]
    shown = subprocess.run(command, input=pem, capture_output=True, text=True).stdout
    end = re.search(r"notAfter=(.*) GMT", shown).group(1)
    return {
        "status": int(status.split()[1]) if status.startswith("HTTP/") else 0,
        "days": (calendar.timegm(time.strptime(end, "%b %d %H:%M:%S %Y")) - time.time()) / 86400,
        "issuer": re.search(r"issuer=\s*(.*)", shown).group(1),
        "named": "does match" in shown,
    }


def port(number):
    """Whether a connection to a TCP port is taken."""
    try:
        socket.create_connection((ADDRESS, number), 5).close()
        return True
    except OSError:
        return False


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def message(kind, attributes, key=None):
    """A STUN message (RFC 5389), with its integrity where a key is given."""
    body, transaction = b"".join(attributes), os.urandom(12)
    if key:
        head = struct.pack(">HH", kind, len(body) + 24) + COOKIE + transaction
        body += attribute(0x0008, hmac.new(key, head + body, hashlib.sha1).digest())
    return struct.pack(">HH", kind, len(body)) + COOKIE + transaction + body


def attributes(answer):
    found, at = {}, 20
    while at + 4 <= len(answer):
        kind, size = struct.unpack(">HH", answer[at : at + 4])
        found[kind] = answer[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4
    return found


def exchange(plain, protocol, sent):
    if protocol == "tcp":
        plain.sendall(sent)
        answer = plain.recv(20)
        size = struct.unpack(">H", answer[2:4])[0] + 20
        while len(answer) < size:
            answer += plain.recv(size - len(answer))
        return answer
    for _ in range(4):
        plain.send(sent)
        try:
            return plain.recv(2048)
        except TimeoutError:
            continue
    raise OSError("does not answer")


def relay(protocol, secret):
    """Logs in to the relay as brig has clients do, and gives the address back that it lends (RFC 5766)."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as plain:
        plain.settimeout(SECONDS if protocol == "tcp" else 3)
        plain.connect((ADDRESS, GIVEN["turn"]["port"]))
        wanted = attribute(0x0019, b"\x11\0\0\0")
        asked = attributes(exchange(plain, protocol, message(0x0003, [wanted])))
        realm, nonce = asked[0x0014], asked[0x0015]
        user = f"{int(time.time()) + 60}:verify".encode()
        password = base64.b64encode(hmac.new(secret.encode(), user, hashlib.sha1).digest())
        key = hashlib.md5(user + b":" + realm + b":" + password).digest()
        login = [attribute(0x0006, user), attribute(0x0014, realm), attribute(0x0015, nonce)]
        answer = exchange(plain, protocol, message(0x0003, [wanted, *login], key))
        found = attributes(answer)
        if answer[:2] != b"\x01\x03":
            code = found.get(0x0009, b"\0\0\0\0")
            return {"refused": code[2] * 100 + code[3], "text": code[4:].decode(errors="replace")}
        lent = found[0x0016]
        address = socket.inet_ntoa(bytes(a ^ b for a, b in zip(lent[4:8], COOKIE)))
        # No time left: it may lend it to others at once.
        exchange(plain, protocol, message(0x0004, [attribute(0x000D, b"\0\0\0\0"), *login], key))
        return {"address": address, "port": struct.unpack(">H", lent[2:4])[0] ^ 0x2112}


def attempt(look, *arguments):
    try:
        return look(*arguments)
    except (OSError, ValueError, KeyError, AttributeError, IndexError, struct.error) as error:
        return {"error": str(error) or type(error).__name__}


with concurrent.futures.ThreadPoolExecutor(16) as pool:
    names = {host: pool.submit(attempt, name, host) for host in GIVEN["names"]}
    ports = {number: pool.submit(port, number) for number in GIVEN["ports"]}
    turn = GIVEN.get("turn")
    logins = {protocol: pool.submit(attempt, relay, protocol, turn["secret"]) for protocol in ("udp", "tcp")} if turn else {}
    stranger = pool.submit(attempt, relay, "udp", "another secret") if turn else None
    print(json.dumps({
        "names": {host: look.result() for host, look in names.items()},
        "ports": {number: look.result() for number, look in ports.items()},
        "relay": {protocol: look.result() for protocol, look in logins.items()},
        "stranger": stranger.result() if stranger else None,
    }))
