#!/usr/bin/env python3
"""Whether the ring is whole in every node's view, and what is written on one node is read on the next."""
import os
import sys
import time
import uuid

sys.path.insert(0, "/opt/wiab/cassandra")
import cql
import ring as rings

# What before-start.py has found and may not mend.
NOTE = "/run/wiab-cassandra.damaged"


def round_trip(writer, reader):
    """Milliseconds between a row's way in on one node and its way out on another."""
    key = str(uuid.uuid4())
    with writer.session() as there, reader.session() as here:
        start = time.monotonic()
        there.query(f"INSERT INTO wiab.probe (k, v) VALUES ('{key}', '{key}')", cql.QUORUM)
        found = here.query(f"SELECT v FROM wiab.probe WHERE k = '{key}'", cql.QUORUM)
        taken = (time.monotonic() - start) * 1000
        here.query(f"DELETE FROM wiab.probe WHERE k = '{key}'", cql.QUORUM)
    if [row["v"] for row in found] != [key]:
        sys.exit(f"the row written at QUORUM on {writer.name} was not found on {reader.name}")
    return taken


def main():
    if os.geteuid() != 0:
        sys.exit("run it as root")
    ring = rings.Ring()
    if ring.here.retiring:
        sys.exit(f"{ring.here.name} retires; ask a node that stays")
    nodes = ring.staying()
    found = ring.problems(nodes)
    if not found and not ring.provisioned():
        found = ["the keyspaces of this check are missing: the step that makes them has not run yet"]
    for file, words in (("/var/lib/cassandra/repair-wanted", "it fetches from the others what a damaged commit log had"), (NOTE, None)):
        if os.path.exists(file):
            found.append(f"{ring.here.name}: {words or open(file, encoding='utf-8').read()}")
    if found:
        sys.exit("\n".join(found))
    texts = []
    for at, writer in enumerate(nodes):
        reader = nodes[(at + 1) % len(nodes)]
        try:
            texts.append((round_trip(writer, reader), writer, reader))
        except (OSError, cql.CqlError) as error:
            sys.exit(f"a row cannot go at QUORUM from {writer.name} to {reader.name}: {error}")
    slowest, writer, reader = max(texts, key=lambda text: text[0])
    print(f"{len(nodes)} of {len(nodes)} nodes UN in every view; one schema version; row written at QUORUM on {writer.name} "
          f"read on {reader.name} after {slowest:.0f} ms, the slowest of {len(texts)}")


main()
