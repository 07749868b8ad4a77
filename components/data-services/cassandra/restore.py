#!/usr/bin/env python3
"""Reads what `backup` has written from standard input and puts it in the place of what the ring has. With --add what
the ring has stays: for the second and further nodes' backups, where no node has everything."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, "/opt/wiab/cassandra")
import cql
import ring as rings

LOADER = "/opt/wiab/cassandra/sstableloader"


def main():
    add = sys.argv[1:] == ["--add"]
    if os.geteuid() != 0 or len(sys.argv) > 1 + add:
        sys.exit("as root: restore [--add] <BACKUP")
    deadline = time.monotonic() + 60
    ring, found = look()
    # A change of the schema takes a moment to reach everybody.
    while found and time.monotonic() < deadline:
        time.sleep(1)
        ring, found = look()
    if found:
        sys.exit("the ring is not whole, nothing was changed: " + "; ".join(found))
    directory = tempfile.mkdtemp(prefix="restore.", dir="/var/lib/cassandra/tmp")
    try:
        restore(ring, directory, add)
    finally:
        shutil.rmtree(directory)


def look():
    ring = rings.Ring()
    return ring, ring.problems(ring.staying())


def restore(ring, directory, add):
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|*") as archive:
            archive.extractall(directory)
        backup = json.load(open(f"{directory}/keyspaces.json"))
        # A stream that breaks off between two files is a tar as well.
        if not os.path.exists(f"{directory}/complete"):
            raise EOFError("it ends too early")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        sys.exit(f"standard input is no whole backup of Cassandra, nothing was changed: {error}")
    here = ring.here.session(timeout=300)
    present = {(row["keyspace_name"], row["table_name"]) for row in
               here.query("SELECT keyspace_name, table_name FROM system_schema.tables")}
    folders = {(keyspace, path.split("/")[-1]): path for keyspace in backup["keyspaces"]
               for path in sorted(glob.glob(f"{directory}/{keyspace}/*"))}
    known = sorted(".".join(table) for table in folders if table in present)
    print(f"restoring {len(folders)} tables of {', '.join(backup['keyspaces']) or 'no keyspace'} from {backup['node']}; "
          + ("what the ring has stays" if add else f"emptied before: {', '.join(known) or 'none'}"), file=sys.stderr, flush=True)
    for keyspace, replication in backup["keyspaces"].items():
        factor = min(rings.copies(replication), len(ring.staying()))
        options = {name: text if not text.isdigit() else str(min(int(text), factor)) for name, text in replication.items()}
        ring.change(here, f"CREATE KEYSPACE IF NOT EXISTS {quoted(keyspace)} WITH replication = {literal(options)}")
    make_types(ring, here, backup["types"])
    for (keyspace, table), folder in folders.items():
        if (keyspace, table) not in present:
            for statement in statements(open(f"{folder}/schema.cql").read()):
                # Its types are there by now.
                if not statement.startswith("CREATE TYPE"):
                    ring.change(here, statement)
        elif not add:
            here.query(f"TRUNCATE {quoted(keyspace)}.{quoted(table)}", cql.ALL)
    for (keyspace, table), folder in folders.items():
        if glob.glob(f"{folder}/*Data.db"):
            load(ring, folder, keyspace, table)
    print(f"restored {len(folders)} tables", file=sys.stderr)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(options):
    return "{" + ", ".join(f"'{key}': '{text}'" for key, text in options.items()) + "}"


def make_types(ring, here, types):
    """Some are made of others, which have to be there before: whatever cannot be made yet waits for the next round."""
    while types:
        waiting = []
        for row in types:
            fields = ", ".join(f"{quoted(name)} {kind}" for name, kind in zip(row["field_names"], row["field_types"]))
            try:
                ring.change(here, f"CREATE TYPE IF NOT EXISTS {quoted(row['keyspace_name'])}.{quoted(row['type_name'])} ({fields})")
            except cql.CqlError as error:
                waiting.append(row)
                reason = error
        if len(waiting) == len(types):
            sys.exit(f"the types of the backup cannot be made: {reason}")
        types = waiting


def statements(text):
    """The statements of a schema; a semicolon within quotes does not end one."""
    text = "".join(line for line in text.splitlines(True) if not line.lstrip().startswith(("//", "--")))
    return [part.strip() for part in re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^;'\"])+", text) if part.strip()]


def load(ring, folder, keyspace, table):
    for name in ("schema.cql", "manifest.json"):
        if os.path.exists(f"{folder}/{name}"):
            os.remove(f"{folder}/{name}")
    addresses = ",".join(node.address for node in ring.staying())
    done = subprocess.run([LOADER, "-d", addresses, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{keyspace}.{table} was not restored: {done.stdout[-2000:].strip()}")


main()
