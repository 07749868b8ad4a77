"""A client of Cassandra's native protocol, version 4 (3.11 and all later ones speak it): enough of it to ask and to
write, with nothing but Python, since an answer from a JVM takes seconds of processor time on a small machine."""
import ipaddress
import socket
import ssl
import struct
import uuid

ONE, QUORUM, ALL = 1, 4, 5
UNAVAILABLE = 0x1000
PORT = 9042


class CqlError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Session:
    """A connection to one node, which coordinates what is asked here."""

    def __init__(self, address, authority=None, timeout=30):
        self.address = address
        # A machine that is there answers this by itself, however busy its Cassandra is.
        self.socket = socket.create_connection((address, PORT), timeout=10)
        self.socket.settimeout(timeout)
        if authority:
            context = ssl.create_default_context(cafile=authority)
            self.socket = context.wrap_socket(self.socket, server_hostname=address)
        self.call(0x01, struct.pack(">H", 1) + short("CQL_VERSION") + short("3.0.0"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def query(self, text, consistency=ONE):
        """Rows as dictionaries; none for what is no SELECT."""
        body = text.encode()
        opcode, answer = self.call(0x07, struct.pack(">i", len(body)) + body + struct.pack(">HB", consistency, 0))
        return rows(Reader(answer)) if opcode == 0x08 else []

    def call(self, opcode, body):
        self.socket.sendall(struct.pack(">BBhBi", 4, 0, 0, opcode, len(body)) + body)
        _, _, _, opcode, length = struct.unpack(">BBhBi", self.receive(9))
        answer = self.receive(length)
        if opcode == 0x00:
            reader = Reader(answer)
            raise CqlError(reader.int(), reader.string())
        if opcode == 0x03:
            raise CqlError(0x0100, "it asks for a password, and this ring is meant to have none")
        return opcode, answer

    def receive(self, size):
        parts = b""
        while len(parts) < size:
            part = self.socket.recv(size - len(parts))
            if not part:
                raise ConnectionError("the connection was closed")
            parts += part
        return parts


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        self.at += size
        return self.data[self.at - size:self.at]

    def int(self):
        return struct.unpack(">i", self.take(4))[0]

    def short(self):
        return struct.unpack(">H", self.take(2))[0]

    def string(self):
        return self.take(self.short()).decode()

    def bytes(self):
        size = self.int()
        return None if size < 0 else self.take(size)

    def type(self):
        kind = self.short()
        if kind == 0x00:
            return (kind, self.string())
        if kind in (0x20, 0x22):
            return (kind, self.type())
        if kind == 0x21:
            return (kind, self.type(), self.type())
        if kind == 0x30:
            self.string(), self.string()
            return (kind, [(self.string(), self.type()) for _ in range(self.short())])
        if kind == 0x31:
            return (kind, [self.type() for _ in range(self.short())])
        return (kind,)


def short(text):
    return struct.pack(">H", len(text)) + text.encode()


def rows(reader):
    if reader.int() != 2:
        return []
    flags, count = reader.int(), reader.int()
    if flags & 2:
        reader.bytes()
    if flags & 1:
        reader.string(), reader.string()
    columns = []
    for _ in range(count):
        if not flags & 1:
            reader.string(), reader.string()
        columns.append((reader.string(), reader.type()))
    return [{name: value(kind, reader.bytes()) for name, kind in columns} for _ in range(reader.int())]


def value(kind, data):
    if data is None:
        return None
    if kind[0] in (0x01, 0x0A, 0x0D):
        return data.decode()
    if kind[0] in (0x02, 0x09):
        return int.from_bytes(data, "big", signed=True)
    if kind[0] == 0x04:
        return data != b"\0"
    if kind[0] in (0x0C, 0x0F):
        return str(uuid.UUID(bytes=data))
    if kind[0] == 0x10:
        return str(ipaddress.ip_address(data))
    if kind[0] in (0x20, 0x22):
        reader = Reader(data)
        return [value(kind[1], reader.bytes()) for _ in range(reader.int())]
    if kind[0] == 0x21:
        reader = Reader(data)
        return {value(kind[1], reader.bytes()): value(kind[2], reader.bytes()) for _ in range(reader.int())}
    return data
