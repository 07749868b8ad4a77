#!/usr/bin/python3
"""definitions changed|foreign|restorable: compares definitions of a cluster, on standard input, with ours, those that
it shall have. `changed` names what is missing or different; `foreign` the user guest if there is one; `restorable` says
what there is to restore, and fails if it is no such thing."""
import json
import sys

from brokers import DIRECTORY

KEYS = {
    "vhosts": ("name",),
    "users": ("name",),
    "permissions": ("user", "vhost"),
    "policies": ("vhost", "name"),
}


def changed(there, ours):
    for kind, keys in KEYS.items():
        present = {tuple(entry[key] for key in keys): entry for entry in there.get(kind, [])}
        for entry in ours[kind]:
            name = tuple(entry[key] for key in keys)
            found = present.get(name, {})
            # Tags are a text in some versions and a list in others.
            if any(value != (",".join(got) if isinstance(got := found.get(key), list) else got) for key, value in entry.items()):
                yield f"{kind} {' '.join(name)}"


there = json.load(sys.stdin)
if sys.argv[1] == "changed":
    print("\n".join(changed(there, json.load(open(f"{DIRECTORY}/definitions.json")))))
elif sys.argv[1] == "foreign":
    print("\n".join(user["name"] for user in there["users"] if user["name"] == "guest"))
else:
    kinds = [*KEYS, "queues", "exchanges", "bindings"]
    if not all(isinstance(there.get(kind), list) for kind in kinds):
        sys.exit("this is no backup of RabbitMQ")
    print(", ".join(f"{len(there[kind])} {kind}" for kind in kinds))
