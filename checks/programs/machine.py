"""What a machine says of itself. Looks, and changes nothing."""
import base64
import calendar
import glob
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time

CERTIFICATES = (
    "/etc/kubernetes/pki/*.crt",
    "/etc/kubernetes/pki/etcd/*.crt",
    "/etc/kubernetes/*.conf",
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
    "/etc/wiab/**/*.crt",
    "/etc/wiab/**/*.pem",
)
FILE_SYSTEMS = ("ext4", "xfs", "btrfs", "overlay")
# What differs from one occurrence of a message to the next.
CHANGING = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|0x[0-9a-f]+|\b[0-9a-f]{12,}\b|\d+")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def disks():
    """Every file system that is written to, once."""
    seen = {}
    with open("/proc/mounts") as mounts:
        for line in mounts:
            device, where, kind, options = line.split()[:4]
            if kind in FILE_SYSTEMS and "/containerd/" not in where and "/kubelet/" not in where and os.path.isdir(where):
                seen.setdefault(device, (where, options))
    found = []
    for where, options in seen.values():
        at = os.statvfs(where)
        found.append({
            "mount": where,
            "bytes": at.f_blocks * at.f_frsize,
            "used": 1 - at.f_bavail / max(1, at.f_blocks - at.f_bfree + at.f_bavail),
            "inodes": 1 - at.f_favail / at.f_files if at.f_files else 0,
            "readOnly": "ro" in options.split(","),
        })
    return found


def memory():
    with open("/proc/meminfo") as lines:
        values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return {"bytes": values["MemTotal"], "available": values["MemAvailable"] / values["MemTotal"]}


def clock(server):
    """Milliseconds that this machine's clock is behind its time server's (RFC 5905); None if that does not answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(5)
        try:
            sent = time.time()
            asked.sendto(b"\x23" + 47 * b"\0", (server, 123))
            answer = asked.recv(48)
        except OSError:
            return None
    seconds, fraction = struct.unpack("!II", answer[40:48])
    # NTP counts from 1900.
    return round((seconds - 2208988800 + fraction / 2**32 - (sent + time.time()) / 2) * 1000)


def is_kept():
    """Whether something here keeps the clock; a container has that of its host."""
    synchronised = output("timedatectl", "show", "--property", "NTPSynchronized", "--value").strip() == "yes"
    return synchronised or os.path.exists("/run/systemd/container")


def certificates():
    """Every certificate that something here shows or trusts, with the days that it has left."""
    found = []
    for path in sorted({path for pattern in CERTIFICATES for path in glob.glob(pattern, recursive=True)}):
        with open(path, errors="replace") as file:
            text = file.read()
        for data in re.findall(r"client-certificate-data: (\S+)", text):
            text += base64.b64decode(data).decode()
        for pem in re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.S):
            end = subprocess.run(["openssl", "x509", "-noout", "-enddate"], input=pem, capture_output=True, text=True).stdout
            if end:
                left = calendar.timegm(time.strptime(end.strip(), "notAfter=%b %d %H:%M:%S %Y GMT")) - time.time()
                found.append({"file": path, "days": left / 86400})
    return found


def repeated_errors():
    """Messages of priority "err" and above of the last ten minutes, those that differ in numbers alone counted as one."""
    counted = {}
    for line in output("journalctl", "--since", "-10min", "--priority", "err", "--output", "json").splitlines():
        entry = json.loads(line)
        text = entry.get("MESSAGE")
        if isinstance(text, str):
            key = (entry.get("_SYSTEMD_UNIT", entry.get("SYSLOG_IDENTIFIER", "kernel")), CHANGING.sub("#", text))
            counted.setdefault(key, [0, text])[0] += 1
    return [{"unit": unit, "count": count, "text": text[:300]} for (unit, _), (count, text) in counted.items()]


def backups():
    """When each service's backup was planned first, and how its last run ended."""
    found = []
    for timer in sorted(glob.glob("/etc/systemd/system/wiab-backup-*.timer")):
        unit = os.path.basename(timer)[: -len(".timer")]
        shown = output("systemctl", "show", "--property", "Result", "--value", f"{unit}.service")
        found.append({
            "service": unit[len("wiab-backup-"):],
            "active": output("systemctl", "is-active", f"{unit}.timer") == "active",
            "result": shown,
            "planned": os.path.getmtime(timer),
        })
    return found


def main():
    server = json.load(sys.stdin)["timeServer"]
    failed = output("systemctl", "list-units", "--state=failed", "--plain", "--no-legend")
    with open("/proc/uptime") as uptime:
        up = float(uptime.read().split()[0])
    addresses = [line.split()[3] for line in output("ip", "-4", "-oneline", "address", "show", "scope", "global").splitlines()]
    return {
        "name": socket.gethostname().split(".")[0],
        "addresses": addresses,
        "uptime": up,
        "load": os.getloadavg()[0] / os.cpu_count(),
        "memory": memory(),
        "disks": disks(),
        "failedUnits": [line.split()[0] for line in failed.splitlines()],
        "offset": clock(server) if server else None,
        "kept": None if server else is_kept(),
        "certificates": certificates(),
        "errors": repeated_errors(),
        "killed": output("journalctl", "--dmesg", "--since", "-1day", "--grep", "Out of memory: Killed").count("\n"),
        "passwords": output("sh", "-c", "sshd -T | awk '$1 == \"passwordauthentication\" { print $2 }'"),
        "backups": backups(),
        "rebootRequired": os.path.exists("/run/reboot-required"),
    }


print(json.dumps(main()))
