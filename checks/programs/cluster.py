"""What the cluster says of itself, asked on a control plane as its administrator, by way of its balancer."""
import base64
import concurrent.futures
import datetime
import gzip
import json
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

PARAMETERS = json.load(sys.stdin)
ETCD = "/etc/kubernetes/pki/etcd"
# Minutes of the pods' logs that are looked at, and lines of each.
MINUTES, LINES = 5, 2000
# Seconds within which a container has ended, or a warning has come, that is still of interest.
RECENT = 600
# What differs from one occurrence of a message to the next.
CHANGING = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|0x[0-9a-f]+|\b[0-9a-f]{12,}\b|\d+")
COMPLAINT = re.compile(r"error|exception|fatal|panic|critical|refused|unable to|cannot|failed|^[EF]\d{4} ", re.I)


def administrator():
    """The API's address, and who its administrator is."""
    with open(PARAMETERS["kubeconfig"]) as file:
        text = file.read()

    def part(key):
        return re.search(rf"{key}: (\S+)", text).group(1)

    decoded = {key: base64.b64decode(part(f"{key}-data")) for key in ("certificate-authority", "client-certificate", "client-key")}
    context = ssl.create_default_context(cadata=decoded["certificate-authority"].decode())
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as pair:
        pair.write(decoded["client-certificate"] + b"\n" + decoded["client-key"])
        pair.flush()
        context.load_cert_chain(pair.name)
    return part("server"), context


SERVER, CONTEXT = administrator()


def get(path, server=SERVER):
    with urllib.request.urlopen(server + path, context=CONTEXT, timeout=20) as answer:
        return answer.read().decode(errors="replace")


def items(path):
    return json.loads(get(path))["items"]


def attempt(look, *arguments):
    """What a look gives; the reason, under `error`, where it gives nothing."""
    try:
        return look(*arguments)
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        return {"error": str(error)}


def api_server(address):
    get("/readyz", f"https://{address}:6443")
    return {}


def condition(status, kind):
    return next((each for each in status.get("conditions", []) if each["type"] == kind), {"status": "Unknown"})


def node(item):
    status = item["status"]
    pressed = [each["type"] for each in status.get("conditions", []) if each["type"] != "Ready" and each["status"] == "True"]
    return {
        "name": item["metadata"]["name"],
        "ready": condition(status, "Ready")["status"] == "True",
        "pressure": pressed,
        "cordoned": item["spec"].get("unschedulable", False),
        "kubelet": status["nodeInfo"]["kubeletVersion"],
        "runtime": status["nodeInfo"]["containerRuntimeVersion"],
    }


def age(text):
    """Seconds since a moment that the API has written."""
    then = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()


def pod(item):
    status = item["status"]
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    waiting = [each["state"]["waiting"] for each in containers if "waiting" in each["state"]]
    ended = [each["lastState"]["terminated"] for each in containers if "terminated" in each.get("lastState", {})]
    recent = [each for each in ended if age(each["finishedAt"]) < RECENT]
    return {
        "namespace": item["metadata"]["namespace"],
        "name": item["metadata"]["name"],
        "node": item["spec"].get("nodeName"),
        "age": age(item["metadata"]["creationTimestamp"]),
        "done": status["phase"] == "Succeeded",
        "ready": condition(status, "Ready")["status"] == "True",
        "why": "; ".join(filter(None, [
            *(f"{each.get('reason')}: {each.get('message', '')}".strip(": ") for each in waiting),
            condition(status, "PodScheduled").get("message", ""),
        ]))[:400],
        "restarted": [each.get("reason", "") for each in recent],
        "images": [{"image": each["image"], "id": each["imageID"].rsplit("@", 1)[-1]} for each in status.get("containerStatuses", [])],
    }


def complaints(item):
    """Lines of complaint that a pod has written again and again; those that differ in numbers alone are one."""
    namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
    found = []
    for container in item["spec"]["containers"]:
        query = urllib.parse.urlencode({"container": container["name"], "sinceSeconds": MINUTES * 60, "tailLines": LINES})
        counted = {}
        for line in get(f"/api/v1/namespaces/{namespace}/pods/{name}/log?{query}").splitlines():
            if COMPLAINT.search(line):
                counted.setdefault(CHANGING.sub("#", line), [0, line])[0] += 1
        found += [{"container": container["name"], "count": count, "text": line[:300]} for count, line in counted.values()]
    most = max(found, key=lambda each: each["count"], default=None)
    return {"namespace": namespace, "pod": name, "minutes": MINUTES, **most} if most else None


def workload(kind, item):
    status, spec = item["status"], item["spec"]
    wanted = status.get("desiredNumberScheduled", 0) if kind == "daemonset" else spec.get("replicas", 1)
    there = status.get("numberReady" if kind == "daemonset" else "readyReplicas", 0)
    return {"kind": kind, "namespace": item["metadata"]["namespace"], "name": item["metadata"]["name"], "wanted": wanted, "ready": there}


def releases():
    """The newest revision of every Helm release."""
    newest = {}
    for item in items("/api/v1/secrets?labelSelector=owner%3Dhelm"):
        labels = item["metadata"]["labels"]
        if int(labels["version"]) > newest.get(labels["name"], (0,))[0]:
            newest[labels["name"]] = (int(labels["version"]), labels["status"], item["data"]["release"])
    found = {}
    for name, (revision, status, data) in newest.items():
        release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(data))))
        found[name] = {"status": status, "revision": revision, "chart": release["chart"]["metadata"]["version"]}
    return found


def certificates():
    """What the ingress shows, and what other things in the cluster are known by."""
    found = []
    for item in items("/api/v1/secrets?fieldSelector=type%3Dkubernetes.io/tls"):
        pem = base64.b64decode(item["data"]["tls.crt"]).decode()
        end = subprocess.run(["openssl", "x509", "-noout", "-enddate"], input=pem, capture_output=True, text=True).stdout.strip()
        if end:
            moment = datetime.datetime.strptime(end, "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=datetime.timezone.utc)
            left = (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 86400
            found.append({"name": f"{item['metadata']['namespace']}/{item['metadata']['name']}", "days": left})
    return found


def etcd():
    """Each member's own view."""
    endpoints = ",".join(f"https://{address}:2379" for address in PARAMETERS["controlPlanes"].values())
    command = ["/opt/wiab/etcd/etcdctl", "--endpoints", endpoints, "--command-timeout", "15s", "--write-out", "json",
               "--cacert", f"{ETCD}/ca.crt", "--cert", f"{ETCD}/server.crt", "--key", f"{ETCD}/server.key"]
    shown = subprocess.run([*command, "endpoint", "status"], capture_output=True, text=True)
    alarms = subprocess.run([*command, "alarm", "list"], capture_output=True, text=True)
    members = [{
        "endpoint": each["Endpoint"],
        "leader": each["Status"].get("leader"),
        "bytes": each["Status"]["dbSize"],
        "index": each["Status"]["raftIndex"],
        "learner": each["Status"].get("isLearner", False),
    } for each in json.loads(shown.stdout or "[]")]
    named = {0: "none", 1: "NOSPACE", 2: "CORRUPT"}
    raised = json.loads(alarms.stdout or "{}").get("alarms") or []
    return {"members": members, "alarms": sorted({named.get(each["alarm"], str(each["alarm"])) for each in raised}),
            "said": "" if shown.returncode == 0 else shown.stderr.strip()[-300:]}


def warnings():
    """Events of the last ten minutes that say of something that it does not work."""
    found = []
    for item in items("/api/v1/events?fieldSelector=type%3DWarning"):
        last = item.get("lastTimestamp") or item.get("eventTime") or item["metadata"]["creationTimestamp"]
        if age(last) < RECENT:
            about = item["involvedObject"]
            found.append({"kind": about["kind"], "name": about.get("name", ""), "reason": item.get("reason", ""),
                          "count": item.get("count") or 1, "message": item.get("message", "")[:300]})
    return found


def main():
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        looks = {
            "apiServers": {name: pool.submit(attempt, api_server, address) for name, address in PARAMETERS["controlPlanes"].items()},
            "etcd": pool.submit(attempt, etcd),
            "releases": pool.submit(attempt, releases),
            "certificates": pool.submit(attempt, certificates),
            "warnings": pool.submit(attempt, warnings),
        }
        nodes = pool.submit(items, "/api/v1/nodes")
        workloads = {kind: pool.submit(items, f"/apis/apps/v1/{kind}s") for kind in ("deployment", "statefulset", "daemonset")}
        volumes = pool.submit(items, "/api/v1/persistentvolumes")
        pods = items("/api/v1/pods")
        logs = [pool.submit(attempt, complaints, each) for each in pods if each["status"]["phase"] == "Running"]
        return {
            "apiServers": {name: look.result() for name, look in looks.pop("apiServers").items()},
            **{name: look.result() for name, look in looks.items()},
            "nodes": [node(each) for each in nodes.result()],
            "pods": [pod(each) for each in pods],
            "workloads": [workload(kind, each) for kind, look in workloads.items() for each in look.result()],
            "volumes": [{"name": each["metadata"]["name"], "phase": each["status"]["phase"]} for each in volumes.result()],
            "complaints": [each for each in (look.result() for look in logs) if each and "error" not in each],
        }


try:
    print(json.dumps(main()))
except OSError as error:
    sys.exit(f"the API at {SERVER} does not answer: {error}")
