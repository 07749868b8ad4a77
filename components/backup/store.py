#!/usr/bin/python3
"""The only thing that the keys of the nodes open: keeps their backups, and gives them back.

put SERVICE NODE       a stream on standard input becomes the newest backup; beyond the number to keep, the oldest go
list [SERVICE]         what there is, one a line: service, node, name, bytes
get SERVICE NODE NAME  the stream again

A stream comes in pieces, each with its length before it, and ends with its checksum: one that breaks off is told from
one that is complete."""
import fcntl
import hashlib
import os
import re
import sys
import time

from pieces import SIZE, receive, send

ROOT = "/var/backups/wiab"
NAME = r"[a-z0-9][a-z0-9.-]{0,62}"


def usable(folder):
    """Names of complete backups, the oldest first: the checksum of one is there before itself."""
    return sorted(name for name in os.listdir(folder) if re.fullmatch(r"\d{8}T\d{6}Z", name))


def folder_of(service, node):
    return os.path.join(ROOT, service, node)


def put(service, node):
    folder = folder_of(service, node)
    os.makedirs(folder, exist_ok=True)
    clean(folder)
    path = os.path.join(folder, f".incoming-{os.getpid()}")
    with open(path, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            checksum = receive(sys.stdin.buffer, file.write)
            file.flush()
            os.fsync(file.fileno())
            name = keep(folder, path, checksum)
        finally:
            os.unlink(path)
    for old in usable(folder)[: -int(open("/etc/wiab/backup/keep").read())]:
        os.unlink(os.path.join(folder, old))
        os.unlink(os.path.join(folder, f"{old}.sha256"))
    print(name)


def keep(folder, path, checksum):
    """Names a complete stream after the moment; two of one second get different ones."""
    moment = time.time()
    while True:
        name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))
        try:
            file = os.open(os.path.join(folder, f"{name}.sha256"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            moment += 1
            continue
        os.write(file, checksum.encode())
        os.fsync(file)
        os.close(file)
        os.link(path, os.path.join(folder, name))
        directory = os.open(folder, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        return name


def clean(folder):
    """Takes away what broken streams have left whose process was killed."""
    for name in os.listdir(folder):
        if name.startswith(".incoming-"):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(path)
                except OSError:
                    pass


def show(service=None):
    for each in [service] if service else sorted(os.listdir(ROOT)):
        top = os.path.join(ROOT, each)
        for node in sorted(os.listdir(top)) if os.path.isdir(top) else []:
            for name in usable(os.path.join(top, node)):
                print(each, node, name, os.path.getsize(os.path.join(top, node, name)))


def get(service, node, name):
    path = os.path.join(folder_of(service, node), name)
    try:
        wanted = open(f"{path}.sha256").read()
        file = open(path, "rb")
    except FileNotFoundError:
        sys.exit(f"there is no backup {name} of {service} on {node}")
    # Before anything is sent: whoever gets it may use it as it comes.
    digest = hashlib.sha256()
    while piece := file.read(SIZE):
        digest.update(piece)
    if digest.hexdigest() != wanted:
        sys.exit(f"the backup {name} of {service} on {node} has been altered: its checksum is another one")
    file.seek(0)
    send(file.read, sys.stdout.buffer)


def main():
    verb, *words = os.environ.get("SSH_ORIGINAL_COMMAND", "").split() or [""]
    verbs = {"put": (put, 2, 2), "list": (show, 0, 1), "get": (get, 3, 3)}
    if verb not in verbs:
        sys.exit("this key opens put, list and get of backups, and nothing else")
    act, least, most = verbs[verb]
    names = words[:2]
    if not least <= len(words) <= most or not all(re.fullmatch(NAME, word) for word in names):
        sys.exit(f"{verb}: not the names of a service and a node")
    if len(words) == 3 and not re.fullmatch(r"\d{8}T\d{6}Z", words[2]):
        sys.exit(f"{words[2]} is not the name of a backup")
    os.umask(0o077)
    act(*words)


try:
    main()
except (OSError, EOFError) as error:
    sys.exit(f"the asset host cannot do that: {error}")
