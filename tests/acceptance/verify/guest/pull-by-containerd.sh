#!/bin/bash
# Pulls an image as kubelet does, through the mirror, and says which one came; it is gone before and afterwards.
set -euo pipefail
image=$1
sudo crictl rmi "$image" >/dev/null 2>&1 || true
sudo crictl pull "$image" >/dev/null
sudo crictl images --output json "$image" | python3 -c 'import json, sys; print(json.load(sys.stdin)["images"][0]["id"])'
sudo crictl rmi "$image" >/dev/null
