#!/usr/bin/python3
"""Starts the broker here anew if it is the one that has to come back to the others: see `cut_off`."""
import subprocess
import time

from brokers import SELF, STAYING, Trouble, cut_off, divided


def look():
    """Whom each broker that answers has lost sight of."""
    lost = {}
    for viewer in STAYING:
        try:
            lost[viewer] = divided(viewer)
        except Trouble:
            continue
    return lost


if cut_off(look()) == SELF:
    # Twice net_ticktime, after which brokers that do come together by themselves have.
    time.sleep(60)
    lost = look()
    if cut_off(lost) == SELF:
        print(f"starting the broker on {SELF} anew: {', '.join(lost[SELF])} went on without it")
        subprocess.run(["systemctl", "restart", "rabbitmq-server"], check=True)
