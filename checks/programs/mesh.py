"""What the gateway of a mesh says of itself and its peers."""
import re
import subprocess

unit = open("/etc/systemd/system/wiab-mesh.service").read()
program, settings = re.search(r"^ExecStart=(\S+) run (\S+)$", unit, re.M).groups()
print(subprocess.run([program, "status", settings], check=True, capture_output=True, text=True).stdout)
