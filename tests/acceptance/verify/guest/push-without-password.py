"""Begins to push an image without credentials and says with which HTTP status that is answered."""
import ssl
import sys
import urllib.error
import urllib.request

context = ssl.create_default_context(cafile="/etc/wiab/ca.crt")
request = urllib.request.Request(f"https://{sys.argv[1]}/v2/library/hello/blobs/uploads/", method="POST")
try:
    print(urllib.request.urlopen(request, context=context, timeout=30).status)
except urllib.error.HTTPError as error:
    print(error.code)
