"""Prints how many rows of a lake hold a text in any of their columns, in any case, and how many rows there are."""

import json
import pathlib
import sys

import pyarrow.parquet

folder, text = sys.argv[1:]
found = rows = 0
for path in pathlib.Path(folder).rglob("*.parquet"):
    for row in pyarrow.parquet.ParquetFile(path).read().to_pylist():
        rows += 1
        # Of bytes, repr shows what is ASCII in them.
        found += text.lower() in repr(row).lower()
print(json.dumps([found, rows]))
