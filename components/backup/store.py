#!/usr/bin/python3
"""The only thing that the keys of the nodes open: keeps their backups, and gives them back. Its arguments stand beside
each key: the name of its node, and the services that are on it. It does nothing for others.

put SERVICE            a stream on standard input becomes the node's newest backup; old ones that are many go
list SERVICE           what all nodes have brought, one a line: service, node, name, bytes
get SERVICE NODE NAME  the stream again; another node's if it is encrypted, so that it says nothing to this one

A stream comes in pieces, each with its length before it, and ends with its checksum: one that breaks off is told from
one that is complete."""
import calendar
import fcntl
import hashlib
import json
import os
import re
import sys
import time

from pieces import MARK, framed, parts, unframed

ROOT = "/var/backups/wiab"
NAME = r"[a-z0-9][a-z0-9.-]{0,62}"
BACKUP = r"\d{8}T\d{6}Z"
# Bytes of the disk that are left to what else the asset host does, whatever nodes bring.
RESERVE = 1 << 30


def usable(folder):
    """Names of complete backups, the oldest first: the checksum of one is there before itself."""
    return sorted(name for name in os.listdir(folder) if re.fullmatch(BACKUP, name))


def folder_of(service, node):
    return os.path.join(ROOT, service, node)


def put(node, service):
    folder = folder_of(service, node)
    os.makedirs(folder, exist_ok=True)
    clean(folder)
    path = os.path.join(folder, f".incoming-{os.getpid()}")
    with open(path, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            digest = hashlib.sha256()
            for piece in unframed(sys.stdin.buffer, digest):
                at = os.statvfs(folder)
                if at.f_bavail * at.f_frsize < RESERVE:
                    raise OSError(f"less than {RESERVE >> 20} MiB of its disk are left")
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            name = keep(folder, path, digest.hexdigest())
        finally:
            os.unlink(path)
    prune(folder, time.time())
    print(name)


def prune(folder, now):
    """Deletes what is old and not among the newest: a node that brings many pushes out nothing that is young."""
    with open("/etc/wiab/backup/keep.json") as file:
        wanted = json.load(file)
    for old in usable(folder)[: -wanted["keep"]]:
        if calendar.timegm(time.strptime(old, "%Y%m%dT%H%M%SZ")) < now - 86400 * wanted["keepDays"]:
            os.unlink(os.path.join(folder, old))
            os.unlink(os.path.join(folder, f"{old}.sha256"))


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


def show(_, service):
    top = os.path.join(ROOT, service)
    for node in sorted(os.listdir(top)) if os.path.isdir(top) else []:
        for name in usable(os.path.join(top, node)):
            print(service, node, name, os.path.getsize(os.path.join(top, node, name)))


def get(own, service, node, name):
    path = os.path.join(folder_of(service, node), name)
    try:
        wanted = open(f"{path}.sha256").read()
        file = open(path, "rb")
    except FileNotFoundError:
        sys.exit(f"there is no backup {name} of {service} on {node}")
    if node != own and file.read(len(MARK)) != MARK:
        sys.exit(f"the backup {name} of {service} on {node} is not encrypted, and {own} is another node")
    file.seek(0)
    # Before anything is sent: whoever gets it may use it as it comes.
    digest = hashlib.sha256()
    for part in parts(file.read):
        digest.update(part)
    if digest.hexdigest() != wanted:
        sys.exit(f"the backup {name} of {service} on {node} has been altered: its checksum is another one")
    file.seek(0)
    for part in framed(parts(file.read)):
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def main(own, *services):
    verb, *words = os.environ.get("SSH_ORIGINAL_COMMAND", "").split() or [""]
    verbs = {"put": (put, []), "list": (show, []), "get": (get, [NAME, BACKUP])}
    if verb not in verbs:
        sys.exit("this key opens put, list and get of backups, and nothing else")
    act, forms = verbs[verb]
    if len(words) != 1 + len(forms):
        sys.exit(f"{verb}: not the names of a service, a node and a backup")
    if words[0] not in services:
        sys.exit(f"{verb}: {own} has no such service: {', '.join(services) or 'it has none'}")
    for word, form in zip(words[1:], forms):
        if not re.fullmatch(form, word):
            sys.exit(f"{verb}: not the name of a node or of a backup")
    os.umask(0o077)
    act(own, *words)


try:
    main(*sys.argv[1:])
except (OSError, EOFError, ValueError) as error:
    sys.exit(f"the asset host cannot do that: {error}")
