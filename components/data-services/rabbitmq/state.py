#!/usr/bin/python3
"""state QUESTION: what node.sh has to know of the cluster. It does not need rabbitmqctl, which takes seconds each time.
Exit code 1, with the reason, means no, or not yet."""
import sys

from brokers import NODES, SELF, SETTINGS, STAYING, WAYS, Refused, Trouble, ask, members, partitions, reachable

# While TLS is being switched on or off, a broker may still have it the other way.
WAYS.append((15672, False) if SETTINGS["tls"] else (15671, True))
EPMD, DISTRIBUTION = 4369, 25672
OTHERS = [name for name in NODES if name != SELF]


def other():
    """A broker of the cluster on another node, with the members that it knows; None if there is none."""
    for name in sorted(OTHERS, key=lambda name: name not in STAYING):
        try:
            return name, members(name)
        except Refused:
            raise
        except Trouble:
            pass
    return None


def cluster():
    """Where an empty node belongs: `join NODE`, `rejoin NODE` if the cluster knows one of its name, or `none`."""
    found = other()
    if found:
        node, known = found
        if known.get(SELF):
            raise Trouble(f"{node} has not noticed yet that the former broker on {SELF} is gone")
        return f"{'rejoin' if SELF in known else 'join'} {node}"
    for name in OTHERS:
        listens = reachable(name, EPMD)
        if listens is None:
            raise Trouble(f"{name} does not answer at all, so nobody knows whether there is a cluster already")
        if listens:
            raise Trouble(
                f"{name} has been made a broker before and its broker does not answer: start rabbitmq-server there "
                "(if it never had any data, stop wiab-epmd there)"
            )
    return "none"


def serves():
    """Whether the broker here serves."""
    if not members(SELF).get(SELF):
        raise Trouble(f"the broker on {SELF} is not running")
    # The management interface is there earlier.
    if not reachable(SELF, SETTINGS["amqp"]):
        raise Trouble(f"the broker on {SELF} does not let clients in yet")
    return "serves"


def waits():
    """Whether the broker here has been started, and not yet all of the others, for which it may have to wait."""
    if not reachable(SELF, DISTRIBUTION):
        raise Trouble(f"the broker on {SELF} has not begun")
    if all(reachable(name, DISTRIBUTION) for name in STAYING if name != SELF):
        raise Trouble(f"the broker on {SELF} does not serve yet")
    return "waits for the others"


def spare():
    """Whether the others can do without the broker here."""
    known = members(SELF)
    down = [name for name, runs in known.items() if not runs]
    if down:
        raise Trouble(f"{', '.join(down)} does not run: {SELF} is needed")
    lost = [name for name, others in partitions(SELF).items() if others]
    if lost:
        raise Trouble(f"there is a partition of the network at {', '.join(lost)}")
    if len(known) > 1:
        for check in ("node-is-quorum-critical", "node-is-mirror-sync-critical"):
            answer = ask(SELF, f"health/checks/{check}")
            # Of two replicas both are needed, always: service pauses while either is away, and nothing is lost.
            if answer.get("status") != "ok" and len(known) > 2:
                queues = ", ".join(queue.get("readable_name", "") for queue in answer.get("queues", [])[:5])
                raise Trouble(f"{SELF} is needed until other brokers have caught up: {answer.get('reason')} {queues}")
    return f"{len(known)} members"


def replicated(node):
    """Whether every quorum queue has a replica on a node."""
    queues = [queue for queue in ask(SELF, "queues") if queue.get("type") == "quorum"]
    lacking = [queue["name"] for queue in queues if f"rabbit@{node}" not in queue.get("members", [])]
    if lacking:
        raise Trouble(f"{len(lacking)} of {len(queues)} quorum queues have no replica on {node}: {', '.join(lacking[:5])}")
    return f"{len(queues)} queues"


def leave():
    """Which other broker still counts this one as a member; nothing if none does."""
    found = other()
    if not found:
        raise Trouble(f"no other broker answers: {', '.join(OTHERS) or 'there is none'}")
    return found[0] if SELF in found[1] else ""


def gone():
    """Whether the others have seen that the broker here has stopped."""
    node, known = other()
    if known.get(SELF):
        raise Trouble(f"{node} still counts {SELF} among those that run")
    return "gone"


def first():
    """Whether no other broker that runs comes before this one."""
    for name in STAYING[: STAYING.index(SELF)] if SELF in STAYING else STAYING:
        try:
            members(name)
        except Trouble:
            continue
        print(f"it is the turn of {name}")
        sys.exit(3)
    return "first"


QUESTIONS = {function.__name__: function for function in (cluster, serves, waits, spare, replicated, leave, gone, first)}
try:
    print(QUESTIONS[sys.argv[1]](*sys.argv[2:]))
except Refused as refused:
    print(refused)
    sys.exit(4)
except Trouble as trouble:
    print(trouble)
    sys.exit(1)
