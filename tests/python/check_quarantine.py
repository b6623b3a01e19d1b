"""Checks that exactly the given bodies are quarantined, each byte for byte, dated by the day received, with a reason."""

import argparse
import collections
import datetime
import pathlib
import re
import sys

import duckdb
import pyarrow.parquet


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lake", required=True, type=pathlib.Path)
    arguments.add_argument("bodies", nargs="+", type=pathlib.Path, help="files that hold the posted bodies")
    given = arguments.parse_args()

    problems = []
    rows = []
    for path in sorted((given.lake / "quarantine").rglob("*.parquet")):
        day = re.fullmatch(r"date=(\d{4}-\d{2}-\d{2})", path.parent.name)
        if day is None:
            problems.append(f"{path}: not in quarantine/date=YYYY-MM-DD/")
            continue
        for row in pyarrow.parquet.ParquetFile(path).read().to_pylist():
            received = row["received_at"].astimezone(datetime.timezone.utc)
            if received.date().isoformat() != day[1]:
                problems.append(f"{path}: holds a body received at {received}")
            if not row["reason"]:
                problems.append(f"{path}: a row has no reason")
            rows.append(row["payload"])

    want = collections.Counter(body.read_bytes() for body in given.bodies)
    if collections.Counter(rows) != want:
        problems.append(f"pyarrow reads {rows!r}, posted were {list(want.elements())!r}")
    if not problems:
        read = duckdb.execute(
            "SELECT payload FROM read_parquet(?, hive_partitioning = true)",
            [f"{given.lake}/quarantine/**/*.parquet"],
        ).fetchall()
        if collections.Counter(payload for (payload,) in read) != want:
            problems.append(f"DuckDB reads {read!r}, posted were {list(want.elements())!r}")

    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(rows)} bodies are quarantined, byte for byte")


main()
