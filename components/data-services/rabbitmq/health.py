#!/usr/bin/python3
"""Whether the whole cluster is healthy, in one line; what is wrong, on standard error."""
import os
import sys
import time

from amqp import Channel, Closed
from brokers import NODES, SELF, SETTINGS, STAYING, Trouble, ask, cut_off, divided, encryption, members


def look():
    views = {name: members(name) for name in STAYING}
    lost = {viewer: divided(viewer) for viewer in STAYING}
    viewer = cut_off(lost)
    if viewer:
        raise Trouble(
            f"{viewer} and {', '.join(lost[viewer])} have lost sight of each other; {viewer} starts its broker anew within three "
            f"minutes, else on {viewer}: systemctl restart rabbitmq-server"
        )
    for viewer, known in views.items():
        for name in STAYING:
            if name not in known:
                raise Trouble(f"{name} is not a member of the cluster that {viewer} is in")
        for name, runs in known.items():
            if not runs and name not in SETTINGS["retiring"]:
                raise Trouble(f"{viewer} sees {name} as a member whose broker does not run")
        for name in lost[viewer]:
            raise Trouble(f"{viewer} sees a partition of the network at {name}")
        alarms = ask(viewer, "health/checks/alarms")
        if alarms.get("status") != "ok":
            kinds = ", ".join(f"{alarm['resource']} on {alarm['node']}" for alarm in alarms.get("alarms", []))
            raise Trouble(f"alarm: too little {kinds or alarms.get('reason')}; nobody can publish")
    return f"{len(STAYING)} of {len(STAYING)} brokers run in every view, no partitions, no alarms"


def connect(node):
    try:
        return Channel(NODES[node], SETTINGS["amqp"], SETTINGS["name"], SETTINGS["password"], encryption())
    except (OSError, Closed) as error:
        raise Trouble(f"the broker on {node} does not let in {SETTINGS['name']} at {NODES[node]}:{SETTINGS['amqp']}: {error}") from error


def pass_messages():
    """A message through a queue of the kind that Wire's services declare, to each other node."""
    queue = f"wiab-health-{SELF}-{os.getpid()}"
    here = connect(SELF)
    trips, at = [], SELF
    try:
        # It goes by itself if this program is killed.
        here.declare(queue, {"x-queue-type": "quorum", "x-expires": 120_000})
        for at in [name for name in STAYING if name != SELF] or [SELF]:
            there = connect(at)
            body, begin = os.urandom(16), time.monotonic()
            here.publish(queue, body)
            got = there.get(queue)
            there.close()
            if got != body:
                raise Trouble(f"a message published on {SELF} is not what {at} got")
            trips.append(f"{at} after {round((time.monotonic() - begin) * 1000)} ms")
        here.delete(queue)
        here.close()
    except (OSError, Closed) as error:
        raise Trouble(f"a message from {SELF} to {at}: {error}") from error
    return f"message published on {SELF} consumed on {', on '.join(trips)}"


try:
    print(f"{look()}; {pass_messages()}")
except Trouble as trouble:
    sys.exit(str(trouble))
