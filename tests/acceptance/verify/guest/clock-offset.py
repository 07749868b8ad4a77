"""Says how many milliseconds this machine's clock is behind that of its time server (RFC 5905)."""
import os
import socket
import struct
import sys
import time

if not os.path.exists("/run/systemd/timesync/synchronized"):
    sys.exit("systemd-timesyncd has not set the clock")
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.settimeout(5)
sent = time.time()
server.sendto(b"\x23" + 47 * b"\0", (sys.argv[1], 123))
answer = server.recv(48)
received = time.time()
seconds, fraction = struct.unpack("!II", answer[40:48])
# NTP counts from 1900.
theirs = seconds - 2208988800 + fraction / 2**32
print(round((theirs - (sent + received) / 2) * 1000))
