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


def partitions(node):
    """Whom each broker that one sees, itself included, has lost sight of in a partition that is not healed."""
    return {
        entry["name"].split("@")[1]: sorted(other.split("@")[1] for other in entry.get("partitions", []))
        for entry in ask(node, "nodes?columns=name,partitions")
    }


def divided(node):
    """Names of those whom a broker has lost sight of."""
    return partitions(node).get(node, [])


def cut_off(lost):
    """The broker to start anew, given whom each broker that answers has lost sight of; None where that helps nobody.

    A machine that stood still wakes up among others that have gone on without it: pause_minority stops only a broker
    that has nobody beside it any more, and none of them takes the other back before it has started again.
    """
    if 2 * len(lost) <= len(STAYING):
        return None
    smaller = [viewer for viewer, others in lost.items() if 2 * sum(name not in others for name in STAYING) < len(STAYING)]
    mutual = [viewer for viewer, others in lost.items() if any(viewer in lost.get(name, ()) for name in others)]
    # One of two that lost each other alone: the founder stays.
    return next(iter(smaller), mutual[-1] if mutual else None)


def reachable(node, port, seconds=5):
    """Whether something listens there; None if nothing at all answers, so that nobody knows."""
    try:
        socket.create_connection((NODES[node], port), timeout=seconds).close()
        return True
    except ConnectionRefusedError:
        return False
    except OSError:
        return None
