"""As much of AMQP 0-9-1 as it takes to send a message with confirmation and to get it back."""
import socket
import struct

PERSISTENT = 2


class Closed(Exception):
    """The broker has ended the conversation, with its reason."""


def short(text):
    data = text.encode()
    return struct.pack(">B", len(data)) + data


def long(data):
    return struct.pack(">I", len(data)) + data


def table(entries):
    """Of texts and whole numbers."""
    fields = b""
    for key, value in entries.items():
        kind = b"S" + long(value.encode()) if isinstance(value, str) else b"l" + struct.pack(">q", value)
        fields += short(key) + kind
    return long(fields)


class Channel:
    """A connection with one channel on which the broker confirms what it has been sent."""

    def __init__(self, address, port, user, password, context=None, seconds=60):
        plain = socket.create_connection((address, port), timeout=seconds)
        self.socket = context.wrap_socket(plain, server_hostname=address) if context else plain
        self.read = self.socket.makefile("rb")
        self.sent = 0
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        self.expect(10, 10)
        login = long(b"\0" + user.encode() + b"\0" + password.encode())
        self.call(0, 10, 11, table({"product": "wiab"}) + short("PLAIN") + login + short("en_US"))
        tune = self.expect(10, 30)
        channels, size, _ = struct.unpack(">HIH", tune[:8])
        # No heartbeats: a conversation is over before one would be due.
        self.call(0, 10, 31, struct.pack(">HIH", channels, size, 0))
        self.call(0, 10, 40, short("/") + short("") + b"\0")
        self.expect(10, 41)
        self.call(1, 20, 10, short(""))
        self.expect(20, 11)
        self.call(1, 85, 10, b"\0")
        self.expect(85, 11)

    def frame(self, kind, channel, payload):
        return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"

    def call(self, channel, class_id, method, arguments=b""):
        self.socket.sendall(self.frame(1, channel, struct.pack(">HH", class_id, method) + arguments))

    def receive(self):
        header = self.read.read(7)
        if len(header) < 7:
            raise Closed("the broker has closed the connection")
        kind, _, size = struct.unpack(">BHI", header)
        return kind, self.read.read(size + 1)[:-1]

    def expect(self, class_id, *methods):
        """Waits for one of these methods; gives its arguments, after its number if there are several."""
        while True:
            kind, payload = self.receive()
            if kind != 1:
                continue
            got = struct.unpack(">HH", payload[:4])
            if got[0] == class_id and got[1] in methods:
                return payload[4:] if len(methods) == 1 else (got[1], payload[4:])
            if got in ((10, 50), (20, 40)):
                raise Closed(payload[7 : 7 + payload[6]].decode())

    def declare(self, queue, arguments):
        """A durable queue."""
        self.call(1, 50, 10, b"\0\0" + short(queue) + b"\x02" + table(arguments))
        self.expect(50, 11)

    def publish(self, queue, body):
        """Sends a persistent message and waits until the broker has confirmed it."""
        properties = struct.pack(">HHQHB", 60, 0, len(body), 0x1000, PERSISTENT)
        method = struct.pack(">HH", 60, 40) + b"\0\0" + short("") + short(queue) + b"\0"
        self.socket.sendall(self.frame(1, 1, method) + self.frame(2, 1, properties) + self.frame(3, 1, body))
        self.sent += 1
        if self.expect(60, 80, 120)[0] != 80:
            raise Closed("the broker refuses a message")

    def get(self, queue):
        """Takes one message; None if there is none."""
        self.call(1, 60, 70, b"\0\0" + short(queue) + b"\0")
        method, arguments = self.expect(60, 71, 72)
        if method == 72:
            return None
        _, header = self.receive()
        size, body = struct.unpack(">Q", header[4:12])[0], b""
        while len(body) < size:
            body += self.receive()[1]
        self.call(1, 60, 80, arguments[:8] + b"\0")
        return body

    def delete(self, queue):
        self.call(1, 50, 40, b"\0\0" + short(queue) + b"\0")
        self.expect(50, 41)

    def close(self):
        """The broker answers once it has done all that it was told."""
        self.call(0, 10, 50, struct.pack(">H", 200) + short("") + b"\0\0\0\0")
        self.expect(10, 51)
        self.socket.close()
