"""What the programs of this room share: the settings, and the brokers' management interface."""
import base64
import http.client
import json
import socket
import ssl

DIRECTORY = "/etc/wiab/rabbitmq"
SETTINGS = json.load(open(f"{DIRECTORY}/settings.json"))
SELF = SETTINGS["node"]
NODES = SETTINGS["nodes"]
STAYING = [name for name in NODES if name not in SETTINGS["retiring"]]


class Trouble(Exception):
    """Something that is wrong with the cluster, in words for its operator."""


class Refused(Trouble):
    """The broker does not know the user, or the password."""


# Ports of the management interface, with whether TLS is spoken there.
WAYS = [(SETTINGS["management"], SETTINGS["tls"])]


def encryption(tls=SETTINGS["tls"]):
    """How to speak TLS to a broker, which shows a certificate with its address; None without TLS."""
    return ssl.create_default_context(cafile="/etc/wiab/ca.crt") if tls else None


def fetch(address, port, tls, path):
    """Status and body of an answer."""
    login = base64.b64encode(f"{SETTINGS['name']}:{SETTINGS['password']}".encode()).decode()
    connection = (
        http.client.HTTPSConnection(address, port, timeout=30, context=encryption(tls))
        if tls
        else http.client.HTTPConnection(address, port, timeout=30)
    )
    try:
        connection.request("GET", f"/api/{path}", headers={"Authorization": f"Basic {login}"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def ask(node, path):
    """What a broker says about itself or the cluster. A failed check of health is an answer too."""
    for way in WAYS:
        try:
            status, body = fetch(NODES[node], *way, path)
            break
        except (OSError, http.client.HTTPException) as error:
            reason = error
    else:
        raise Trouble(f"the broker on {node} does not answer at {NODES[node]}:{WAYS[0][0]}: {reason}")
    if status == 401:
        raise Refused(f"the broker on {node} refuses the user {SETTINGS['name']} or its password")
    if status not in (200, 503):
        raise Trouble(f"the broker on {node} answers {path} with {status}: {body.decode()[:300]}")
    return json.loads(body)


def members(node):
    """The members of the cluster as a broker sees them: name, and whether it runs."""
    return {entry["name"].split("@")[1]: entry.get("running", False) for entry in ask(node, "nodes?columns=name,running")}


def divided(node):
    """Names of those whom a broker lost sight of in a partition of the network that is not healed."""
    for entry in ask(node, "nodes?columns=name,partitions"):
        if entry.get("partitions"):
            yield entry["name"].split("@")[1]


def reachable(node, port, seconds=5):
    """Whether something listens there; None if nothing at all answers, so that nobody knows."""
    try:
        socket.create_connection((NODES[node], port), timeout=seconds).close()
        return True
    except ConnectionRefusedError:
        return False
    except OSError:
        return None
