#!/usr/bin/python3 -B
"""What the programs of this service share, and what node.sh and ready.sh have it do: cluster.py COMMAND."""
import glob
import http.client
import json
import sys
import time
import urllib.parse

with open("/etc/wiab/elasticsearch/cluster.json") as file:
    SETTINGS = json.load(file)
NODE = SETTINGS["node"]
MEMBERS = SETTINGS["members"]
ADDRESSES = {**MEMBERS, **SETTINGS["leaving"]}
# Indices that a health check is at work with.
PROBES = ".wiab-health-"
QUORUM = "discovery.zen.minimum_master_nodes"
ALLOCATION = "cluster.routing.allocation.enable"
# What a node keeps once it has been in a cluster.
STATE = "/var/lib/elasticsearch/nodes/0/_state/global-*.st"
# Set on what a node has whose disk is 95 % full. Versions before 7.4 never take it back; later ones do below 90 %.
BLOCK = "index.blocks.read_only_allow_delete"
ROOM = 0.1
EXCLUDED = "cluster.routing.allocation.exclude._name"


class Trouble(Exception):
    """What is wrong, for people."""


def ask(method, path, body=None, node=NODE, seconds=180):
    """A request to a node; a body that is no text is sent as JSON. An emulated machine takes a minute for a new index."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    kind = "application/x-ndjson" if "/_bulk" in path else "application/json"
    connection = http.client.HTTPConnection(ADDRESSES[node], 9200, timeout=seconds)
    try:
        connection.request(method, path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Trouble(f"{node} does not answer on port 9200: {error}") from None
    finally:
        connection.close()
    if answer.status >= 300:
        raise Trouble(f"{node} refuses {method} {path}: {answer.status} {text.decode(errors='replace')[:500]}")
    return json.loads(text) if text else {}


def view(node):
    """The master and all nodes as a node itself sees them; no master while it is in no cluster."""
    state = ask("GET", "/_cluster/state/master_node,nodes?local=true", node=node, seconds=20)
    names = {key: value["name"] for key, value in state["nodes"].items()}
    return names.get(state["master_node"]), set(names.values())


def members_now(node=NODE):
    """The names of the nodes in this node's cluster."""
    master, nodes = view(node)
    if not master:
        raise Trouble(f"{node} is in no cluster: not enough nodes see one another to elect a master")
    return nodes


def incomplete(node=NODE):
    """Indices that lack copies of a shard which the cluster has nodes for."""
    health = ask("GET", "/_cluster/health?level=indices", node=node)
    found = []
    for name, index in sorted(health["indices"].items()):
        wanted = index["number_of_shards"] * min(index["number_of_replicas"] + 1, health["number_of_data_nodes"])
        if index["active_shards"] < wanted and not name.startswith(PROBES):
            found.append(f"{name} has {index['active_shards']} of {wanted} shard copies")
    return found


def explanation():
    """Why a shard is not where it should be, as far as the cluster knows."""
    try:
        told = ask("GET", "/_cluster/allocation/explain")
    except Trouble:
        return ""
    reasons = {told.get("allocate_explanation", "")} | {
        decider["explanation"] for each in told.get("node_allocation_decisions", []) for decider in each.get("deciders", [])
    }
    return f" ({'; '.join(sorted(filter(None, reasons)))})"


def need_whole():
    found = incomplete()
    if found:
        raise Trouble(", ".join(found) + explanation())


def blocked():
    """Indices that take no writes since the disk of a node was full."""
    found = ask("GET", f"/_all/_settings/{BLOCK}?flat_settings=true")
    return sorted(name for name, index in found.items() if index["settings"].get(BLOCK) == "true")


def crowded():
    """Nodes whose disk has less room than indices are given back at."""
    nodes = ask("GET", "/_nodes/stats/fs")["nodes"].values()
    disks = {node["name"]: node["fs"]["total"] for node in nodes}
    return sorted(name for name, disk in disks.items() if disk["available_in_bytes"] < ROOM * disk["total_in_bytes"])


def need_writable():
    found = blocked()
    if found:
        full = crowded()
        way = f"free a tenth of the disk of {', '.join(full)}" if full else "there is room again, and they will within two minutes"
        raise Trouble(f"{', '.join(found)} take no writes since a disk was full: {way}")


def release():
    """Has indices take writes again, and copies made again, once there is room."""
    if crowded():
        return
    found = blocked()
    if found:
        ask("PUT", f"/{urllib.parse.quote(','.join(found))}/_settings", {BLOCK: None})
        print(f"{', '.join(found)} take writes again")
    # After five failures, as a full disk gives them within seconds, nobody tries again.
    if incomplete():
        ask("POST", "/_cluster/reroute?retry_failed=true&metric=none")


def configured(local=False):
    """The settings that the cluster keeps by itself; `local` is what this node knows of them, without the master."""
    return ask("GET", f"/_cluster/settings?flat_settings=true&local={str(local).lower()}")


def configure(name, value):
    """Has the cluster keep a setting; None for its default."""
    kept = configured()
    wanted = {}
    if kept["persistent"].get(name) != value:
        wanted["persistent"] = {name: value}
    # It would have precedence.
    if name in kept["transient"]:
        wanted["transient"] = {name: None}
    if wanted:
        ask("PUT", "/_cluster/settings", wanted)


def wait(what, seconds, check):
    """Until the check raises no trouble any more."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except Trouble as trouble:
            if time.monotonic() > deadline:
                raise Trouble(f"gave up after {seconds} s waiting for {what}: {trouble}") from None
        time.sleep(1)


def follows(name):
    """Whether a node answers and is in a cluster."""
    try:
        return bool(view(name)[0])
    except Trouble:
        return False


def others():
    """Nodes besides this one that are in a cluster, as any of them sees it."""
    for name in ADDRESSES:
        if name == NODE:
            continue
        try:
            return members_now(name) - {NODE}
        except Trouble:
            pass
    return set()


def company():
    """How many others are in a cluster. If this node has been in it, they get the time to elect a master anew."""
    def check():
        found = others()
        if not found:
            raise Trouble("none of them is in one")
        return len(found)

    if len(ADDRESSES) == 1 or not glob.glob(STATE):
        return len(others())
    try:
        return wait("the other nodes to be a cluster", 120, check)
    except Trouble:
        return 0


def hold():
    """Makes sure that the others can do without this node for a while, and that nobody copies its shards meanwhile."""
    # One that takes no part is missed by nobody.
    if not follows(NODE):
        return
    nodes = members_now()
    # The master may be the one that is missing.
    needed = int(configured(local=True)["persistent"].get(QUORUM, len(nodes) // 2 + 1))
    # Each is asked by itself: that a machine has vanished without a word, the cluster notices half a minute later.
    missing = sorted(name for name in MEMBERS if name != NODE and not follows(name))
    # Two nodes cannot do without either of them, and yet have to be restarted.
    if missing and len(nodes - set(missing)) - 1 < needed:
        raise Trouble(f"{NODE} is not restarted: of the others it takes {needed} to go on, and {', '.join(missing)} is not there")
    configure(ALLOCATION, None)
    wait(f"all copies of all shards, before {NODE} is restarted", 1800, need_whole)
    configure(ALLOCATION, "primaries")
    try:
        # Spares it the copying of files when it comes back; a shard that is being written to is not marked.
        ask("POST", "/_flush/synced")
    except Trouble:
        pass


def join():
    wait(f"{NODE} to join the cluster", 1800, members_now)


def serve():
    """Until this node is in the cluster and has its share."""
    join()
    configure(ALLOCATION, None)
    admit()
    wait("all copies of all shards", 3600, need_whole)
    # Never lower here: five nodes without two would take two for a quorum, and have room for two such.
    if len(members_now()) // 2 + 1 > int(configured()["persistent"].get(QUORUM, 0)):
        quorum()


def excluded():
    kept = configured()["persistent"].get(EXCLUDED, "")
    return [name for name in kept.split(",") if name]


def exclude(names):
    configure(EXCLUDED, ",".join(names) or None)


def admit():
    """Lets a node that was to leave have shards again."""
    exclude([name for name in excluded() if name != NODE])


def quorum(leaving=0):
    configure(QUORUM, str((len(members_now()) - leaving) // 2 + 1))


def drain():
    """Hands this node's shards to the others, or says why that cannot be."""
    nodes = members_now()
    rest = len(nodes) - 1
    if not rest:
        raise Trouble(f"{NODE} is the last node of the cluster: there is nobody to take its data")
    lost = sorted(set(MEMBERS) - nodes)
    if lost:
        raise Trouble(f"{NODE} does not leave while {', '.join(lost)} is not there")
    indices = ask("GET", "/_settings?flat_settings=true")
    for name, index in sorted(indices.items()):
        copies = int(index["settings"]["index.number_of_replicas"]) + 1
        fixed = index["settings"].get("index.auto_expand_replicas", "false") == "false"
        if fixed and copies > rest and not name.startswith(PROBES):
            raise Trouble(
                f"{NODE} cannot leave: index {name} keeps {copies} copies of its shards, and {rest} nodes remain; "
                f"lower its number_of_replicas to {rest - 1} first"
            )
    configure(ALLOCATION, None)
    wait(f"all copies of all shards, before {NODE} leaves", 1800, need_whole)
    exclude(sorted({*excluded(), NODE}))

    def empty():
        left = [f"{each['index']} {each['shard']}" for each in ask("GET", "/_cat/shards?format=json") if each["node"] and NODE in each["node"].split()]
        if left:
            raise Trouble(f"{', '.join(left)} {explanation()}")

    wait(f"the others to take the shards of {NODE}", 7200, empty)
    quorum(leaving=1)


def gone():
    """Until the others have noticed that this node has left."""
    there = others()
    left = next((name for name in MEMBERS if name in there), None)

    def check():
        if left and NODE in members_now(left):
            raise Trouble(f"{left} still counts {NODE}")

    wait(f"{NODE} to be gone from the cluster", 300, check)


def settle():
    """Until every member is in one cluster that has all copies of everything."""
    def together():
        for name in MEMBERS:
            missing = sorted(set(MEMBERS) - members_now(name))
            if missing:
                raise Trouble(f"{name} does not see {', '.join(missing)}")

    wait(f"{len(MEMBERS)} nodes to be one cluster", 1800, together)
    configure(ALLOCATION, None)
    # Of those that have left; one that comes back is a node as any other.
    exclude([name for name in excluded() if name in SETTINGS["leaving"] and name in members_now()])
    wait("all copies of all shards", 3600, need_whole)
    quorum()


if __name__ == "__main__":
    try:
        if sys.argv[1] == "others":
            print(company())
        else:
            {"join": join, "hold": hold, "serve": serve, "drain": drain, "gone": gone, "settle": settle, "release": release}[sys.argv[1]]()
    except Trouble as trouble:
        sys.exit(f"error: {trouble}")
