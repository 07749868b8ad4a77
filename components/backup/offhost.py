#!/usr/bin/python3
"""wiab-offhost push             brings to the second place what is not there yet; backups that are not encrypted stay here
wiab-offhost list             what is there, one a line: service, node, name
wiab-offhost fetch [SERVICE]  brings back what is not here, of all services or one

A backup is there when its checksum is, which comes behind it. Nothing is ever deleted there."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from pieces import MARK, parts

ROOT = "/var/backups/wiab"
DIRECTORY = "/etc/wiab/offhost"
ACCOUNT = "wiab-backup"
# Touched when all that is here is there, too.
DONE = "/var/lib/wiab-backup/offhost-done"
# What encrypted files begin with: backups, and copies of the stack's state (cli/state-copy.ts).
ENCRYPTED = (MARK, b"wiab-state-")
BACKUP = re.compile(r"(?:^|/)([a-z0-9][a-z0-9.-]{0,62})/([a-z0-9][a-z0-9.-]{0,62})/(\d{8}T\d{6}Z)\.sha256$")


class Place:
    """The folder on the server."""

    def __init__(self, settings):
        self.directory = settings["directory"]
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "30",
            "IdentitiesOnly": "yes",
            "IdentityFile": f"{DIRECTORY}/key",
            "UserKnownHostsFile": f"{DIRECTORY}/known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "ServerAliveInterval": "15",
            "ServerAliveCountMax": "4",
            "LogLevel": "ERROR",
            "Port": str(settings["port"]),
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        self.command = ["sftp", "-F", "none", "-b", "-", *words, f"{settings['user']}@{settings['address']}"]

    def run(self, *commands):
        """Runs commands of sftp; one without a minus before it that fails ends them."""
        done = subprocess.run(self.command, input="\n".join([*commands, ""]), capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"error: the second place for backups does not do that: {done.stderr.strip()[-500:]}")
        return done.stdout.splitlines()

    def backups(self):
        """Service, node and name of all that is whole there."""
        # Nothing there yet is no error; a server that cannot be reached is.
        lines = self.run("-mkdir " + self.directory, f"-ls -1 {self.directory}/*/*/*.sha256")
        found = [BACKUP.search(line) for line in lines if not line.startswith("sftp>")]
        return sorted(match.groups() for match in found if match)

    def put(self, service, node, name):
        there = f"{self.directory}/{service}/{node}"
        self.run(
            f"-mkdir {self.directory}/{service}",
            f"-mkdir {there}",
            f"put {ROOT}/{service}/{node}/{name} {there}/{name}",
            f"put {ROOT}/{service}/{node}/{name}.sha256 {there}/{name}.sha256",
        )

    def get(self, service, node, name, to):
        there = f"{self.directory}/{service}/{node}/{name}"
        self.run(f"get {there} {to}", f"get {there}.sha256 {to}.sha256")


def here():
    """Service, node and name of all that is whole here."""
    matches = [BACKUP.search(str(path)) for path in pathlib.Path(ROOT).glob("*/*/*.sha256")]
    found = sorted(match.groups() for match in matches if match)
    return [backup for backup in found if os.path.exists(os.path.join(ROOT, *backup))]


def encrypted(service, node, name):
    with open(os.path.join(ROOT, service, node, name), "rb") as file:
        return file.read(len(MARK)).startswith(ENCRYPTED)


def push(place):
    there = set(place.backups())
    for backup in here():
        if backup not in there and encrypted(*backup):
            place.put(*backup)
            print("brought", *backup)
    pathlib.Path(DONE).touch()


def fetch(place, wanted=None):
    there = set(here())
    for service, node, name in place.backups():
        if (service, node, name) in there or wanted not in (None, service):
            continue
        folder = os.path.join(ROOT, service, node)
        for each in (os.path.dirname(folder), folder):
            os.makedirs(each, mode=0o700, exist_ok=True)
            shutil.chown(each, ACCOUNT, ACCOUNT)
        coming = os.path.join(folder, ".fetched")
        place.get(service, node, name, coming)
        digest = hashlib.sha256()
        with open(coming, "rb") as file:
            for part in parts(file.read):
                digest.update(part)
        if digest.hexdigest() != pathlib.Path(f"{coming}.sha256").read_text():
            sys.exit(f"error: {service}/{node}/{name} is not what was brought there: its checksum is another one")
        for end in (".sha256", ""):
            shutil.chown(f"{coming}{end}", ACCOUNT, ACCOUNT)
            os.rename(f"{coming}{end}", os.path.join(folder, f"{name}{end}"))
        print("brought back", service, node, name)


def main():
    os.umask(0o077)
    with open(f"{DIRECTORY}/settings.json") as file:
        place = Place(json.load(file))
    match sys.argv[1:]:
        case ["push"]:
            push(place)
        case ["list"]:
            for backup in place.backups():
                print(*backup)
        case ["fetch", *services] if len(services) < 2:
            fetch(place, *services)
        case _:
            sys.exit(__doc__)


try:
    main()
except OSError as error:
    sys.exit(f"error: {error}")
