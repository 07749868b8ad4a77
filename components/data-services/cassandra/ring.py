"""What the nodes of the ring say about themselves and about one another, asked of each in CQL."""
import json
import os
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import cql

SETTINGS = "/etc/wiab/cassandra/ring.json"
AUTHORITY = "/etc/wiab/cassandra/authority.crt"


class Node:
    """A node as it answers now, or `error` with the reason why it does not."""

    def __init__(self, settings, tls):
        self.name, self.address, self.retiring = settings["name"], settings["address"], settings["retiring"]
        self.tls, self.error, self.schema, self.peers, self.keyspaces = tls, None, None, set(), {}

    def session(self, timeout=30):
        """While a change between TLS and none rolls through the ring, some nodes have it and others do not."""
        try:
            return cql.Session(self.address, AUTHORITY if self.tls else None, timeout)
        except ConnectionRefusedError:
            raise
        except (ssl.SSLError, ConnectionError):
            if not os.path.exists(AUTHORITY):
                raise
            return cql.Session(self.address, None if self.tls else AUTHORITY, timeout)

    def look(self):
        self.error = self.schema = None
        try:
            with self.session() as session:
                local = session.query("SELECT bootstrapped, schema_version, tokens FROM system.local")[0]
                self.state, self.schema, self.tokens = local["bootstrapped"], local["schema_version"], local["tokens"]
                # One that is still joining has no tokens.
                self.peers = {row["peer"] for row in session.query("SELECT peer, tokens FROM system.peers") if row["tokens"]}
                self.keyspaces = {row["keyspace_name"]: copies(row["replication"]) for row in
                                  session.query("SELECT keyspace_name, replication FROM system_schema.keyspaces")}
        except (OSError, cql.CqlError, ConnectionError) as error:
            self.error = f"{self.name} ({self.address}) does not answer at port {cql.PORT}: {error}"
        if not self.error and self.state != "COMPLETED":
            self.error = f"{self.name} has not joined: it says {self.state}"
        return self


def copies(replication):
    """Replication factor of a keyspace; of the datacenter that has most."""
    return max([int(text) for text in replication.values() if text.isdigit()], default=0)


def own(keyspaces):
    """The keyspaces that are not Cassandra's."""
    return {name: factor for name, factor in keyspaces.items() if not name.startswith("system")}


class Ring:
    def __init__(self):
        settings = json.load(open(SETTINGS))
        nodes = [Node(node, settings["tls"]) for node in settings["nodes"]]
        with ThreadPoolExecutor(len(nodes)) as pool:
            self.nodes = list(pool.map(Node.look, nodes))
        self.here = next(node for node in self.nodes if node.name == settings["self"])
        self.mates = [node for node in self.nodes if node is not self.here and not node.error]

    def named(self, address):
        return next((node.name for node in self.nodes if node.address == address), address)

    def members(self):
        """Those whom any of the answering nodes counts among the ring."""
        known = set().union(*[node.peers | {node.address} for node in self.nodes if not node.error])
        return [node for node in self.nodes if node.address in known]

    def founded(self):
        """Whether there may be data: before the first keyspace of somebody's there is none."""
        return any(own(node.keyspaces) for node in self.nodes if not node.error)

    def provisioned(self):
        return any("wiab_each" in node.keyspaces for node in self.nodes if not node.error)

    def problems(self, nodes):
        """What keeps these nodes from being a whole ring."""
        found = [node.error for node in nodes if node.error]
        if found:
            return found
        for node in nodes:
            others = {other.address for other in nodes} - {node.address}
            found += [f"{node.name} does not know {self.named(address)}" for address in others - node.peers]
            found += [f"{node.name} counts {self.named(address)} among the ring" for address in node.peers - others]
        if len({node.schema for node in nodes}) > 1:
            found.append("the schema differs: " + ", ".join(f"{node.name} has {node.schema}" for node in nodes))
        if self.provisioned():
            with ThreadPoolExecutor(len(nodes)) as pool:
                found += [text for texts in pool.map(lambda node: self.unseen(node, nodes), nodes) for text in texts]
        return found

    @staticmethod
    def unseen(viewer, nodes):
        """Whom a node takes for dead: a row of a keyspace with one copy lies on the owner of its token alone, and a
        node that takes the owner for dead refuses to look for it."""
        texts = []
        with viewer.session() as session:
            for node in nodes:
                try:
                    session.query("SELECT k FROM wiab_each.probe WHERE token(k) >= %s AND token(k) <= %s" % ((node.tokens[0],) * 2))
                except cql.CqlError as error:
                    down = error.code == cql.UNAVAILABLE
                    texts.append(f"{node.name} is {'down' if down else f'out of order ({error})'} in the view of {viewer.name}")
        return texts

    def staying(self):
        return [node for node in self.nodes if not node.retiring]

    def change(self, session, statement):
        """Changes the schema and waits until all nodes have it: a second change while they disagree can give a table
        two identities."""
        session.query(statement)
        deadline = time.monotonic() + 120
        while len({node.look().schema for node in self.staying()}) > 1:
            if time.monotonic() > deadline:
                sys.exit(f"the nodes do not agree on the schema two minutes after: {statement}")
            time.sleep(0.5)


def place(ring):
    """How a node with an empty disk starts, its tokens' number and seeds: what the ring knows of it decides."""
    if not ring.mates:
        return "alone"
    mate = ring.mates[0]
    known = any(ring.here.address in node.peers for node in ring.mates)
    way = "replace" if known else "join" if ring.founded() else "founding"
    return f"{way} {len(mate.tokens)} {','.join(node.address for node in ring.mates[:3])}"


def serving(ring):
    return ring.here.error


def settled(ring):
    return ring.founded() and "; ".join(ring.problems(ring.members()))


def whole(ring):
    return "; ".join(ring.problems(ring.staying()))


def spare(ring):
    """Why the others cannot do without this node."""
    others = [node for node in ring.members() if node is not ring.here]
    if ring.here.error or not others:
        return None
    return settled(ring)


def may_leave(ring):
    left = len(ring.members()) - 1
    most = max(own(ring.here.keyspaces).values(), default=1)
    if left < most:
        names = sorted(name for name, factor in own(ring.here.keyspaces).items() if factor == most)
        return f"the ring keeps {most} copies of everything ({', '.join(names)}), and {left} nodes would be left: add a node first"
    return spare(ring)


def left(ring):
    counting = [node.name for node in ring.mates if ring.here.address in node.peers]
    if not ring.mates:
        return "no other node answers"
    return f"{', '.join(counting)} still counts {ring.here.name} among the ring" if counting else None


def provision(ring):
    """Makes what the health check probes; what Wire needs its own migrations make."""
    factor = min(3, len(ring.staying()))
    here = ring.here.session()

    def replicated(name, wanted):
        options = "{'class': 'SimpleStrategy', 'replication_factor': %d}" % wanted
        if name not in ring.here.keyspaces:
            ring.change(here, f"CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = {options}")
        elif ring.here.keyspaces[name] != wanted:
            ring.change(here, f"ALTER KEYSPACE {name} WITH replication = {options}")

    tables = {row["keyspace_name"] for row in here.query("SELECT keyspace_name, table_name FROM system_schema.tables")
              if row["table_name"] == "probe"}
    for name, wanted in (("wiab", factor), ("wiab_each", 1)):
        replicated(name, wanted)
        if name not in tables:
            ring.change(here, f"CREATE TABLE IF NOT EXISTS {name}.probe (k text PRIMARY KEY, v text)"
                        " WITH default_time_to_live = 3600 AND gc_grace_seconds = 3600")
    for name, fewer in sorted(own(ring.here.keyspaces).items()):
        if fewer < factor and not name.startswith("wiab"):
            print(f"{name} keeps {fewer} copies where {factor} could be: ALTER KEYSPACE it to one more at a time, and run"
                  f" /opt/wiab/cassandra/nodetool repair -full {name} on every node each time", file=sys.stderr)


COMMANDS = {"serving": serving, "settled": settled, "whole": whole, "spare": spare, "may-leave": may_leave, "left": left}

if __name__ == "__main__":
    ring = Ring()
    command = sys.argv[1]
    if command == "place":
        print(place(ring))
    elif command == "provision":
        provision(ring)
    else:
        reason = COMMANDS[command](ring)
        if reason:
            sys.exit(reason)
