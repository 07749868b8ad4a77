#!/usr/bin/python3 -B
"""What the programs of this service share, and what node.sh and ready.sh have it do: store.py COMMAND."""
import datetime
import hashlib
import hmac
import http.client
import json
import os
import ssl
import sys
import time
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

with open("/etc/wiab/minio/settings.json") as file:
    SETTINGS = json.load(file)
NODE = SETTINGS["node"]
ROOT = SETTINGS["root"]
ADMIN = "/minio/admin/v3/"
LAYOUT = "/etc/wiab/minio/layout"
PROBE = ".wiab-health-"


class Trouble(Exception):
    """What is wrong, for people."""


def layout():
    """The nodes that carry drives: names and addresses."""
    if not os.path.exists(LAYOUT):
        return {}
    with open(LAYOUT) as lines:
        return dict(line.split() for line in lines)


MEMBERS = layout()
ADDRESSES = {**SETTINGS["nodes"], **MEMBERS}
# Which node to ask: this one, unless it has no drives.
HERE = NODE if NODE in MEMBERS else next(iter(MEMBERS), NODE)


def signature(method, host, path, query, headers, keys):
    """The header of AWS signature version 4; the body itself is not signed, so that it can be streamed."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers.update({"host": host, "x-amz-date": now, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    signed = sorted(name for name in headers if name == "host" or name.startswith("x-amz-"))
    canonical = "\n".join([
        method, quote(path, safe="/-_.~"), query, *(f"{name}:{headers[name].strip()}" for name in signed), "",
        ";".join(signed), "UNSIGNED-PAYLOAD"])
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + keys["secretKey"]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    mark = hmac.digest(key, text.encode(), "sha256").hex()
    return f"AWS4-HMAC-SHA256 Credential={keys['accessKey']}/{scope}, SignedHeaders={';'.join(signed)}, Signature={mark}"


def send(method, path, query=None, body=None, headers=None, node=HERE, keys=ROOT, seconds=60):
    """Sends a request to a node, by nobody if there are no keys, and gives the answer, whose body is still to be read."""
    host, headers = f"{ADDRESSES[node]}:9000", dict(headers or {})
    asked = urlencode(sorted((query or {}).items()), quote_via=quote, safe="-_.~")
    if keys:
        headers["Authorization"] = signature(method, host, path, asked, headers, keys)
    if SETTINGS["scheme"] == "https":
        trust = ssl.create_default_context(cafile="/etc/wiab/minio/certs/CAs/authority.crt")
        connection = http.client.HTTPSConnection(host, timeout=seconds, context=trust)
    else:
        connection = http.client.HTTPConnection(host, timeout=seconds)
    try:
        connection.request(method, quote(path, safe="/-_.~") + (f"?{asked}" if asked else ""), body, headers)
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise Trouble(f"{node} does not answer on port 9000: {error}") from None


def ask(method, path, query=None, body=None, accept=(200, 204), **how):
    """The same, for what has to succeed: gives the body."""
    node = how.get("node", HERE)
    answer = send(method, path, query, body, **how)
    try:
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Trouble(f"{node} breaks off: {error}") from None
    if answer.status not in accept:
        raise Trouble(f"{node} refuses {method} {path}: {answer.status} {text.decode(errors='replace')[:400]}")
    return text


def status(*request, **how):
    answer = send(*request, **how)
    answer.read()
    return answer.status


def listed(bucket):
    """Names of the objects in a bucket."""
    token = {}
    while True:
        page = ElementTree.fromstring(ask("GET", f"/{bucket}", {"list-type": "2", "encoding-type": "", **token}))
        space = {"s3": page.tag[1:].split("}")[0]}
        for entry in page.findall("s3:Contents", space):
            yield entry.find("s3:Key", space).text
        more = page.find("s3:NextContinuationToken", space)
        if more is None:
            return
        token = {"continuation-token": more.text}


def bucket_names():
    found = ElementTree.fromstring(ask("GET", "/"))
    return [each.text for each in found.iter() if each.tag.endswith("}Name")]


def info(node=HERE):
    # As long as a node is silent, the others take half a minute and more to answer.
    return json.loads(ask("GET", f"{ADMIN}info", node=node, seconds=120))


def name_of(endpoint):
    """The node's name, of `address:port` or a URL."""
    address = endpoint.split("//")[-1].rsplit(":", 1)[0]
    return next((name for name, each in ADDRESSES.items() if each == address), HERE if endpoint.startswith("/") else address)


def need_drives(node=HERE):
    """Every drive as a node sees it: there, and as full as it should be."""
    for name in MEMBERS:
        status("GET", "/minio/health/live", node=name, keys=None, seconds=10)
    wrong, count = [], 0
    for server in info(node)["servers"]:
        name = name_of(server["endpoint"]) if len(MEMBERS) > 1 else HERE
        for drive in server.get("drives") or []:
            where = f"{name} {drive.get('path') or drive['endpoint']}"
            if drive["state"] != "ok":
                wrong.append(f"{where} is {drive['state']}")
            elif drive.get("healing"):
                wrong.append(f"{where} is being healed")
            count += 1
        if server["state"] != "online":
            wrong.append(f"{name} is {server['state']}")
    wanted = 2 * len(MEMBERS)
    if count < wanted and not wrong:
        wrong.append(f"{count} of {wanted} drives are known")
    if wrong:
        raise Trouble(f"as {node} sees it, {', '.join(wrong)}")
    return wanted


def cluster(node=HERE, **query):
    """Whether a node can write to enough drives; gives how many that takes."""
    answer = send("GET", "/minio/health/cluster", query, node=node, keys=None, seconds=30)
    answer.read()
    if answer.status != 200:
        raise Trouble(f"{node} cannot write to enough drives" if answer.status == 503 else f"the others cannot do without {node}")
    return answer.getheader("X-Minio-Write-Quorum")


def wait(what, seconds, check):
    """Until the check raises no trouble any more."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except Trouble as trouble:
            if time.monotonic() > deadline:
                raise Trouble(f"gave up after {seconds} s waiting for {what}: {trouble}") from None
        time.sleep(1)


def heal(path="/", node=HERE, dry=False, seconds=7200):
    """Has a node look at what lies below a path and, unless `dry`, give each drive what it lacks; gives its account of every
    bucket and object, with the state of the drives as this node sees them."""
    options, deadline = {"recursive": True, "dryRun": dry, "scanMode": 1}, time.monotonic() + seconds
    begun = json.loads(ask("POST", f"{ADMIN}heal{path}", {"forceStart": "true"}, json.dumps(options), node=node))
    while True:
        found = json.loads(ask("POST", f"{ADMIN}heal{path}", {"clientToken": begun["clientToken"]}, node=node))
        yield from found["Items"] or []
        if found["Summary"] == "finished":
            return
        if found["Summary"] == "stopped" or time.monotonic() > deadline:
            raise Trouble(f"{node} does not come to the end of healing: {found.get('Detail') or f'gave up after {seconds} s'}")
        time.sleep(0.2)


def reach(name):
    """Whether a node gets at every drive. What nodes tell of drives is what each of them knows of its own."""
    bucket = SETTINGS["buckets"]["private"][0]
    probe = f"/{bucket}/{PROBE}drives"
    ask("PUT", f"/{bucket}", node=name, accept=(200, 409))
    ask("PUT", probe, body=b"drives", node=name)
    states = [drive["state"] for item in heal(probe, name, dry=True) for drive in item["before"]["drives"] or []]
    wrong = sum(state != "ok" for state in states)
    if wrong or not states:
        raise Trouble(f"{name} does not get at {wrong or 'any'} of them")


def whole():
    """Gives every drive what it has missed. MinIO tries to do so once, a second after the write, and then leaves it to its
    scanner, to which one object in 1024 is due at a time. Until then the object is called not found by whoever gets at two
    of its four copies, which is what is left of them as soon as another node is away."""
    lacking, count, said = [], 0, time.monotonic()
    for item in heal():
        count += 1
        states = [drive["state"] for drive in item["after"]["drives"] or []]
        # What has no copy at all was deleted meanwhile.
        if 0 < states.count("ok") < len(states):
            lacking.append(f"{item['bucket']}/{item.get('object') or ''}")
        if time.monotonic() > said + 60:
            said = time.monotonic()
            print(f"{count} objects have been looked at for missing copies", file=sys.stderr)
    if lacking:
        raise Trouble(f"{len(lacking)} of {count} lack copies, {lacking[0]} for one")


def complete():
    """Until every object has all its copies, and whatever is written from now on gets them."""
    for name in MEMBERS:
        # As long as healing is going on there already, it is refused.
        wait(f"{name} to get at every drive", 1800, lambda: reach(name))
    wait("all copies of all objects", 600, whole)


def learn():
    """The nodes that carry drives, of another node that knows it; nothing if none does."""
    for name in SETTINGS["nodes"]:
        if name != NODE:
            try:
                # One that still waits for the others knows no more than its own settings.
                ask("GET", "/minio/health/cluster/read", node=name, keys=None, seconds=30)
                servers = info(name)["servers"]
            except Trouble:
                continue
            # A node counts itself last; what counts is their order in the erasure set.
            servers.sort(key=lambda server: server["drives"][0]["disk_index"])
            return [f"{name_of(server['endpoint'])} {server['endpoint'].rsplit(':', 1)[0]}" for server in servers]
    return []


def hold():
    """Makes sure that the others can do without this node for a while."""
    wait(f"every drive, before {NODE} is restarted", 1800, need_drives)
    if len(MEMBERS) > 1:
        complete()
        cluster(maintenance="true")


def chosen():
    """The first node that is there: the one to do what one does for all."""
    for name in MEMBERS:
        try:
            if status("GET", "/minio/health/live", node=name, keys=None, seconds=10) == 200:
                return name
        except Trouble:
            pass
    raise Trouble("no node answers")


def care():
    """Brings the copies that were missed while a node was away for other reasons than a change."""
    if len(MEMBERS) > 1 and chosen() == NODE:
        need_drives()
        complete()


def serve():
    """Until this node, and what it has missed, is there."""
    wait(f"MinIO on {NODE}", 1800, cluster)
    wait("every drive", 7200, need_drives)


def settle():
    for name in MEMBERS:
        wait(f"MinIO on {name}", 1800, lambda: cluster(name))
        wait("every drive", 7200, lambda: need_drives(name))
    if len(MEMBERS) > 1:
        complete()


if __name__ == "__main__":
    try:
        if sys.argv[1] == "learn":
            print("\n".join(learn()))
        else:
            {"hold": hold, "serve": serve, "settle": settle, "care": care}[sys.argv[1]]()
    except Trouble as trouble:
        sys.exit(f"error: {trouble}")
