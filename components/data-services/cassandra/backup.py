#!/usr/bin/env python3
"""Writes this node's share of the data to standard output, as a tar: `keyspaces.json` with their replication and types,
and for each table its schema and the files of a snapshot; `complete` comes last. Every node does this for itself."""
import glob
import io
import json
import os
import subprocess
import sys
import tarfile
import time

sys.path.insert(0, "/opt/wiab/cassandra")
import ring as rings

DATA = "/var/lib/cassandra/data"
NODETOOL = "/opt/wiab/cassandra/nodetool"


def nodetool(*words):
    done = subprocess.run([NODETOOL, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"nodetool {' '.join(words)} failed: {done.stdout.strip()}")


def main():
    if os.geteuid() != 0:
        sys.exit("run it as root")
    if os.isatty(1):
        sys.exit("redirect standard output: it is a tar")
    ring = rings.Ring()
    if ring.here.error:
        sys.exit(ring.here.error)
    with ring.here.session() as session:
        replications = {row["keyspace_name"]: row["replication"] for row in
                        session.query("SELECT keyspace_name, replication FROM system_schema.keyspaces")}
        # A snapshot's own schema does not have all that its tables use.
        types = session.query("SELECT keyspace_name, type_name, field_names, field_types FROM system_schema.types")
    keyspaces = {name: replications[name] for name in rings.own(replications) if not name.startswith("wiab")}
    # A run that was killed may have left some.
    for left in {path.split("/")[-1] for path in glob.glob(f"{DATA}/*/*/snapshots/wiab-*")}:
        nodetool("clearsnapshot", "-t", left)
    tag = f"wiab-{int(time.time())}"
    try:
        if keyspaces:
            nodetool("snapshot", "-t", tag, "--", *keyspaces)
        write({"format": 1, "node": ring.here.name, "keyspaces": keyspaces,
               "types": [row for row in types if row["keyspace_name"] in keyspaces]}, tag)
    finally:
        if keyspaces:
            nodetool("clearsnapshot", "-t", tag)


def write(contents, tag):
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        add(archive, "keyspaces.json", json.dumps(contents).encode())
        for keyspace in contents["keyspaces"]:
            for folder in sorted(glob.glob(f"{DATA}/{keyspace}/*/snapshots/{tag}")):
                table = folder.split("/")[-3].rsplit("-", 1)[0]
                archive.add(folder, f"{keyspace}/{table}")
        add(archive, "complete", b"")


def add(archive, name, text):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(text), int(time.time())
    archive.addfile(entry, io.BytesIO(text))


main()
