"""What the programs of PostgreSQL's room share: the settings, the state of this node, and what the others say of theirs."""

import concurrent.futures
import json
import os
import pwd
import re
import select
import socket
import subprocess
import sys
import time

SETTINGS = json.load(open("/etc/wiab/postgresql/settings.json"))
NAME, DATA, BIN = SETTINGS["name"], SETTINGS["data"], SETTINGS["bin"]
HOME = os.path.dirname(DATA)
ME = next(node for node in SETTINGS["nodes"] if node["name"] == NAME)
GUARD_PORT = SETTINGS["guardPort"]

# The greatest timeline whose history or WAL lies here; pg_control lags behind until the next restartpoint.
WAL_FILE = r"^[0-9A-F]{8}(\.history|[0-9A-F]{16}(\.partial)?)$"
STATUS = f"""select json_build_object(
  'state', case when pg_is_in_recovery() then 'standby' else 'primary' end,
  'system', (select system_identifier::text from pg_control_system()),
  'timeline', (select max(('x' || substr(name, 1, 8))::bit(32)::int) from pg_ls_waldir() where name ~ '{WAL_FILE}'),
  'lsn', ((case when pg_is_in_recovery() then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
    else pg_current_wal_flush_lsn() end) - '0/0')::text,
  'receiving', exists (select from pg_stat_wal_receiver where status = 'streaming'),
  'standbys', (select coalesce(json_agg(application_name), '[]') from pg_stat_replication where state = 'streaming'))"""
MEMBERS = """select coalesce(json_agg(json_build_object('name', node_name, 'id', node_id, 'type', type::text,
  'active', active, 'upstream', upstream_node_id, 'address', substring(conninfo from 'host=(\\S+)'))), '[]') from repmgr.nodes"""


def become_postgres():
    """From root to the user whose the data and the passwords are, in a folder that he may enter."""
    os.chdir("/")
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.initgroups("postgres", user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def say(text):
    print(text, flush=True)


def path(name):
    return os.path.join(HOME, name)


def conninfo(address, database="repmgr"):
    return (
        f"host={address} port=5432 user=repmgr dbname={database} connect_timeout=5 "
        f"application_name={NAME} passfile=/etc/wiab/postgresql/pgpass"
    )


def sql(connection, text, timeout=60):
    """Runs SQL on another node and gives what it prints."""
    command = [f"{BIN}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", connection]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout, check=True).stdout.strip()


SLOT = f"repmgr_slot_{ME['id']}"


def reserve(primary):
    """Has a primary keep what this node needs; and write a checkpoint, from which pg_rewind takes its timeline."""
    there = f"select from pg_replication_slots where slot_name = '{SLOT}'"
    create = f"select pg_create_physical_replication_slot('{SLOT}', true) where not exists ({there})"
    sql(conninfo(primary["address"], "postgres"), f"{create};\ncheckpoint;", 600)


class Local:
    """This node's PostgreSQL, by one connection that is kept: starting psql each time costs more than all else."""

    def __init__(self, database="repmgr"):
        self.database = database
        self.process = None

    def ask(self, text, timeout=15):
        """What an SQL statement prints; None if PostgreSQL does not answer it."""
        for attempt in (1, 2):
            kept = self.process is not None
            answer = self.try_to(text, timeout)
            if answer is not None or not kept:
                return answer
        return None

    def try_to(self, text, timeout):
        if self.process is None:
            self.process = subprocess.Popen(
                [f"{BIN}/psql", "-XAtq", f"dbname={self.database} connect_timeout=5"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        try:
            self.process.stdin.write(f"{text};\n\\if :ERROR\n\\echo 'failed'\n\\else\n\\echo 'done'\n\\endif\n".encode())
            self.process.stdin.flush()
            lines = b""
            while not lines.endswith((b"done\n", b"failed\n")):
                if not select.select([self.process.stdout], [], [], timeout)[0]:
                    raise OSError("no answer")
                piece = os.read(self.process.stdout.fileno(), 65536)
                if not piece:
                    raise OSError("closed")
                lines += piece
        except OSError:
            self.close()
            return None
        *answer, end = lines.decode().splitlines()
        return None if end == "failed" else "\n".join(answer)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def status(self):
        """State of this node; of a PostgreSQL that does not run, what its files say."""
        answer = self.ask(STATUS)
        return {"name": NAME, **(json.loads(answer) if answer else status_of_files())}

    def members(self):
        """The nodes that belong to the cluster, by its own record; None if it cannot be read."""
        answer = self.ask(MEMBERS)
        return json.loads(answer) if answer else None


def status_of_files():
    if not os.path.exists(f"{DATA}/PG_VERSION"):
        return {"state": "none"}
    control = subprocess.run([f"{BIN}/pg_controldata", DATA], capture_output=True, text=True).stdout
    system = re.search(r"system identifier: +(\d+)", control)
    names = [name for name in os.listdir(f"{DATA}/pg_wal") if re.match(WAL_FILE, name)]
    return {
        "state": "down",
        "system": system.group(1) if system else "",
        "timeline": max((int(name[:8], 16) for name in names), default=0),
    }


def known_members():
    """The members as they were known when PostgreSQL ran last."""
    try:
        return json.load(open(path("members.json")))
    except (OSError, ValueError):
        return [{"name": NAME, "address": ME["address"]}]


def keep(name, value):
    """Writes a file that is whole and on disk, or as it was before."""
    with open(path(f"{name}.new"), "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path(f"{name}.new"), path(name))
    folder = os.open(HOME, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# For so many seconds a voter follows nobody but its candidate.
PROMISE = 60


def boottime():
    """Seconds since the boot, those included during which the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot():
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def promise(candidate):
    keep("promise.json", {"candidate": candidate, "boot": boot(), "until": boottime() + PROMISE})


def promised():
    """The candidate that this node has promised to follow, while that lasts. A file that cannot be read is an error: it
    may hold a promise."""
    try:
        with open(path("promise.json")) as file:
            kept = json.load(file)
    except FileNotFoundError:
        return None
    # One of an earlier boot was given before this one began.
    until = kept["until"] if kept["boot"] == boot() else PROMISE
    return kept["candidate"] if boottime() < until else None


def ask(address, request="status", timeout=5):
    """What the guard of another node answers. `fresh`: a machine without any PostgreSQL of ours."""
    try:
        with socket.create_connection((address, GUARD_PORT), 3) as connection:
            connection.settimeout(timeout)
            connection.sendall(f"{request}\n".encode())
            return json.loads(connection.makefile().readline())
    except ConnectionRefusedError:
        return {"state": "fresh"}
    except (OSError, ValueError):
        return {"state": "unreachable"}


def ask_all(nodes, request="status", timeout=5):
    """The answers of other nodes, each with the node's name and address."""
    others = [node for node in nodes if node["name"] != NAME]
    if not others:
        return []
    with concurrent.futures.ThreadPoolExecutor(len(others)) as pool:
        answers = list(pool.map(lambda node: ask(node["address"], request, timeout), others))
    return [{**answer, "name": node["name"], "address": node["address"]} for node, answer in zip(others, answers)]


def everybody():
    """Configured nodes and members."""
    return list({node["name"]: node for node in [*known_members(), *SETTINGS["nodes"]]}.values())


ANSWERING = ("primary", "standby", "down")


def seen(members, answers, counted=ANSWERING):
    """How many members, this node among them, are in one of these states, and of how many that have not left."""
    by_name = {answer["name"]: answer["state"] for answer in answers}
    staying = [member["name"] for member in members if by_name.get(member["name"]) != "retired"]
    return sum(name == NAME or by_name.get(name) in counted for name in staying), len(staying)


def can_promote(number, total):
    return 2 * number > total


def can_write(number, total):
    """Whether so many meet every majority that could promote somebody else; so many have each acknowledged write."""
    return 2 * number >= total


def primary_or_exit():
    """Ends the program where another node is the primary (exit code 3), or none is."""
    answers = [{**ask(ME["address"]), "name": NAME}, *ask_all(everybody())]
    primaries = [answer["name"] for answer in answers if answer["state"] == "primary"]
    if primaries == [NAME]:
        return
    if len(primaries) != 1:
        sys.exit(f"error: {' and '.join(primaries) or 'no node'} is the primary of PostgreSQL; see /opt/wiab/postgresql/health")
    print(f"{primaries[0]} is the primary of PostgreSQL: it is done there", file=sys.stderr)
    sys.exit(3)
