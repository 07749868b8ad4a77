#!/usr/bin/python3 -B
"""One line with what was measured if the store is well; else what is wrong, on standard error."""
import os
import sys
import time

from store import HERE, MEMBERS, NODE, PROBE, SETTINGS, Trouble, ask, cluster, need_drives, reach, send, status, wait

CARGOHOLD = SETTINGS["cargohold"]
PUBLIC, ASSETS = SETTINGS["buckets"]["public"], SETTINGS["assetsBucket"]
OTHER = next(name for name in SETTINGS["buckets"]["private"] if name != ASSETS)
NAME = f"{PROBE}{NODE}-{os.getpid()}"


def expect(what, wanted, *request, **how):
    found = status(*request, **how)
    if found not in wanted:
        raise Trouble(f"{what}: the answer is {found}, not {wanted[0]}")


def round_trip(others):
    """An object that is put here and read through every other node; gives who took how long."""
    text, begun, took = os.urandom(4096), time.monotonic(), []
    ask("PUT", f"/{OTHER}/{NAME}", body=text)
    for name in others:
        if ask("GET", f"/{OTHER}/{NAME}", node=name) != text:
            raise Trouble(f"{name} gives something else than what was put through {HERE}")
        took.append(f"{name} after {(time.monotonic() - begun) * 1000:.0f} ms")
    return took


def rights(others):
    reader = others[0]
    ask("PUT", f"/{PUBLIC}/{NAME}", body=b"for all")
    expect(f"{PUBLIC} without credentials", (200,), "GET", f"/{PUBLIC}/{NAME}", node=reader, keys=None)
    expect(f"a write to {PUBLIC} without credentials", (403,), "PUT", f"/{PUBLIC}/{NAME}", body=b"x", keys=None)
    expect(f"a write to {ASSETS} by cargohold", (200,), "PUT", f"/{ASSETS}/{NAME}", body=b"asset", keys=CARGOHOLD)
    expect(f"{ASSETS} without credentials", (403,), "GET", f"/{ASSETS}/{NAME}", node=reader, keys=None)
    expect(f"cargohold reading {ASSETS}", (200,), "GET", f"/{ASSETS}/{NAME}", node=reader, keys=CARGOHOLD)
    expect(f"cargohold deleting in {ASSETS}", (204,), "DELETE", f"/{ASSETS}/{NAME}", keys=CARGOHOLD)
    expect(f"cargohold reading {OTHER}", (403,), "GET", f"/{OTHER}/{NAME}", keys=CARGOHOLD)


def check():
    for name in MEMBERS:
        drives, quorum = need_drives(name), cluster(name)
    if len(MEMBERS) > 1:
        # One that has just come back calls objects not found until it does. It may be healing already, for a moment.
        wait(f"{HERE} to get at every drive", 60, lambda: reach(HERE))
    others = [name for name in MEMBERS if name != HERE] or [HERE]
    try:
        took = round_trip(others)
        rights(others)
    finally:
        for bucket in (OTHER, PUBLIC, ASSETS):
            try:
                send("DELETE", f"/{bucket}/{NAME}").read()
            except Trouble:
                pass
    return (
        f"{drives} of {drives} drives on {len(MEMBERS)} nodes online, write quorum {quorum}; "
        f"object put on {HERE} read on {', '.join(took)}; "
        f"{PUBLIC} is readable by all and {ASSETS} is not; cargohold reads, writes and deletes in {ASSETS} alone"
    )


try:
    print(check())
except Trouble as trouble:
    sys.exit(f"minio: {trouble}")
