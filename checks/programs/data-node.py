"""What the data services of a node say of their clusters: each has a program for it, which goes a round trip."""
import json
import os
import subprocess
import threading

SERVICES = "/opt/wiab"
found = {}


def look(service):
    begun = subprocess.run([f"{SERVICES}/{service}/health"], capture_output=True, text=True)
    said = (begun.stdout if begun.returncode == 0 else begun.stderr or begun.stdout).strip()
    found[service] = {"well": begun.returncode == 0, "text": said or f"its health program ended with {begun.returncode}"}


threads = [
    threading.Thread(target=look, args=[service])
    for service in sorted(os.listdir(SERVICES))
    if os.access(f"{SERVICES}/{service}/health", os.X_OK)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(found))
