#!/usr/bin/python3 -B
"""Restores a backup that it reads from standard input. Objects that are not in it stay as they are."""
import json
import sys
import tarfile

from provision import provision
from store import ADMIN, Trouble, ask, bucket_names, cluster


def buckets(archive, entry):
    wanted, present = json.load(archive.extractfile(entry)), bucket_names()
    print(f"replacing what is in the backup of the buckets {', '.join(wanted)}; other objects stay", file=sys.stderr)
    for name in wanted:
        if name not in present:
            ask("PUT", f"/{name}")


def restore():
    cluster()
    count, complete = 0, None
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
            for entry in archive:
                if entry.name == "users.zip":
                    print("replacing users and policies of the same names", file=sys.stderr)
                    ask("PUT", f"{ADMIN}import-iam", body=archive.extractfile(entry).read())
                elif entry.name == "buckets.json":
                    buckets(archive, entry)
                elif entry.name == "buckets.zip":
                    ask("PUT", f"{ADMIN}import-bucket-metadata", body=archive.extractfile(entry).read())
                elif entry.name.startswith("objects/"):
                    headers = {**json.loads(entry.pax_headers["WIAB.headers"]), "content-length": str(entry.size)}
                    body = archive.extractfile(entry)
                    ask("PUT", entry.name[len("objects"):], body=body, headers=headers, seconds=600)
                    count += 1
                elif entry.name == "complete.json":
                    complete = json.load(archive.extractfile(entry))
    except tarfile.TarError as error:
        raise Trouble(f"this is no backup, or not a whole one ({error}); {count} objects are restored") from None
    if not complete or complete["objects"] != count:
        raise Trouble(f"the backup is not complete: it ends after {count} objects, which are restored")
    # Today's keys of cargohold, whatever they were then.
    provision()
    print(f"restored {count} objects", file=sys.stderr)


try:
    restore()
except Trouble as trouble:
    sys.exit(f"minio: {trouble}")
