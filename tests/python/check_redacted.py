"""Checks that the documented events have landed as the transform `redact` leaves them with nothing but a key: in the payload,
byte for byte, and in the columns. The hashes are computed here anew."""

import hmac
import json
import pathlib
import sys

import pyarrow.parquet


def hashed(text: str) -> str:
    def first(message: str, length: int) -> str:
        return hmac.new(key.encode(), message.encode(), "sha256").hexdigest()[: 2 * length]

    shown = "hash-" + first(text, 16)
    return shown + first(shown, 8)


lake, samples, key = sys.argv[1:]
left_out = {"checklist_shown"}

expected = {}
for path in pathlib.Path(samples).glob("*.json"):
    body = path.read_text()
    user = json.loads(body)["user_id"]
    bare = user.removeprefix("anon:")
    body = body.replace(bare, hashed(bare))
    body = body.replace('"great stuff"', '"[redacted]"').replace('"Product Manager"', "null")
    if path.stem not in left_out:
        expected[path.stem] = body, user.replace(bare, hashed(bare)), user != bare

problems = []
landed = {}
for path in pathlib.Path(lake, "events").rglob("*.parquet"):
    for row in pyarrow.parquet.ParquetFile(path).read().to_pylist():
        name = row["event_type"]
        landed[name] = row["payload"], row["user_id"], row["is_anonymous"]
        answers = [response["value"] for response in row["form_responses"] or []]
        if answers not in ([], [None]) or row["nps_feedback"] not in (None, "[redacted]") or row["conversion_errors"]:
            problems.append(f"{name}: {row}")
if landed != expected:
    problems += [f"{name}: expected {expected.get(name)}, found {landed.get(name)}" for name in expected | landed]
if problems:
    sys.exit("\n".join(problems))
print(f"{len(landed)} events are redacted")
