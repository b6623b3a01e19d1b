"""Reads landed events from an S3-compatible store, once with DuckDB and once with pyarrow, and compares every payload
with the body that was posted, byte for byte."""

import argparse
import collections
import pathlib
import sys
import tempfile
import urllib.parse

import duckdb
import duckdb_extensions
import pyarrow.dataset
import pyarrow.fs


def payloads_by_duckdb(given) -> list[bytes]:
    # Installed where nobody else looks: two of these may run at the same time.
    with tempfile.TemporaryDirectory() as extensions, duckdb.connect() as connection:
        connection.execute(f"SET extension_directory = '{extensions}'")
        duckdb_extensions.import_extension("httpfs", con=connection)
        connection.execute("LOAD httpfs")
        host = urllib.parse.urlsplit(given.endpoint).netloc
        connection.execute(
            "CREATE SECRET (TYPE s3, PROVIDER config, "
            f"KEY_ID '{given.access_key}', SECRET '{given.secret_key}', REGION 'us-east-1', "
            f"ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false)"
        )
        rows = connection.execute(
            "SELECT payload FROM read_parquet(?, hive_partitioning = true)",
            [f"s3://{given.lake}/events/**/*.parquet"],
        ).fetchall()
    return [payload.encode() for (payload,) in rows]


def payloads_by_pyarrow(given) -> list[bytes]:
    store = pyarrow.fs.S3FileSystem(
        access_key=given.access_key,
        secret_key=given.secret_key,
        endpoint_override=given.endpoint,
        region="us-east-1",
    )
    events = pyarrow.dataset.dataset(f"{given.lake}/events", filesystem=store, partitioning="hive")
    return [payload.encode() for payload in events.to_table(columns=["payload"])["payload"].to_pylist()]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--endpoint", required=True)
    arguments.add_argument("--access-key", required=True)
    arguments.add_argument("--secret-key", required=True)
    arguments.add_argument("--lake", required=True, help="bucket/prefix")
    arguments.add_argument("--samples", required=True, type=pathlib.Path)
    given = arguments.parse_args()

    expected = collections.Counter(sample.read_bytes() for sample in given.samples.glob("*.json"))
    problems = []
    for engine, payloads in [("DuckDB", payloads_by_duckdb), ("pyarrow", payloads_by_pyarrow)]:
        found = collections.Counter(payloads(given))
        for body in expected - found:
            problems.append(f"{engine}: missing {body!r}")
        for body in found - expected:
            problems.append(f"{engine}: not as posted {body!r}")
    if problems:
        sys.exit("\n".join(problems))
    print(f"{expected.total()} events, as posted")


main()
