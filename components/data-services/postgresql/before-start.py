#!/usr/bin/python3
"""Runs before PostgreSQL on every start. A node that would be the primary starts only if so many members answer that one
of them must know of any other primary, and none does; one that sees a primary starts as its standby."""

import fcntl
import os
import re
import shutil
import subprocess
import time

from cluster import BIN, DATA, SETTINGS, SLOT, ask_all, can_write, conninfo, everybody, known_members, path, promised, reserve, say
from cluster import seen, status_of_files

REJOIN = path("rejoin")


def main():
    lock = open(path("start.lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    shutil.rmtree(f"{DATA}.new", ignore_errors=True)
    reason = None
    while True:
        own = status_of_files()
        candidate = promised()
        answers = ask_all(everybody())
        primaries = [answer for answer in answers if answer["state"] == "primary"]
        strangers = [answer for answer in primaries if own["state"] == "down" and answer["system"] != own["system"]]
        was_primary = own["state"] == "down" and not os.path.exists(f"{DATA}/standby.signal")
        if strangers:
            now = f"{strangers[0]['name']} is the primary of another cluster than this node's data are of; nothing is touched"
        elif len(primaries) == 1 and candidate not in (None, primaries[0]["name"]):
            # A voter's standby starts and follows nobody; the guard turns it to a primary.
            if own["state"] == "down" and not was_primary:
                break
            now = f"this node has promised to follow {candidate}, and {primaries[0]['name']} is the primary"
        elif len(primaries) == 1:
            if own["state"] == "none" or was_primary or os.path.exists(REJOIN) or upstream() != primaries[0]["address"]:
                become_standby(primaries[0], own, was_primary)
            break
        elif len(primaries) > 1:
            now = f"{' and '.join(answer['name'] for answer in primaries)} are primaries both"
        elif own["state"] == "none":
            now = "there are no data here, and no other node is a primary to copy them from"
        elif not was_primary:
            break
        elif not can_write(*seen(known_members(), answers)):
            now = "this node would be the primary, and does not see enough of the others"
        elif any(answer.get("timeline", 0) > own["timeline"] for answer in answers if answer.get("system") == own["system"]):
            now = "this node was the primary, and another one has later data; one of those has to become the primary"
        else:
            break
        if now != reason:
            say(f"waiting: {now}")
            reason = now
        time.sleep(1)
    keep_up_with_primary()


def upstream():
    """Address of the primary that this standby follows."""
    found = re.findall(r"^primary_conninfo = '.*\bhost=['\\]*([^ '\\]+)", read("postgresql.auto.conf"), re.MULTILINE)
    return found[-1] if found else None


def read(name):
    try:
        return open(f"{DATA}/{name}").read()
    except OSError:
        return ""


def become_standby(primary, own, was_primary):
    reserve(primary)
    mode = read_rejoin()
    same = primary["timeline"] == own.get("timeline")
    # Two that were promoted apart from each other: rewinding takes equal numbers for an equal history.
    apart = was_primary and same
    if own["state"] == "none" or mode == "clone" or apart or not rewind(primary):
        clone(primary)
    follow(primary)
    if os.path.exists(REJOIN):
        os.unlink(REJOIN)
    say(f"standby of {primary['name']}")


def read_rejoin():
    try:
        return open(REJOIN).read().strip()
    except OSError:
        return ""


def rewind(primary):
    """Takes back what this node has beyond the point where the primary's history leaves its own."""
    configuration = "/etc/wiab/postgresql/postgresql.conf"
    if not clean():
        # pg_rewind wants one that was stopped in order; a crash is recovered from in single-user mode.
        for name in ("standby.signal", "recovery.signal"):
            if os.path.exists(f"{DATA}/{name}"):
                os.unlink(f"{DATA}/{name}")
        command = [f"{BIN}/postgres", "--single", "-F", "-D", DATA, "-c", f"config_file={configuration}", "-c"]
        subprocess.run([*command, "synchronous_standby_names=", "template1"], input=b"", stdout=subprocess.DEVNULL)
    command = [f"{BIN}/pg_rewind", f"--target-pgdata={DATA}", f"--source-server={conninfo(primary['address'], 'postgres')}"]
    ended = subprocess.run([*command, "--no-ensure-shutdown"], capture_output=True, text=True)
    say(f"pg_rewind: {(ended.stderr or ended.stdout).strip().splitlines()[-1:]}")
    return ended.returncode == 0


def clean():
    control = subprocess.run([f"{BIN}/pg_controldata", DATA], capture_output=True, text=True).stdout
    return re.search(r"cluster state: +shut down", control) is not None


def clone(primary):
    say(f"copying all data from {primary['name']}")
    command = [f"{BIN}/pg_basebackup", f"--dbname={conninfo(primary['address'], 'replication')}", f"--pgdata={DATA}.new"]
    subprocess.run([*command, "--checkpoint=fast", "--wal-method=stream", f"--slot={SLOT}"], check=True)
    open(f"{DATA}.new/standby.signal", "w").close()
    if os.path.exists(DATA):
        shutil.rmtree(f"{DATA}.old", ignore_errors=True)
        os.rename(DATA, f"{DATA}.old")
    os.rename(f"{DATA}.new", DATA)
    shutil.rmtree(f"{DATA}.old", ignore_errors=True)


def follow(primary):
    kept = [line for line in read("postgresql.auto.conf").splitlines() if not line.startswith(("primary_conninfo", "primary_slot_name"))]
    lines = [*kept, f"primary_conninfo = '{conninfo(primary['address'])}'", f"primary_slot_name = '{SLOT}'"]
    with open(f"{DATA}/postgresql.auto.conf.new", "w") as file:
        file.write("\n".join(lines) + "\n")
    os.rename(f"{DATA}/postgresql.auto.conf.new", f"{DATA}/postgresql.auto.conf")
    open(f"{DATA}/standby.signal", "w").close()


def keep_up_with_primary():
    """A standby does not start with fewer connections than its primary has, which may have its turn later."""
    control = subprocess.run([f"{BIN}/pg_controldata", DATA], capture_output=True, text=True).stdout
    found = re.search(r"max_connections setting: +(\d+)", control)
    needed = max(int(found.group(1)) if found else 0, SETTINGS["maxConnections"])
    standby = os.path.exists(f"{DATA}/standby.signal")
    with open(path("connections.conf"), "w") as file:
        file.write(f"max_connections = {needed if standby else SETTINGS['maxConnections']}\n")


if __name__ == "__main__":
    main()
