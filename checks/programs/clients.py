"""Uses the data services as Wire's services do: as their users, by the names that the cluster has for them, in what they
keep their data in. It is told them by standard input. What it writes nobody sees and none of it stays: see each."""
import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import json
import os
import random
import socket
import ssl
import struct
import sys
import time
import types
import urllib.request

PARAMETERS = json.load(sys.stdin)
SECONDS = 20


def module(name):
    """One of the program's own clients, of which the text is given."""
    made = types.ModuleType(name)
    exec(PARAMETERS["modules"][name], made.__dict__)
    return made


def resolve(name):
    """Addresses that the cluster's DNS has for a service."""
    full = f"{name}.default.svc.{PARAMETERS['domain']}"
    labels = b"".join(struct.pack("B", len(part)) + part.encode() for part in full.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(5)
        for last in (False, False, True):
            try:
                asked.sendto(struct.pack(">HHHHHH", random.getrandbits(16), 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1", tuple(PARAMETERS["dns"]))
                answer = asked.recv(4096)
                break
            except TimeoutError:
                if last:
                    raise OSError(f"the cluster's DNS at {PARAMETERS['dns'][0]} does not answer") from None
    code, count = answer[3] & 15, struct.unpack(">H", answer[6:8])[0]
    if code or not count:
        raise OSError(f"the cluster's DNS has no address of {full}")
    return addresses(answer, count)


def addresses(answer, count):
    """Those in the records of an answer to one question (RFC 1035, 4.1)."""
    found, at = [], after_name(answer, 12) + 4
    for _ in range(count):
        at = after_name(answer, at)
        kind, _, _, length = struct.unpack_from(">HHIH", answer, at)
        at += 10 + length
        if kind == 1:
            found.append(socket.inet_ntoa(answer[at - 4 : at]))
    return found


def after_name(answer, at):
    """Where a name ends: after a label of no length, or a pointer to where the rest of it stands."""
    while 0 < answer[at] < 192:
        at += answer[at] + 1
    return at + (2 if answer[at] else 1)


def encryption(authority):
    """By the stack's authority; whoever it is, for certificates name machines and not the cluster's services."""
    if not authority:
        return None
    context = ssl.create_default_context(cadata=authority)
    context.check_hostname = False
    return context


def each_address(service, use):
    """Has every address of a service used. @raise the first one's error, with the address."""
    told = []
    for address in resolve(service):
        try:
            told.append(use(address))
        except Exception as error:
            raise RuntimeError(f"{service} at {address}: {error}") from error
    return told


def cassandra(given):
    """Reads at QUORUM from a table of each keyspace, and writes there what changes nothing: the end of a row that never was."""
    cql = module("cql")
    copies = {}

    def use(address):
        authority = "/etc/wiab/ca.crt" if given.get("authority") else None
        with cql.Session(address, authority, SECONDS) as session:
            found = session.query("SELECT keyspace_name, replication FROM system_schema.keyspaces")
            there = {row["keyspace_name"]: row["replication"] for row in found}
            for keyspace in given["keyspaces"]:
                if keyspace not in there:
                    raise RuntimeError(f"there is no keyspace {keyspace}")
                factor = sum(int(text) for key, text in there[keyspace].items() if key != "class" and text.isdigit())
                if factor != given["replicationFactor"]:
                    raise RuntimeError(f"the keyspace {keyspace} keeps {factor} copies, not {given['replicationFactor']}")
                copies[keyspace] = factor
                write(session, keyspace)

    def write(session, keyspace):
        columns = session.query(f"SELECT table_name, column_name, kind, type FROM system_schema.columns WHERE keyspace_name = '{keyspace}'")
        keys = {}
        for row in columns:
            if row["kind"] == "partition_key":
                keys.setdefault(row["table_name"], []).append(row)
        for table, parts in sorted(keys.items()):
            if len(parts) == 1 and parts[0]["type"] in ("uuid", "text"):
                name = hashlib.md5(os.urandom(16)).hexdigest()
                value = f"{name[:8]}-{name[8:12]}-4{name[13:16]}-8{name[17:20]}-{name[20:]}"
                value = value if parts[0]["type"] == "uuid" else f"'{value}'"
                where = f'"{keyspace}"."{table}" WHERE "{parts[0]["column_name"]}" = {value}'
                session.query(f"DELETE FROM {where}", cql.QUORUM)
                session.query(f"SELECT * FROM {where}", cql.QUORUM)
                return
        raise RuntimeError(f"the keyspace {keyspace} has no table")

    there = each_address(given["service"], use)
    return f"{', '.join(copies)}: read and written at QUORUM through {len(there)} nodes, {given['replicationFactor']} copies of each row"


def ask(url, method="GET", body=None, headers=None, context=None):
    request = urllib.request.Request(url, body, headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=SECONDS, context=context) as answer:
        return answer.read()


def elasticsearch(given):
    """Searches the index, and looks whether it takes writes: Elasticsearch closes it where disks run full."""
    def use(address):
        base = f"http://{address}:{given['port']}"
        index = given["index"]
        health = json.loads(ask(f"{base}/_cluster/health/{index}"))
        settings = json.loads(ask(f"{base}/{index}/_settings/index.blocks.*?flat_settings=true"))
        blocked = sorted({key for each in settings.values() for key, value in each["settings"].items() if value in ("true", True)})
        if blocked:
            raise RuntimeError(f"the index {index} takes no writes ({', '.join(blocked)}): make room, then on a data node: "
                               f"curl -X PUT -H 'Content-Type: application/json' -d '{{\"{blocked[0]}\": null}}' {base}/{index}/_settings")
        if health["status"] != "green":
            raise RuntimeError(f"the index {index} is {health['status']}: {health['unassigned_shards']} copies of shards are nowhere")
        found = json.loads(ask(f"{base}/{index}/_search?size=0&q=*"))
        if found["_shards"]["failed"]:
            raise RuntimeError(f"{found['_shards']['failed']} shards of {index} do not answer a search")
        return found["hits"]["total"]

    totals = each_address(given["service"], use)
    total = totals[0]["value"] if isinstance(totals[0], dict) else totals[0]
    return f"index {given['index']} searched through {len(totals)} addresses: {total} documents, takes writes"


def signed(given, address, method, path, body=b""):
    """A request to S3 with the signature of its user (Signature Version 4)."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    host, digest, scope = f"{address}:{given['port']}", hashlib.sha256(body).hexdigest(), f"{now[:8]}/us-east-1/s3/aws4_request"
    names = "host;x-amz-content-sha256;x-amz-date"
    canonical = f"{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n\n{names}\n{digest}"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + given["secretKey"].encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    authorization = f"AWS4-HMAC-SHA256 Credential={given['accessKey']}/{scope}, SignedHeaders={names}, Signature={signature}"
    scheme = "https" if given.get("authority") else "http"
    headers = {"Authorization": authorization, "x-amz-date": now, "x-amz-content-sha256": digest}
    return ask(f"{scheme}://{host}{path}", method, body if method == "PUT" else None, headers, encryption(given.get("authority")))


def minio(given):
    """Puts an object of its own name as cargohold, reads it and deletes it."""
    def use(address):
        path, body = f"/{given['bucket']}/wiab-verify-{os.urandom(8).hex()}", os.urandom(64)
        begun = time.monotonic()
        signed(given, address, "PUT", path, body)
        try:
            if signed(given, address, "GET", path) != body:
                raise RuntimeError("gives something else than was put")
        finally:
            signed(given, address, "DELETE", path)
        return (time.monotonic() - begun) * 1000

    took = each_address(given["service"], use)
    return f"bucket {given['bucket']}: an object of cargohold's put, read and deleted through {len(took)} addresses, in {max(took):.0f} ms at most"


class Postgresql:
    """As much of PostgreSQL's protocol (version 3) as it takes to ask as a user who logs in by SCRAM-SHA-256."""

    def __init__(self, given, address):
        self.socket = socket.create_connection((address, given["port"]), timeout=SECONDS)
        if given.get("authority"):
            self.socket.sendall(struct.pack(">ii", 8, 80877103))
            if self.socket.recv(1) != b"S":
                raise RuntimeError("it does not encrypt")
            self.socket = encryption(given.get("authority")).wrap_socket(self.socket)
        self.read = self.socket.makefile("rb")
        start = b"".join(part.encode() + b"\0" for part in ("user", given["username"], "database", given["database"], ""))
        self.socket.sendall(struct.pack(">ii", len(start) + 8, 196608) + start)
        self.log_in(given["password"])

    def send(self, kind, body):
        self.socket.sendall(kind + struct.pack(">i", len(body) + 4) + body)

    def receive(self):
        head = self.read.read(5)
        if len(head) < 5:
            raise RuntimeError("the connection was closed")
        kind, body = head[:1], self.read.read(struct.unpack(">i", head[1:])[0] - 4)
        if kind == b"E":
            fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
            raise RuntimeError(fields.get(b"M", "an error"))
        return kind, body

    def expect(self, kind):
        while True:
            got, body = self.receive()
            if got == kind:
                return body

    def log_in(self, password):
        nonce = os.urandom(18).hex()
        bare = f"n=,r={nonce}"
        if self.expect(b"R")[:4] != struct.pack(">i", 10):
            raise RuntimeError("it does not ask for SCRAM-SHA-256")
        first = f"n,,{bare}".encode()
        self.send(b"p", b"SCRAM-SHA-256\0" + struct.pack(">i", len(first)) + first)
        server = self.expect(b"R")[4:].decode()
        fields = dict(part.split("=", 1) for part in server.split(","))
        salt = base64.b64decode(fields["s"])
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, int(fields["i"]))
        key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
        without = f"c=biws,r={fields['r']}"
        proof = hmac.new(hashlib.sha256(key).digest(), f"{bare},{server},{without}".encode(), hashlib.sha256).digest()
        mixed = base64.b64encode(bytes(a ^ b for a, b in zip(key, proof))).decode()
        self.send(b"p", f"{without},p={mixed}".encode())
        self.expect(b"Z")

    def value(self, text):
        """The first column of a query's last row."""
        self.send(b"Q", text.encode() + b"\0")
        found = None
        while True:
            kind, body = self.receive()
            if kind == b"Z":
                return found
            if kind == b"D":
                size = struct.unpack(">i", body[2:6])[0]
                found = body[6 : 6 + size].decode()


def postgresql(given):
    """Commits a message to the log, which has no effect and waits for the standbys like every write of Wire's."""
    def write(address):
        session = Postgresql(given, address)
        if session.value("select pg_is_in_recovery()") != "f":
            raise RuntimeError("it is a standby and takes no writes: the cluster's name for the primary leads to the wrong node")
        begun = time.monotonic()
        session.value("select pg_logical_emit_message(true, 'wiab-verify', '')")
        return (time.monotonic() - begun) * 1000

    def read(address):
        # One that is the primary as well: a deployment with one node.
        return float(Postgresql(given, address).value(
            "select case when pg_is_in_recovery() and pg_last_wal_receive_lsn() <> pg_last_wal_replay_lsn() "
            "then extract(epoch from now() - pg_last_xact_replay_timestamp()) else 0 end") or 0)

    took, behind = each_address(given["service"], write), each_address(given["readers"], read)
    if max(behind) > 60:
        raise RuntimeError(f"a standby is {max(behind):.0f} s behind the primary")
    return f"{given['database']}: committed through {given['service']} in {max(took):.0f} ms; standbys at most {max(behind):.0f} s behind"


def rabbitmq(given):
    """Sends a message through a queue that ends with its connection, and looks at the queues that Wire's services have."""
    amqp = module("amqp")
    context = encryption(given.get("authority"))

    def use(address):
        channel = amqp.Channel(address, given["port"], given["username"], given["password"], context, SECONDS)
        queue, body = f"wiab-verify-{os.urandom(8).hex()}", os.urandom(16)
        channel.declare(queue, {"x-expires": 60000})
        try:
            channel.publish(queue, body)
            if channel.get(queue) != body:
                raise RuntimeError("a message that was confirmed is not in its queue")
        finally:
            channel.delete(queue)
        channel.close()

    def queues(address):
        login = base64.b64encode(f"{given['username']}:{given['password']}".encode()).decode()
        scheme = "https" if context else "http"
        return json.loads(ask(f"{scheme}://{address}:{given['managementPort']}/api/queues", headers={"Authorization": f"Basic {login}"}, context=context))

    there = each_address(given["service"], use)
    found = queues(resolve(given["service"])[0])
    for queue in found:
        members, online = queue.get("members") or [], queue.get("online") or []
        if queue.get("state") not in (None, "running", "idle") or (members and 2 * len(online) <= len(members)):
            raise RuntimeError(f"the queue {queue['name']} is {queue.get('state')}, {len(online)} of its {len(members)} members are there")
    waiting = sum(queue.get("messages") or 0 for queue in found)
    return f"message confirmed and got back through {len(there)} addresses; {len(found)} queues run, {waiting} messages wait in them"


def redis(given):
    """Sets a key that ends by itself after a second."""
    def use(address):
        with socket.create_connection((address, given["port"]), timeout=SECONDS) as plain:
            key, read = f"wiab-verify-{os.urandom(8).hex()}", plain.makefile("rb")
            plain.sendall(f"SET {key} 1 PX 1000\r\nGET {key}\r\n".encode())
            answers = [read.readline().strip() for _ in range(3)]
            if answers != [b"+OK", b"$1", b"1"]:
                raise RuntimeError(f"answers {b' '.join(answers).decode(errors='replace')}")

    return f"a key set and read through {len(each_address(given['service'], use))} addresses"


USES = {"cassandra": cassandra, "elasticsearch": elasticsearch, "minio": minio, "postgresql": postgresql, "rabbitmq": rabbitmq, "redis": redis}


def look(name):
    try:
        return {"well": True, "text": USES[name](PARAMETERS["services"][name])}
    except Exception as error:
        named = str(error) and isinstance(error, (OSError, RuntimeError))
        return {"well": False, "text": str(error) if named else f"{type(error).__name__} {error}"}


with concurrent.futures.ThreadPoolExecutor() as pool:
    found = {name: pool.submit(look, name) for name in PARAMETERS["services"]}
    print(json.dumps({name: look.result() for name, look in found.items()}))
