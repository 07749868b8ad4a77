#!/usr/bin/python3 -B
"""Writes all objects, policies and users as one tar stream to standard output, on one node; the others exit with 3."""
import io
import json
import sys
import tarfile

from store import ADMIN, MEMBERS, NODE, PROBE, Trouble, ask, bucket_names, chosen, listed, send

# What was said of an object when it was put.
KEPT = ("content-type", "content-encoding", "content-disposition", "content-language", "cache-control", "expires")


def write(archive, name, value):
    entry = tarfile.TarInfo(name)
    entry.size = len(value)
    archive.addfile(entry, io.BytesIO(value))


def store(archive, bucket, name):
    """Whether the object is still there to be stored."""
    answer = send("GET", f"/{bucket}/{name}", seconds=600)
    if answer.status == 404:
        answer.read()
        return False
    if answer.status != 200:
        raise Trouble(f"{bucket}/{name} cannot be read: {answer.status}")
    entry = tarfile.TarInfo(f"objects/{bucket}/{name}")
    entry.size = int(answer.getheader("Content-Length"))
    headers = {key.lower(): value for key, value in answer.getheaders()}
    about = {key: value for key, value in headers.items() if key in KEPT or key.startswith("x-amz-meta-")}
    entry.pax_headers = {"WIAB.headers": json.dumps(about)}
    archive.addfile(entry, answer)
    return True


def backup(stream):
    buckets, count = bucket_names(), 0
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        write(archive, "users.zip", ask("GET", f"{ADMIN}export-iam"))
        write(archive, "buckets.json", json.dumps(buckets).encode())
        write(archive, "buckets.zip", ask("GET", f"{ADMIN}export-bucket-metadata"))
        for bucket in buckets:
            for name in listed(bucket):
                if not name.startswith(PROBE):
                    count += store(archive, bucket, name)
        # Last, so that whoever has it has everything.
        write(archive, "complete.json", json.dumps({"objects": count}).encode())
    print(f"{count} objects of {len(buckets)} buckets", file=sys.stderr)


try:
    chosen_node = chosen() if MEMBERS else None
    if chosen_node != NODE:
        print(f"{chosen_node or 'another node'} is the one to do it", file=sys.stderr)
        sys.exit(3)
    backup(sys.stdout.buffer)
except Trouble as trouble:
    sys.exit(f"minio: {trouble}")
