# Asks ports of addresses from wherever it runs, and prints those that answer, one "ADDRESS PROTOCOL/PORT" a line.
# Arguments: ADDRESS, then tcp:FIRST-LAST or udp:PORT:PAYLOAD (base64), in any number; then the next address.
import base64
import errno
import resource
import select
import socket
import sys
import time

# Seconds: a lost packet is sent again after one.
PATIENCE = 3
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
AT_ONCE = min(4000, hard - 100)

asked = []
address = ""
for argument in sys.argv[1:]:
    protocol, _, rest = argument.partition(":")
    if protocol == "tcp":
        first, _, last = rest.partition("-")
        asked += [(address, "tcp", port, b"") for port in range(int(first), int(last) + 1)]
    elif protocol == "udp":
        port, _, payload = rest.partition(":")
        asked.append((address, "udp", int(port), base64.b64decode(payload)))
    else:
        address = argument


def begin(question):
    to, protocol, port, payload = question
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    opened = socket.socket(socket.AF_INET, kind)
    opened.setblocking(False)
    code = opened.connect_ex((to, port))
    if code not in (0, errno.EINPROGRESS):
        opened.close()
        return None
    if protocol == "udp":
        try:
            opened.send(payload)
        except OSError:
            opened.close()
            return None
    return opened


def answers(question, opened):
    if question[1] == "tcp":
        return opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    try:
        return len(opened.recv(65535)) > 0
    except OSError:
        return False


poll = select.epoll()
waiting = {}
asked.reverse()
while asked or waiting:
    while asked and len(waiting) < AT_ONCE:
        question = asked.pop()
        opened = begin(question)
        if opened is None:
            continue
        waiting[opened.fileno()] = (question, opened, time.monotonic() + PATIENCE)
        poll.register(opened, select.EPOLLOUT if question[1] == "tcp" else select.EPOLLIN)
    for number, _ in poll.poll(0.1):
        question, opened, _ = waiting.pop(number)
        if answers(question, opened):
            print(question[0], f"{question[1]}/{question[2]}")
        poll.unregister(number)
        opened.close()
    now = time.monotonic()
    for number in [number for number, (_, _, until) in waiting.items() if until < now]:
        _, opened, _ = waiting.pop(number)
        poll.unregister(number)
        opened.close()
