#!/usr/bin/python3 -B
"""One line with what was measured if the cluster is well; else what is wrong, on standard error."""
import fcntl
import os
import sys
import time

from cluster import ALLOCATION, MEMBERS, NODE, PROBES, QUORUM, Trouble, ask, configured, need_whole, need_writable, view


def nodes_agree():
    """Every member's own view; gives the master."""
    masters = {}
    for name in MEMBERS:
        master, nodes = view(name)
        if not master:
            raise Trouble(f"{name} is in no cluster: it sees {', '.join(sorted(nodes)) or 'nobody'} and no master")
        missing, strange = sorted(set(MEMBERS) - nodes), sorted(nodes - set(MEMBERS))
        if missing:
            raise Trouble(f"{name} does not see {', '.join(missing)}")
        if strange:
            raise Trouble(f"{name} sees {', '.join(strange)}, which is no member")
        masters.setdefault(master, name)
    if len(masters) > 1:
        raise Trouble("the nodes follow different masters: " + ", ".join(f"{name} follows {master}" for master, name in masters.items()))
    return next(iter(masters))


def round_trip():
    """A document that is written here and found by every other node in a copy of its own; gives who took how long."""
    index = f"{PROBES}{NODE}"
    others = [name for name in MEMBERS if name != NODE] or [NODE]
    # What a check that was killed has left.
    ask("DELETE", f"/{index}?ignore_unavailable=true")
    try:
        ask("PUT", f"/{index}", {"settings": {"number_of_shards": 1, "number_of_replicas": len(MEMBERS) - 1}})
        copies = ask("GET", f"/_cluster/health/{index}?wait_for_status=green&timeout=50s")
        if copies["status"] != "green":
            raise Trouble(f"a new index gets {copies['active_shards']} of {len(MEMBERS)} copies")
        text, begun = os.urandom(8).hex(), time.monotonic()
        ask("PUT", f"/{index}/_doc/1?refresh=true", {"text": text})
        took = []
        for name in others:
            found = ask("GET", f"/{index}/_search?preference=_local&q=text:{text}", node=name)
            if found["hits"]["total"] != 1:
                raise Trouble(f"{name} does not find what was written on {NODE}")
            took.append(f"{name} after {(time.monotonic() - begun) * 1000:.0f} ms")
    finally:
        ask("DELETE", f"/{index}?ignore_unavailable=true")
    return took


def check():
    master = nodes_agree()
    kept = configured()
    quorum = len(MEMBERS) // 2 + 1
    told = kept["transient"].get(QUORUM, kept["persistent"].get(QUORUM))
    if told != str(quorum):
        raise Trouble(f"{QUORUM} is {told or 'not set'}, it should be {quorum}")
    if ALLOCATION in {**kept["persistent"], **kept["transient"]}:
        raise Trouble(f"{ALLOCATION} is set: shards get no new copies")
    need_writable()
    need_whole()
    health = ask("GET", "/_cluster/health")
    took = round_trip()
    total = len(MEMBERS)
    return (
        f"{health['number_of_nodes']} of {total} nodes follow {master}, quorum {quorum}; "
        f"{health['status']} with {health['active_shards']} shard copies; "
        f"document written on {NODE} found on {', '.join(took)}"
    )


with open("/run/wiab-elasticsearch-health.lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        print(check())
    except Trouble as trouble:
        sys.exit(f"elasticsearch: {trouble}")
