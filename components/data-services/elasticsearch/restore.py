#!/usr/bin/python3 -B
"""Restores the indices of a backup that it reads from standard input; indices that are not in it stay as they are."""
import json
import sys
import tarfile
import tempfile

from cluster import Trouble, ask, members_now

# Whole on disk before anything is replaced: a stream that breaks off must cost nothing.
spool = tempfile.TemporaryFile(dir="/var/tmp")


def receive():
    """Gives the archive and the number of documents of each index in it."""
    while chunk := sys.stdin.buffer.read(1 << 20):
        spool.write(chunk)
    spool.seek(0)
    try:
        archive = tarfile.open(fileobj=spool, mode="r:")
        last = archive.getmembers()[-1]
    except (tarfile.TarError, IndexError):
        raise Trouble("this is no backup, or not a whole one") from None
    if last.name != "complete.json":
        raise Trouble("the backup is not complete: it ends too early; nothing has been changed")
    return archive, json.load(archive.extractfile(last))


def documents(index):
    return ask("GET", f"/{index}/_count")["count"]


def announce(counts):
    present = ask("GET", "/_all?expand_wildcards=all")
    for name, index in present.items():
        for alias in set(index["aliases"]) & set(counts):
            raise Trouble(f"{alias} is in the backup, and here it is another name of {name}: remove that name first")
    for name, count in counts.items():
        what = f"replacing index {name}, {documents(name)} documents, by" if name in present else f"making index {name} with"
        print(f"{what} the {count} documents of the backup", file=sys.stderr)
    return present


def restore():
    archive, counts = receive()
    members_now()
    present = announce(counts)
    for entry in archive:
        name, _, part = entry.name.rpartition("/")
        if part == "index.json":
            if name in present:
                ask("DELETE", f"/{name}")
            ask("PUT", f"/{name}", json.load(archive.extractfile(entry)), seconds=600)
        elif part.startswith("documents-"):
            answer = ask("POST", f"/{name}/_bulk", archive.extractfile(entry).read(), seconds=600)
            if answer["errors"]:
                failed = next(item["index"] for item in answer["items"] if "error" in item["index"])
                raise Trouble(f"document {failed['_id']} of {name} is refused: {failed['error']['reason']}")
    for name, count in counts.items():
        ask("POST", f"/{name}/_refresh")
        if documents(name) != count:
            raise Trouble(f"{name} has {documents(name)} documents now, and the backup {count}")


try:
    restore()
    print("restored", file=sys.stderr)
except Trouble as trouble:
    sys.exit(f"elasticsearch: {trouble}")
