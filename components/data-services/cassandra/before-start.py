#!/usr/bin/env python3
"""Runs before Cassandra does: sets a segment of the commit log aside that it could not read at its last start.

A disk without room leaves a segment whose end is damaged, and Cassandra gives up at every start for it. The other nodes have
what was acknowledged, so it is fetched from them (`wiab-cassandra-catch-up`). A node alone keeps the segment: nobody else has
what is in it.
"""
import json
import os
import re
import subprocess

DATA = "/var/lib/cassandra"
SETTINGS = "/etc/wiab/cassandra/ring.json"
# For the health check, in words.
NOTE = "/run/wiab-cassandra.damaged"
GAVE_UP = "Exiting due to error while processing commit log during initialization"
SERVES = "listening for CQL clients"


def damaged(log):
    """The segment that the last start in a log ended for, if it did."""
    last = log.rsplit(SERVES, 1)[-1]
    if GAVE_UP not in last:
        return None
    found = re.search(r"CommitLog-[0-9-]+\.log", last.rsplit(GAVE_UP, 1)[1])
    return found and found.group()


def main():
    log = subprocess.run(
        ["journalctl", "--unit", "cassandra.service", "--lines", "500", "--output", "cat"], capture_output=True, text=True, check=False
    ).stdout
    name = damaged(log)
    path = f"{DATA}/commitlog/{name}"
    if not name or not os.path.exists(path):
        if os.path.exists(NOTE):
            os.remove(NOTE)
        return
    aside = f"{DATA}/damaged"
    with open(SETTINGS, encoding="utf-8") as file:
        nodes = json.load(file)["nodes"]
    if len(nodes) == 1:
        with open(NOTE, "w", encoding="utf-8") as file:
            file.write(
                f"its commit log is damaged ({path}), and no other node has what is in it: to go on without what had not come into "
                f"its tables yet, sudo mkdir -p {aside} && sudo mv {path} {aside}/"
            )
        return
    os.makedirs(aside, mode=0o700, exist_ok=True)
    with open(f"{DATA}/repair-wanted", "w", encoding="utf-8"):
        pass
    os.rename(path, f"{aside}/{name}")
    print(f"{name} is damaged and lies in {aside} now; what was in it comes from the other nodes")


if __name__ == "__main__":
    main()
