"""Posts the documented events as Appcues would, signed as its page says, and checks every answer.

Shares no code with Landfall: the signature is made by Python's own hmac and hashlib.
"""

import argparse
import hashlib
import hmac
import http.client
import json
import pathlib
import sys
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor


def post(url: urllib.parse.SplitResult, secret: bytes, body: bytes) -> tuple[int, str]:
    timestamp = str(int(time.time()))
    signature = hmac.new(secret, timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    try:
        connection.request(
            "POST",
            url.path,
            body,
            {
                "Content-Type": "application/json",
                "X-Apc-Signature": signature,
                "X-Apc-Timestamp": timestamp,
            },
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--secret", required=True)
    arguments.add_argument("--samples", required=True, type=pathlib.Path)
    given = arguments.parse_args()

    url = urllib.parse.urlsplit(given.url)
    secret = given.secret.encode()
    samples = sorted(given.samples.glob("*.json"))
    if len(samples) != 13:
        sys.exit(f"expected the 13 documented samples in {given.samples}, found {len(samples)}")

    # All at once: with a memory buffer no answer comes before the batch of all of them has landed.
    posted_from = int(time.time() * 1000)
    with ThreadPoolExecutor(max_workers=len(samples)) as pool:
        answers = list(pool.map(lambda sample: post(url, secret, sample.read_bytes()), samples))
    posted_to = int(time.time() * 1000)

    refused = [
        f"{sample.name}: {status} {text}"
        for sample, (status, text) in zip(samples, answers)
        if status != 200
    ]
    if refused:
        sys.exit("not answered 200:\n" + "\n".join(refused))
    print(json.dumps({"posted_from": posted_from, "posted_to": posted_to}))


main()
