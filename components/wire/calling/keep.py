"""Holds UDP ports of this machine so that neither its kernel nor the media relay gives them to a call: what comes to them
from outside stays with the host (firewall.hostPorts). The kernel passes over a port that is bound, and coturn takes the next
one where it cannot bind. A port that a call has already is taken when it is free again."""

import errno
import signal
import socket
import sys
import time


def hold(port: int) -> bool:
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Nothing is read: what comes all the same is not to take memory.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    try:
        holder.bind(("0.0.0.0", port))
    except OSError as error:
        holder.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    held.append(holder)
    return True


held: list[socket.socket] = []
wanted = [int(port) for port in sys.argv[1:]]
while wanted := [port for port in wanted if not hold(port)]:
    time.sleep(1)
print("holds", *sys.argv[1:], flush=True)
while True:
    signal.pause()
