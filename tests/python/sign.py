"""Signs requests and judges signatures as Appcues' page on webhooks describes, with Python's own hmac.

Reads a JSON object a line: secret, timestamp, body (base64) and signature (hex). Prints one for each: the signature that
is right (hex), and whether the given one is.
"""

import base64
import hashlib
import hmac
import json
import sys

for line in open(sys.argv[1], encoding="utf-8"):
    case = json.loads(line)
    message = case["timestamp"].encode() + b":" + base64.b64decode(case["body"])
    right = hmac.new(case["secret"].encode(), message, hashlib.sha256).hexdigest()
    print(json.dumps({"right": right, "verified": hmac.compare_digest(right, case["signature"])}))
