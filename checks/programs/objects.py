"""What in the cluster differs from what was given to it: the objects of each Helm release, and those of the add-ons. Asks
the API server what it would change, and changes nothing."""
import base64
import concurrent.futures
import gzip
import json
import os
import re
import subprocess
import sys

GIVEN = json.load(sys.stdin)
KUBECTL = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"]
ENVIRONMENT = {**os.environ, "KUBECTL_EXTERNAL_DIFF": "diff --unified=0 --new-file"}
# What the server counts by itself, and what follows the services' nodes after a failover.
OWN = re.compile(r"^[+-]\s+(generation|resourceVersion|uid|creationTimestamp):")
MOVING = re.compile(r"\.(Endpoints|EndpointSlice)\.")


def releases():
    """Name, namespace and manifest of the newest revision of each."""
    shown = subprocess.run([*KUBECTL, "get", "secrets", "--all-namespaces", "--selector", "owner=helm", "--output", "json"],
                           capture_output=True, text=True, check=True).stdout
    newest = {}
    for item in json.loads(shown)["items"]:
        labels = item["metadata"]["labels"]
        key, revision = (item["metadata"]["namespace"], labels["name"]), int(labels["version"])
        if revision > newest.get(key, (0,))[0]:
            newest[key] = (revision, item["data"]["release"])
    for (namespace, name), (_, data) in newest.items():
        release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(data))))
        yield name, namespace, release["manifest"]


def differences(what, namespace, text, *options):
    """One for each object that differs."""
    done = subprocess.run([*KUBECTL, "diff", "--namespace", namespace, *options, "--filename", "-"],
                          input=text, capture_output=True, text=True, env=ENVIRONMENT)
    if done.returncode > 1:
        return [{"what": what, "text": f"cannot be compared: {done.stderr.strip()[-300:]}"}]
    found = []
    for part in re.split(r"^diff --unified.*$", done.stdout, flags=re.M)[1:]:
        path = re.search(r"^--- \S+/([^/\s]+)", part, re.M)
        name = path.group(1) if path else "an object"
        lines = [line for line in part.splitlines() if re.match(r"[+-](?![+-]{2} )", line) and not OWN.match(line)]
        if lines and not MOVING.search(f".{name}"):
            found.append({"what": f"{what}: {name}", "text": "; ".join(re.sub(r"\s+", " ", line) for line in lines[:6])})
    return found


with concurrent.futures.ThreadPoolExecutor(6) as pool:
    looks = [pool.submit(differences, f"release {name}", namespace, text) for name, namespace, text in releases()]
    if GIVEN.get("addons"):
        looks.append(pool.submit(differences, "add-ons", "kube-system", GIVEN["addons"], "--server-side", "--force-conflicts"))
    print(json.dumps([each for look in looks for each in look.result()]))
