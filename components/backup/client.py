#!/usr/bin/python3
"""wiab-backup SERVICE                      backs up a service of this node to the asset host
wiab-backup --list SERVICE               backups of a service, of all nodes
wiab-restore SERVICE [latest]            restores the newest backup that this node has made
wiab-restore SERVICE [NODE/]NAME         restores that one

What a node brings to the asset host it cannot read itself any more: wiab-restore is given the stack's private key on
standard input. Backups that earlier versions made need none."""
import json
import os
import subprocess
import sys
import tempfile

from pieces import MARK, SIZE, file_of, framed, unframed
from sealing import opened, sealed

DIRECTORY = "/etc/wiab/backup"
SETTINGS = json.load(open(f"{DIRECTORY}/settings.json"))
NODE = SETTINGS["node"]


def store(*words, **pipes):
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "30",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": f"{DIRECTORY}/known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
        "LogLevel": "ERROR",
    }
    # Nothing of a private key on standard input goes to the asset host.
    pipes.setdefault("stdin", subprocess.DEVNULL)
    command = ["ssh", "-F", "none", "-T", "-i", f"{DIRECTORY}/key"]
    command += [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return subprocess.Popen([*command, f"wiab-backup@{SETTINGS['address']}", *words], **pipes)


def program(service, what):
    path = f"/opt/wiab/{service}/{what}"
    if not os.access(path, os.X_OK):
        sys.exit(f"error: {NODE} has no service {service} that could do that: there is no {path}")
    return path


def back_up(service):
    source = subprocess.Popen([program(service, "backup")], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    first = source.stdout.read(1)
    if not first:
        code = source.wait()
        if code == 3:
            print(f"another node is the one to back up {service}")
            return
        sys.exit(f"error: {service} has written no backup and ended with {code}")
    target = store("put", service, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    # The end is sent only once the service has ended well: without it the asset host keeps nothing.
    def content():
        yield first
        while piece := source.stdout.read(SIZE):
            yield piece
        if source.wait() != 0:
            raise RuntimeError(f"{service} has broken off its backup and ended with {source.returncode}")

    try:
        for piece in framed(sealed(content(), f"{DIRECTORY}/certificate.pem")):
            target.stdin.write(piece)
        target.stdin.close()
    except BrokenPipeError:
        source.kill()
        target.wait()
        sys.exit("error: the asset host has not taken all of it")
    except (ChildProcessError, RuntimeError) as error:
        source.kill()
        target.kill()
        sys.exit(f"error: {error}")
    name = target.stdout.read().decode().strip()
    if target.wait() != 0:
        sys.exit("error: the asset host has not kept it")
    print(f"{service} is backed up as {NODE}/{name}")


def backups(service):
    target = store("list", service, stdout=subprocess.PIPE)
    text = target.stdout.read().decode()
    if target.wait() != 0:
        sys.exit("error: the asset host does not say what there is")
    return [line.split()[1:] for line in text.splitlines()]


def content_of(kept):
    """What a service has given for a backup, of what the asset host has kept."""
    start = kept.peek(len(MARK))[: len(MARK)]
    if start != MARK:
        yield from iter(lambda: kept.read(SIZE), b"")
        return
    kept.read(len(MARK))
    key = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    if b"PRIVATE KEY" not in key:
        raise ValueError(
            "it is encrypted, and there is no private key on standard input; "
            "the stack's output backupKey is what opens it (docs/operations.md)"
        )
    yield from opened(kept, key)


def restore(service, wanted):
    path = program(service, "restore")
    node, name = wanted.split("/", 1) if "/" in wanted else (NODE, wanted)
    if wanted == "latest":
        there = backups(service)
        own = [name for node, name, _ in there if node == NODE]
        if not own:
            others = ", ".join(f"{node}/{name}" for node, name, _ in there) or "none"
            sys.exit(f"error: {NODE} has made no backup of {service}; of other nodes there are: {others}")
        name = own[-1]
    # All of it is here, and is what was kept, before the service sees any of it.
    with tempfile.TemporaryFile(dir="/var/tmp") as file:
        target = store("get", service, node, name, stdout=subprocess.PIPE)
        try:
            for piece in content_of(file_of(unframed(target.stdout))):
                file.write(piece)
        except EOFError as error:
            target.wait()
            sys.exit(f"error: {node}/{name} did not come: {error}")
        except ValueError as error:
            target.kill()
            sys.exit(f"error: {node}/{name} cannot be read: {error}")
        file.seek(0)
        code = subprocess.call([path], stdin=file)
    if code != 0:
        sys.exit(f"error: {service} could not restore {node}/{name}, and ended with {code}")
    print(f"{service} is restored from {node}/{name}")


def main():
    match [os.path.basename(sys.argv[0]), *sys.argv[1:]]:
        case ["wiab-backup", "--list", service]:
            for node, name, size in backups(service):
                print(f"{node}/{name}\t{size}")
        case ["wiab-backup", service] if not service.startswith("-"):
            back_up(service)
        case ["wiab-restore", service]:
            restore(service, "latest")
        case ["wiab-restore", service, name]:
            restore(service, name)
        case _:
            sys.exit(__doc__)


try:
    main()
except OSError as error:
    sys.exit(f"error: {error}")
