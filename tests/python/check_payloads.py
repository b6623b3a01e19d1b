"""Checks that a lake holds exactly the given payloads, each as often as given: as events, and in quarantine."""

import base64
import collections
import json
import pathlib
import sys

import pyarrow.parquet


def payloads(folder: pathlib.Path) -> collections.Counter:
    found = collections.Counter()
    for path in folder.rglob("*.parquet"):
        column = pyarrow.parquet.ParquetFile(path).read(columns=["payload"]).column("payload")
        values = column.to_pylist()
        found.update(value.encode() if isinstance(value, str) else value for value in values)
    return found


lake, expected = map(pathlib.Path, sys.argv[1:])
problems = []
for folder, bodies in json.loads(expected.read_text()).items():
    found = payloads(lake / folder)
    wanted = collections.Counter(map(base64.b64decode, bodies))
    problems += [f"not in {folder}: {body!r}" for body in (wanted - found).elements()]
    problems += [f"should not be in {folder}: {body!r}" for body in (found - wanted).elements()]
if problems:
    sys.exit("\n".join(problems))
