#!/usr/bin/python3 -B
"""Makes the buckets, their policies and cargohold's user what they shall be, whatever they are."""
import json
import shutil
import subprocess
import sys
import tempfile

from store import ADDRESSES, ADMIN, HERE, ROOT, SETTINGS, Trouble, ask, bucket_names, send, status

POLICY = "wiab-cargohold"
KEYS = SETTINGS["cargohold"]


def sorted_lists(value):
    if isinstance(value, list):
        return sorted((sorted_lists(each) for each in value), key=json.dumps)
    if isinstance(value, dict):
        return {name: sorted_lists(each) for name, each in value.items()}
    return value


def same(text, policy):
    """MinIO gives lists back in an order of its own."""
    return sorted_lists(json.loads(text)) == sorted_lists(policy)


def buckets():
    present = bucket_names()
    public, private = SETTINGS["buckets"]["public"], SETTINGS["buckets"]["private"]
    for name in [public, *private]:
        if name not in present:
            ask("PUT", f"/{name}")
            print(f"made bucket {name}")
    for name, wanted in [(public, SETTINGS["publicPolicy"]), *((name, None) for name in private)]:
        answer = send("GET", f"/{name}", {"policy": ""})
        text = answer.read()
        if answer.status not in (200, 404):
            raise Trouble(f"the policy of {name} cannot be read: {answer.status} {text.decode()[:400]}")
        if wanted and not (answer.status == 200 and same(text, wanted)):
            ask("PUT", f"/{name}", {"policy": ""}, json.dumps(wanted))
            print(f"gave bucket {name} its policy")
        elif not wanted and answer.status == 200:
            ask("DELETE", f"/{name}", {"policy": ""})
            print(f"took the policy of bucket {name} away")


def policy():
    wanted = SETTINGS["cargoholdPolicy"]
    answer = send("GET", f"{ADMIN}info-canned-policy", {"name": POLICY, "v": "2"})
    text = answer.read()
    if answer.status != 200 or not same(json.dumps(json.loads(text)["Policy"]), wanted):
        ask("PUT", f"{ADMIN}add-canned-policy", {"name": POLICY}, json.dumps(wanted))
        print(f"made policy {POLICY}")


def mc(*words, text=None):
    """Runs mc with a configuration in memory, so that no command line and no environment shows keys."""
    folder = tempfile.mkdtemp(prefix="wiab.", dir="/dev/shm")
    try:
        alias = {"url": f"{SETTINGS['scheme']}://{ADDRESSES[HERE]}:9000", "api": "s3v4", "path": "auto", **ROOT}
        with open(f"{folder}/config.json", "w") as file:
            json.dump({"version": "10", "aliases": {"here": alias}}, file)
        if SETTINGS["scheme"] == "https":
            shutil.copytree("/etc/wiab/minio/certs/CAs", f"{folder}/certs/CAs")
        ran = subprocess.run(
            [SETTINGS["mc"], "--config-dir", folder, "--json", "admin", *words], input=text, capture_output=True, text=True)
    finally:
        shutil.rmtree(folder)
    if ran.returncode:
        raise Trouble(f"mc admin {' '.join(words[:2])}: {ran.stdout}{ran.stderr}")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def user():
    def attached():
        answer = send("GET", f"{ADMIN}user-info", {"accessKey": KEYS["accessKey"]})
        found = json.loads(answer.read() or "{}")
        return answer.status == 200 and found.get("status") == "enabled", found.get("policyName")

    enabled, policies = attached()
    # With another secret key, it is somebody else.
    if not enabled or status("GET", f"/{SETTINGS['assetsBucket']}", {"location": ""}, keys=KEYS) == 403 and policies == POLICY:
        mc("user", "add", "here", text=f"{KEYS['accessKey']}\n{KEYS['secretKey']}\n")
        print("made the user of cargohold")
        policies = attached()[1]
    if policies != POLICY:
        query = {"policyName": POLICY, "userOrGroup": KEYS["accessKey"], "isGroup": "false"}
        ask("PUT", f"{ADMIN}set-user-or-group-policy", query)
        print("gave the user of cargohold its policy")
    for each in mc("user", "list", "here"):
        # Cargohold's of earlier, before its key was replaced.
        if each.get("policyName") == POLICY and each["accessKey"] != KEYS["accessKey"]:
            ask("DELETE", f"{ADMIN}remove-user", {"accessKey": each["accessKey"]})
            print("removed a former user of cargohold")


def provision():
    buckets()
    policy()
    user()


if __name__ == "__main__":
    try:
        provision()
    except Trouble as trouble:
        sys.exit(f"error: {trouble}")
