#!/usr/bin/python3
"""Looks at all of PostgreSQL from this node: one primary, the rest streaming, a row that is written on the primary read on
each standby, and repmgr of the same opinion. Prints one line of what it measured, or fails with what is wrong."""

import os
import subprocess
import sys
import time

from cluster import BIN, ME, NAME, SETTINGS, ask, ask_all, become_postgres, conninfo, sql

# WAL of one segment; a standby that is busy is behind by less.
BEHIND = 16 * 1024 * 1024
DATABASE = "wire-server"


def fail(text):
    sys.exit(f"error: {text}")


def on(node, text, database="repmgr", user="repmgr"):
    try:
        return sql(conninfo(node["address"], database).replace("user=repmgr", f"user={user}"), text, 30)
    except subprocess.CalledProcessError as error:
        fail(f"{node['name']}: {error.stderr.strip().splitlines()[-1]}")
    except subprocess.TimeoutExpired:
        fail(f"{node['name']} does not answer within 30 s; a write waits for a standby, and none may be there")


def main():
    nodes = {node["name"]: node for node in SETTINGS["nodes"] if not node["retiring"]}
    own = {**ask(ME["address"]), "name": NAME, "address": ME["address"]}
    answers = {answer["name"]: answer for answer in [own, *ask_all(list(nodes.values()))]}
    meaning = {"fresh": "its guard does not run", "unreachable": "it does not answer", "down": "PostgreSQL does not run", "none": "it has no data"}
    wrong = [f"{name}: {meaning.get(a['state'], a['state'])}" for name, a in answers.items() if a["state"] not in ("primary", "standby")]
    primaries = [name for name, answer in answers.items() if answer["state"] == "primary"]
    if len(primaries) != 1:
        wrong.append(f"{len(primaries)} primaries {' '.join(primaries)}".strip())
    if wrong:
        fail("; ".join(wrong))
    primary = nodes[primaries[0]]
    standbys = [node for name, node in nodes.items() if name != primary["name"]]
    behind = check_streams(primary, standbys)
    times = [f"{node['name']} after {taken} ms" for node, taken in write_and_read(primary, standbys)]
    check_repmgr(primary, nodes)
    if on(primary, "select has_schema_privilege('public', 'create')", DATABASE, DATABASE) != "t":
        fail(f"{primary['name']}: the user {DATABASE} may not create tables")
    stream = f", {len(standbys)} of {len(standbys)} standbys stream and are at most {behind} bytes behind" if standbys else ""
    read = f", row written there read on {', '.join(times)}" if times else ", row written and read there"
    print(f"{primary['name']} is the primary{stream}{read}; repmgr agrees; {DATABASE} may log in and create tables")


def check_streams(primary, standbys):
    text = "select application_name, state, greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn), 0)::bigint from pg_stat_replication where application_name <> ''"
    streams = dict((name, (state, int(lag or 0))) for name, state, lag in (line.split("|") for line in on(primary, text).splitlines()))
    for node in standbys:
        state, lag = streams.get(node["name"], ("no connection", 0))
        if state != "streaming":
            fail(f"{node['name']} does not stream from {primary['name']}: {state}")
        if lag > BEHIND:
            fail(f"{node['name']} is {lag} bytes behind {primary['name']}")
    return max((streams[node["name"]][1] for node in standbys), default=0)


def write_and_read(primary, standbys):
    """Writes as Wire does, which a majority has to have before it is acknowledged."""
    row = f"'{NAME} {os.getpid()} {time.time_ns()}'"
    on(primary, "create table if not exists wiab_probe (row text)")
    on(primary, f"set synchronous_commit = on; insert into wiab_probe values ({row})")
    began = time.monotonic()
    try:
        for node in standbys:
            while on(node, f"select count(*) from wiab_probe where row = {row}") != "1":
                if time.monotonic() - began > 30:
                    fail(f"{node['name']} has not replayed a row that was written on {primary['name']} 30 s ago")
                time.sleep(0.05)
            yield node, round((time.monotonic() - began) * 1000)
        if not standbys and on(primary, f"select count(*) from wiab_probe where row = {row}") != "1":
            fail(f"{primary['name']} does not have a row that was written there")
    finally:
        on(primary, f"delete from wiab_probe where row = {row}")


def check_repmgr(primary, nodes):
    command = [f"{BIN}/repmgr", "-f", "/etc/wiab/postgresql/repmgr.conf", "cluster", "show", "--csv"]
    shown = subprocess.run(command, capture_output=True, text=True)
    if shown.returncode != 0:
        fail(f"repmgr cluster show: {(shown.stderr or shown.stdout).strip()}")
    record = on(primary, "select node_name, type, active from repmgr.nodes").splitlines()
    wanted = [f"{name}|{'primary' if name == primary['name'] else 'standby'}|t" for name in nodes]
    for line in sorted(set(record) ^ set(wanted)):
        fail(f"repmgr's record says {line if line in record else 'nothing'}, and should say {line if line in wanted else 'nothing'}")
    for name, node in nodes.items():
        if on(node, "select repmgr.repmgrd_is_running()") != "t":
            fail(f"{name}: repmgrd does not run")


become_postgres()
main()
