#!/usr/bin/python3 -B
"""Writes all indices as one tar stream to standard output, on the node that is master; the others exit with 3."""
import io
import json
import sys
import tarfile

from cluster import NODE, PROBES, Trouble, ask, view

PAGE = 500


def user_indices():
    indices = ask("GET", "/_all?expand_wildcards=all")
    closed = [each["index"] for each in ask("GET", "/_cat/indices?format=json") if each["status"] == "close"]
    if closed:
        raise Trouble(f"{', '.join(closed)} is closed and cannot be read: open or delete it")
    return {name: index for name, index in sorted(indices.items()) if not name.startswith(PROBES)}


def pages(index):
    """All documents as they are now, whatever is written meanwhile."""
    answer = ask("POST", f"/{index}/_search?scroll=30m", {"size": PAGE, "sort": ["_doc"], "version": True}, seconds=600)
    while True:
        hits = answer["hits"]["hits"]
        if not hits:
            break
        yield hits
        answer = ask("POST", "/_search/scroll", {"scroll": "30m", "scroll_id": answer["_scroll_id"]}, seconds=600)
    ask("DELETE", "/_search/scroll", {"scroll_id": [answer["_scroll_id"]]})


def write(archive, name, value):
    entry = tarfile.TarInfo(name)
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    entry.size, entry.mode = len(data), 0o600
    archive.addfile(entry, io.BytesIO(data))


def as_bulk(hits):
    """What the bulk interface takes, less the name of the index; versions are kept, for brig counts in them itself."""
    lines = []
    for hit in hits:
        if "_source" not in hit:
            raise Trouble(f"{hit['_index']} keeps no sources of its documents and cannot be backed up")
        about = {"_type": hit["_type"], "_id": hit["_id"], "version": hit["_version"], "version_type": "external_gte"}
        if "_routing" in hit:
            about["routing"] = hit["_routing"]
        lines += [json.dumps({"index": about}), json.dumps(hit["_source"])]
    return "".join(line + "\n" for line in lines).encode()


def backup(stream):
    indices = user_indices()
    counts = {}
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for name, index in indices.items():
            for ours in ("uuid", "creation_date", "provided_name", "version"):
                index["settings"]["index"].pop(ours, None)
            write(archive, f"{name}/index.json", index)
            counts[name] = 0
            for number, hits in enumerate(pages(name)):
                write(archive, f"{name}/documents-{number:06}", as_bulk(hits))
                counts[name] += len(hits)
        # Last, so that whoever has it has everything.
        write(archive, "complete.json", counts)
    print(f"{sum(counts.values())} documents of {len(counts)} indices", file=sys.stderr)


try:
    master, _ = view(NODE)
    if not master:
        raise Trouble(f"{NODE} is in no cluster")
    if master != NODE:
        print(f"{master} is the one to do it", file=sys.stderr)
        sys.exit(3)
    backup(sys.stdout.buffer)
except Trouble as trouble:
    sys.exit(f"elasticsearch: {trouble}")
