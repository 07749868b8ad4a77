"""Pulls an image from a registry as any client does: its manifest, then each blob, checked against its digest."""
import hashlib
import json
import ssl
import sys
import urllib.request

registry, image = sys.argv[1:]
# A mirror has no names of registries.
repository, tag = image.split("/", 1)[1].split(":")
context = ssl.create_default_context(cafile="/etc/wiab/ca.crt")


def get(path):
    accept = "application/vnd.docker.distribution.manifest.v2+json"
    request = urllib.request.Request(f"https://{registry}/v2/{repository}/{path}", headers={"Accept": accept})
    return urllib.request.urlopen(request, context=context, timeout=30).read()


manifest = json.loads(get(f"manifests/{tag}"))
blobs = [manifest["config"], *manifest["layers"]]
size = 0
for blob in blobs:
    content = get(f"blobs/{blob['digest']}")
    if "sha256:" + hashlib.sha256(content).hexdigest() != blob["digest"]:
        sys.exit(f"{blob['digest']} came altered")
    size += len(content)
print(f"{len(blobs)} blobs, {size} bytes, every digest right")
