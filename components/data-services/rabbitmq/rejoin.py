#!/usr/bin/python3
"""Starts the broker here anew where only that brings it back to the others: see `cut_off` and `fallen`."""
import subprocess
import time

from brokers import SELF, SETTINGS, STAYING, Trouble, cut_off, divided, members, reachable


def look():
    """Whom each broker that answers has lost sight of."""
    lost = {}
    for viewer in STAYING:
        try:
            lost[viewer] = divided(viewer)
        except Trouble:
            continue
    return lost


def fallen():
    """Whether the broker here answers, and all others that do, at least half of the cluster, count it among those that do not run.

    Its database has ended under it, as it does on a disk without room, and nothing in the broker starts that again.
    """
    views = []
    for name in STAYING:
        try:
            if name != SELF:
                views.append(members(name).get(SELF))
        except Trouble:
            continue
    return 2 * len(views) >= len(STAYING) and not any(views) and bool(reachable(SELF, SETTINGS["management"]))


def left_behind():
    """Why the broker here has to start anew to come back to the others; nothing if it has not."""
    lost = look()
    if cut_off(lost) == SELF:
        return f"{', '.join(lost[SELF])} went on without it"
    return "it answers and does not run" if fallen() else ""


if left_behind():
    # Twice net_ticktime, after which brokers that do come together by themselves have.
    time.sleep(60)
    reason = left_behind()
    if reason:
        print(f"starting the broker on {SELF} anew: {reason}")
        subprocess.run(["systemctl", "restart", "rabbitmq-server"], check=True)
