#!/usr/bin/python3
"""Tells the other nodes how this one's PostgreSQL is, and keeps two of them from being primaries at a time.

What holds, from the moment that all nodes have joined: with N members, M of which are a majority, a primary acknowledges
a write once N - M standbys have it on disk too. A standby is promoted only by the votes of M members, each of which stops
receiving before it votes, and only if none of them has more than it has: so it has every acknowledged write, and the
former primary gets no further one acknowledged. A primary that sees less than half of the members for 15 s stops, and no
former primary starts before it has seen as many. With two members nobody is promoted, and writes wait for nobody.

A vote is a promise to follow nobody but the candidate, for 60 s of a clock that goes on while a machine sleeps. It is on
disk before it is answered, and holds over restarts of the guard, of PostgreSQL and of the machine. A candidate counts
votes for 30 s. Not covered: a candidate that stands still for the other 30 s between its count and the end of its
promotion, or whose machine is paused from outside, clock and all; and a client that cancels a COMMIT in waiting, to which
PostgreSQL says that it was done.

`guard serve` is the service. `guard promote` is what repmgrd runs to make this node the primary, `guard follow ID` to have it
follow another one. `guard peers` prints the states of the other nodes, `guard primary` the address of the primary."""

import contextlib
import fcntl
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time

from cluster import ANSWERING, BIN, DATA, GUARD_PORT, ME, NAME, SETTINGS, SLOT, Local, ask, ask_all, can_promote
from cluster import PROMISE, boottime, can_write, conninfo, everybody, keep, known_members, path, promise, promised, reserve
from cluster import say, seen

INTERVAL = 5
# A primary that is alone for so long stops; a voter's promise lasts much longer, so that by then no other primary is left.
ALONE = 15
# For so long a candidate counts its votes; the rest of the promise is for the promotion.
VOTES_COUNT = PROMISE / 2
# repmgrd finds the primary dead in about 40 s; what it cannot do, the guard does.
REPAIR, ELECTION = 30, 75
REPMGR_CONFIG = "/etc/wiab/postgresql/repmgr.conf"


class Guard:
    def __init__(self):
        self.local = Local()
        self.lock = threading.RLock()
        self.since = {}
        self.repairs = 0
        self.role = None

    def status(self):
        with self.lock:
            status = self.local.status()
        return {**status, "state": "retired"} if os.path.exists(path("retired")) else status

    def vote(self, candidate, lsn):
        """Whether this standby has nothing that the candidate lacks. It stops receiving first, for good."""
        # All of it in one: a second candidate asks at the same time, or `follow` is about to turn to the primary.
        with self.lock, turning() as free:
            if not free:
                return {"vote": "no", "why": "it is turning to a primary"}
            status = self.status()
            holder = promised()
            if status["state"] != "standby":
                return {"vote": "no", "why": f"it is {status['state']}"}
            if holder not in (None, candidate):
                return {"vote": "no", "why": f"it has promised to follow {holder}"}
            if status["receiving"] and candidate != NAME:
                return {"vote": "no", "why": "it still hears the primary"}
            self.local.ask("alter system set primary_conninfo = ''")
            self.local.ask("select pg_reload_conf()")
            deadline = time.monotonic() + 10
            while self.local.ask("select count(*) from pg_stat_wal_receiver") != "0":
                if time.monotonic() > deadline:
                    return {"vote": "no", "why": "its receiver does not stop"}
                time.sleep(0.1)
            promise(candidate)
            status = self.status()
            return {"vote": "yes", "timeline": status["timeline"], "lsn": status["lsn"]}

    def lasts(self, what, holds):
        """For how many seconds something has been so."""
        if not holds:
            self.since.pop(what, None)
            return 0
        return time.monotonic() - self.since.setdefault(what, time.monotonic())

    def watch(self):
        while True:
            try:
                self.look()
            except Exception as error:  # The next look may succeed; a guard that ends guards nobody.
                say(f"cannot look: {error!r}")
            time.sleep(INTERVAL)

    def look(self):
        status = self.status()
        if status["state"] not in ("primary", "standby"):
            self.since.clear()
            return
        with self.lock:
            members = self.local.members()
        if not members:
            return
        self.remember(members)
        answers = ask_all(everybody())
        if status["state"] == "primary":
            self.look_as_primary(status, members, answers)
        else:
            self.look_as_standby(status, members, answers)

    def remember(self, members):
        present = sorted(({"name": m["name"], "address": m["address"]} for m in members), key=lambda m: m["name"])
        if present != known_members() or not os.path.exists(path("members.json")):
            keep("members.json", present)
        # With N members a majority of M is needed to promote one, and N - M standbys besides the primary have to hold
        # what is acknowledged: each majority has one of them, and N / 2 standbys may be away. Two members have no
        # majority when one is away: nobody is promoted by himself, and the primary waits for nobody. On standbys too:
        # whichever is promoted has it from its first moment.
        names = ", ".join(f'"{member["name"]}"' for member in present)
        needed = (len(present) - 1) // 2
        wanted = f"ANY {needed} ({names})" if needed else ""
        with self.lock:
            if self.local.ask("show synchronous_standby_names") != wanted:
                self.local.ask(f"alter system set synchronous_standby_names = '{wanted}'")
                self.local.ask("select pg_reload_conf()")

    def look_as_primary(self, status, members, answers):
        later = [
            answer["name"]
            for answer in answers
            if answer.get("system") == status["system"]
            and answer["state"] in ("primary", "standby")
            and answer["timeline"] > status["timeline"]
        ]
        if later:
            return self.restart(f"{later[0]} has a later timeline than this primary")
        # An empty machine cannot have promoted anybody.
        if self.lasts("alone", not can_write(*seen(members, answers, (*ANSWERING, "none", "fresh")))) >= ALONE:
            return self.restart("this primary does not see enough of the nodes")
        self.correct_record(status, members)
        self.note_role("primary")

    def correct_record(self, status, members):
        """repmgr's record of who is what, after a promotion or a return that repmgr has not made itself."""
        me = next((member for member in members if member["name"] == NAME), None)
        if me is None:
            return
        changes = []
        for member in members:
            if member["name"] == NAME:
                wrong, kind, upstream = member["type"] != "primary" or not member["active"], "primary", "null"
            elif member["name"] in status["standbys"]:
                wrong = (member["type"], member["active"], member["upstream"]) != ("standby", True, me["id"])
                kind, upstream = "standby", me["id"]
            else:
                wrong, kind, upstream = member["type"] == "primary", "standby", me["id"]
            if wrong:
                changes.append(
                    f"update repmgr.nodes set type = '{kind}', upstream_node_id = {upstream}, active = true where node_id = {member['id']}"
                )
        # Not at once: repmgr is in the middle of it, most often.
        if self.lasts("wrong record", bool(changes)) >= 10:
            with self.lock:
                self.local.ask("set synchronous_commit = local")
                for change in changes:
                    self.local.ask(change)

    def look_as_standby(self, status, members, answers):
        me = next((member for member in members if member["name"] == NAME), None)
        primaries = [answer for answer in answers if answer["state"] == "primary" and answer["system"] == status["system"]]
        if status["receiving"]:
            self.repairs = 0
            with self.lock:
                # Those that it had as the primary would keep WAL for ever.
                self.local.ask("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")
            if me and me["type"] == "standby":
                self.note_role("standby")
        may_follow = len(primaries) == 1 and promised() in (None, primaries[0]["name"])
        if may_follow and not status["receiving"]:
            self.follow(primaries[0])
        if self.lasts("lost", not status["receiving"] and len(primaries) == 1) >= REPAIR and may_follow:
            self.repairs += 1
            with open(path("rejoin"), "w") as file:
                file.write("rewind" if self.repairs == 1 else "clone")
            return self.restart(f"this standby receives nothing from {primaries[0]['name']}")
        headless = not status["receiving"] and not primaries and can_promote(*seen(members, answers, ["standby"]))
        # The one that has most begins; the others follow some seconds later if it cannot.
        rank = sum(
            1
            for answer in answers
            if answer["state"] == "standby"
            and (answer["timeline"], int(answer["lsn"]), -priority(answer["name"])) > (status["timeline"], int(status["lsn"]), -priority(NAME))
        )
        if me and self.lasts("headless", headless) >= ELECTION + 15 * rank:
            self.since.pop("headless")
            subprocess.run([sys.executable, os.path.abspath(__file__), "promote"])

    def follow(self, primary):
        """Turns to another primary without a restart; one whose history is another does not send it anything."""
        wanted = conninfo(primary["address"])
        with self.lock:
            present = self.local.ask("show primary_conninfo")
        if present is None or f"host={primary['address']} " in present:
            return
        reserve(primary)
        with self.lock:
            # It may have voted meanwhile.
            if promised() not in (None, primary["name"]):
                return
            self.local.ask(f"alter system set primary_conninfo = '{wanted}'")
            self.local.ask(f"alter system set primary_slot_name = '{SLOT}'")
            self.local.ask("select pg_reload_conf()")
        say(f"follows {primary['name']}")

    def note_role(self, role):
        """repmgrd looks at its node as what it was when it began."""
        if self.role not in (None, role):
            end("/run/postgresql/wiab-repmgrd.pid", signal.SIGTERM)
        self.role = role

    def restart(self, why):
        say(f"{why}: PostgreSQL is restarted, and looks round before it starts")
        self.since.clear()
        end(f"{DATA}/postmaster.pid", signal.SIGINT)


def priority(name):
    return next((index for index, node in enumerate(SETTINGS["nodes"]) if node["name"] == name), len(SETTINGS["nodes"]))


def end(file, number):
    try:
        os.kill(int(open(file).readline()), number)
    except (OSError, ValueError):
        pass


def promote():
    local = Local()
    own = local.status()
    if own["state"] != "standby":
        say(f"not promoted: this node is {own['state']}")
        return 1
    members = local.members() or []
    answers = ask_all(members)
    hears = [answer["name"] for answer in [own, *answers] if answer["state"] == "primary" or answer.get("receiving")]
    if hears:
        say(f"not promoted: there is a primary yet, says {hears[0]}")
        return 1
    number, total = seen(members, answers, ["standby"])
    if not can_promote(number, total):
        say(f"not promoted: {number} of {total} nodes can agree")
        return 1
    began = boottime()
    # This node's own first: what it has does not grow any more then.
    votes = {NAME: ask(ME["address"], f"vote {NAME} {own['lsn']}", 15)}
    if votes[NAME].get("vote") == "yes":
        # Those that did not answer are not waited for again.
        voters = [answer for answer in answers if answer["state"] == "standby"]
        for answer in ask_all(voters, f"vote {NAME} {votes[NAME]['lsn']}", 15):
            votes[answer["name"]] = answer
    granted = {name: vote for name, vote in votes.items() if vote.get("vote") == "yes"}
    ahead = [n for n, vote in granted.items() if (vote["timeline"], int(vote["lsn"])) > (votes[NAME]["timeline"], int(votes[NAME]["lsn"]))]
    denied = "; ".join(f"{name}: {vote.get('why', vote.get('state'))}" for name, vote in votes.items() if name not in granted)
    if not can_promote(len(granted), total):
        say(f"not promoted: {len(granted)} of {total} nodes agree ({denied})")
        return 1
    if ahead:
        say(f"not promoted: {ahead[0]} has data that this node lacks")
        return 1
    age = boottime() - began
    if age > VOTES_COUNT:
        say(f"not promoted: its votes are {age:.0f} s old, and count for {VOTES_COUNT:.0f} s")
        return 1
    say(f"promoted by {', '.join(granted)}")
    return subprocess.run([f"{BIN}/repmgr", "-f", REPMGR_CONFIG, "standby", "promote"]).returncode


@contextlib.contextmanager
def turning(wait=False):
    """Keeps a vote and repmgr's way to another primary apart, which are processes of their own. Gives whether it does."""
    with open(path("turning.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def follow(number):
    """repmgr turns this node to the primary that it has found, unless the node has promised to follow another one."""
    primary = next((node["name"] for node in SETTINGS["nodes"] if str(node["id"]) == number), f"node {number}")
    with turning(wait=True):
        holder = promised()
        if holder not in (None, primary):
            say(f"does not follow {primary}: this node has promised to follow {holder}")
            return 1
        command = [f"{BIN}/repmgr", "-f", REPMGR_CONFIG, "standby", "follow", "--wait", f"--upstream-node-id={number}"]
        return subprocess.run(command).returncode


class Request(socketserver.StreamRequestHandler):
    timeout = 15

    def handle(self):
        verb, *words = self.rfile.readline(1000).decode().split() or [""]
        answer = self.server.guard.vote(*words) if verb == "vote" and len(words) == 2 else self.server.guard.status()
        self.wfile.write(f"{json.dumps(answer)}\n".encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve():
    with Server((ME["address"], GUARD_PORT), Request) as server:
        server.guard = Guard()
        threading.Thread(target=server.guard.watch, daemon=True).start()
        server.serve_forever()


def peers():
    for answer in ask_all(everybody()):
        say(f"{answer['name']} {answer['address']} {answer['state']} {answer.get('timeline', '-')} {answer.get('system', '-')}")


def primary():
    """Prints the address of the primary, this node among those that may be it."""
    answers = [{**ask(ME["address"]), "address": ME["address"]}, *ask_all(everybody())]
    found = [answer["address"] for answer in answers if answer["state"] == "primary"]
    if len(found) != 1:
        sys.exit(f"{len(found)} nodes are the primary of PostgreSQL {' '.join(found)}".strip())
    say(found[0])


VERBS = {
    "serve": serve,
    "primary": primary,
    "promote": lambda: sys.exit(promote()),
    "follow": lambda number: sys.exit(follow(number)),
    "peers": peers,
}
if __name__ == "__main__":
    VERBS[sys.argv[1]](*sys.argv[2:])
