"""What the asset host has of backups, and whether it serves."""
import calendar
import json
import os
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

PARAMETERS = json.load(sys.stdin)
ROOT = "/var/backups/wiab"


def newest(folder):
    """Name, bytes and age in seconds of a folder's newest complete backup."""
    names = sorted(name for name in os.listdir(folder) if re.fullmatch(r"\d{8}T\d{6}Z", name))
    if not names:
        return None
    made = calendar.timegm(time.strptime(names[-1], "%Y%m%dT%H%M%SZ"))
    return {"name": names[-1], "bytes": os.path.getsize(os.path.join(folder, names[-1])), "made": made, "kept": len(names)}


def backups():
    found = []
    for service in sorted(os.listdir(ROOT)) if os.path.isdir(ROOT) else []:
        for node in sorted(os.listdir(os.path.join(ROOT, service))):
            last = newest(os.path.join(ROOT, service, node))
            if last:
                found.append({"service": service, "node": node, **last})
    return found


def off_host():
    """When all that is here was elsewhere too, and how the last run ended; None where it is brought nowhere."""
    timer = "/etc/systemd/system/wiab-offhost.timer"
    if not os.path.exists(timer):
        return None
    shown = subprocess.run(["systemctl", "show", "--property", "Result", "--value", "wiab-offhost.service"], capture_output=True, text=True)
    done = "/var/lib/wiab-backup/offhost-done"
    return {"result": shown.stdout.strip(), "done": os.path.getmtime(done if os.path.exists(done) else timer)}


def interval(schedule):
    """Seconds between two times of a schedule, the longest of the next ones."""
    command = ["systemd-analyze", "calendar", "--iterations=8", schedule]
    shown = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TZ": "UTC"}).stdout
    times = re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", shown)
    moments = sorted({calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S")) for text in times})
    return max((later - earlier for earlier, later in zip(moments, moments[1:])), default=86400)


def answers(url, authority=None):
    """The status that a URL answers with; what went wrong, where it does not."""
    context = ssl.create_default_context(cadata=authority) if authority else None
    try:
        with urllib.request.urlopen(url, timeout=15, context=context) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return str(error)


print(json.dumps({
    "now": time.time(),
    "backups": backups(),
    "offHost": off_host(),
    "interval": interval(PARAMETERS["schedule"]) if PARAMETERS.get("schedule") else None,
    "files": answers(PARAMETERS["url"]),
    "registry": PARAMETERS["registry"] and answers(f"https://{PARAMETERS['registry']}/v2/", PARAMETERS["authority"]),
}))
