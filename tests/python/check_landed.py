"""Compares the landed events table with values written down by hand, once through DuckDB and once through pyarrow.

Every column of every row is compared; a column that the expected values do not name must be null.
"""

import argparse
import collections
import datetime
import json
import pathlib
import re
import sys
import time

import duckdb
import pyarrow
import pyarrow.parquet

FILE_NAME = re.compile(r"(?P<writer>[A-Za-z0-9_.-]+)-(?P<first>[0-9]+)-(?P<last>[0-9]+)\.parquet")
FIELD_ID = b"PARQUET:field_id"

problems: list[str] = []


def expect(holds: bool, problem: str) -> None:
    if not holds:
        problems.append(problem)


def plain(value):
    """A value as the expected file writes it: timestamps as text, to the millisecond, in UTC."""
    if isinstance(value, datetime.datetime):
        utc = value.astimezone(datetime.timezone.utc)
        return utc.strftime("%Y-%m-%dT%H:%M:%S") + f".{utc.microsecond // 1000:03}Z"
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def type_name(kind: pyarrow.DataType) -> str:
    """The type's name without what engines differ in: names of list items, and whether nested fields may be null."""
    if pyarrow.types.is_list(kind):
        return f"list<{type_name(kind.value_type)}>"
    if pyarrow.types.is_struct(kind):
        return "struct<" + ", ".join(f"{f.name}: {type_name(f.type)}" for f in kind) + ">"
    if pyarrow.types.is_large_string(kind) or pyarrow.types.is_string_view(kind):
        return "string"
    return str(kind).replace("tz=+00:00", "tz=UTC")


def nested_fields(field: pyarrow.Field):
    yield field
    for index in range(field.type.num_fields):
        yield from nested_fields(field.type.field(index))


def landed_files(lake: pathlib.Path, rows: int, wait_secs: int) -> list[pathlib.Path]:
    """All files, as soon as they hold this many rows or the wait is over."""
    deadline = time.monotonic() + wait_secs
    while True:
        files = sorted(lake.rglob("*.parquet"))
        landed = sum(pyarrow.parquet.read_metadata(path).num_rows for path in files)
        if landed >= rows or time.monotonic() >= deadline:
            return files
        time.sleep(0.02)


def check_layout(lake: pathlib.Path, files: list[pathlib.Path]) -> None:
    everything = [path for path in lake.rglob("*") if path.is_file()]
    for path in sorted(set(everything) - set(files)):
        problems.append(f"left over beside the landed files: {path.relative_to(lake)}")
    for path in files:
        relative = path.relative_to(lake)
        expect(
            re.fullmatch(r"events/date=\d{4}-\d{2}-\d{2}", str(relative.parent)) is not None,
            f"{relative}: not in events/date=YYYY-MM-DD/",
        )
        name = FILE_NAME.fullmatch(path.name)
        if name is None:
            problems.append(f"{relative}: not named <writer>-<first position>-<last position>.parquet")
        else:
            rows = pyarrow.parquet.read_metadata(path).num_rows
            covered = int(name["last"]) - int(name["first"]) + 1
            expect(rows <= covered, f"{relative}: {rows} rows in {covered} positions")
    expect(
        len({FILE_NAME.fullmatch(path.name)["writer"] for path in files if FILE_NAME.fullmatch(path.name)}) == 1,
        "files of one process carry more than one writer's name",
    )


def check_file(path: pathlib.Path, columns: list[list[str]]) -> None:
    file = pyarrow.parquet.ParquetFile(path)
    schema = file.schema_arrow
    found = [
        [field.name, type_name(field.type), "null" if field.nullable else "not null"] for field in schema
    ]
    for position, (want, have) in enumerate(zip(columns, found), start=1):
        expect(want == have, f"{path.name}: column {position} is {have}, expected {want}")
    expect(len(columns) == len(found), f"{path.name}: {len(found)} columns, expected {len(columns)}")

    ids = []
    for field in schema:
        for nested in nested_fields(field):
            ids.append((nested.metadata or {}).get(FIELD_ID))
    expect(None not in ids, f"{path.name}: a field has no Parquet field id")
    expect(len(ids) == len(set(ids)), f"{path.name}: two fields have one Parquet field id")
    for position, field in enumerate(schema, start=1):
        have = int((field.metadata or {}).get(FIELD_ID, b"0"))
        expect(have == position, f"{path.name}: {field.name} has the field id {have}, expected {position}")

    metadata = file.metadata
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            expect(chunk.compression == "ZSTD", f"{path.name}: {chunk.path_in_schema} is {chunk.compression}")
            expect(chunk.has_offset_index, f"{path.name}: {chunk.path_in_schema} has no page index")
    occurred = file.read(columns=["occurred_at"]).column(0).to_pylist()
    expect(occurred == sorted(occurred), f"{path.name}: rows are not sorted by occurred_at")


def rows_by_duckdb(lake: pathlib.Path) -> list[dict]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    rows = connection.execute(
        "SELECT * FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false)",
        [f"{lake}/events/**/*.parquet"],
    )
    names = [column[0] for column in rows.description]
    return [dict(zip(names, plain(list(row)))) for row in rows.fetchall()]


def rows_by_pyarrow(files: list[pathlib.Path]) -> list[dict]:
    rows = []
    for path in files:
        # Not `read_table`, which would take the column `date` from the path as a dictionary type.
        for row in pyarrow.parquet.ParquetFile(path).read().to_pylist():
            rows.append(plain(row) | {"date": path.parent.name.removeprefix("date=")})
    return rows


def check_rows(engine: str, rows: list[dict], expected: list[dict], columns: list[list[str]], given) -> None:
    expect(len(rows) == len(expected), f"{engine}: {len(rows)} rows, expected {len(expected)}")

    # Two documented events share one id, so a row is found by its type, of which each sample has its own.
    types = collections.Counter(row["event_type"] for row in rows)
    for kind, count in types.items():
        expect(count == 1, f"{engine}: {count} rows of type {kind}, expected 1")
    by_type = {row["event_type"]: row for row in rows}

    for want in expected:
        row = by_type.get(want["event_type"])
        if row is None:
            problems.append(f"{engine}: no row of type {want['event_type']}")
            continue
        payload = (given.samples / want["sample"]).read_bytes().decode()
        want = {key: value for key, value in want.items() if key != "sample"} | {"payload": payload}
        names = {name for name, _, _ in columns} | {"date"}
        for name in sorted(set(row) - names):
            problems.append(f"{engine}: {want['event_type']} has the unknown column {name}")
        for name in sorted(names - {"received_at"}):
            if name not in row:
                problems.append(f"{engine}: {want['event_type']} has no column {name}")
            elif row[name] != want.get(name) or type(row[name]) is not type(want.get(name)):
                problems.append(
                    f"{engine}: {want['event_type']}.{name} is {row[name]!r}, expected {want.get(name)!r}"
                )
        received = row.get("received_at") or ""
        first, last = (
            plain(datetime.datetime.fromtimestamp(millis / 1000, datetime.timezone.utc))
            for millis in (given.received_from - 1, given.received_to + 1)
        )
        expect(
            first <= received <= last,
            f"{engine}: {want['event_type']}.received_at is {received!r}, posted from {first} to {last}",
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lake", required=True, type=pathlib.Path)
    arguments.add_argument("--samples", required=True, type=pathlib.Path)
    arguments.add_argument("--expected", required=True, type=pathlib.Path, help="the folder of the expected values")
    arguments.add_argument("--received-from", required=True, type=int, help="epoch milliseconds")
    arguments.add_argument("--received-to", required=True, type=int, help="epoch milliseconds")
    arguments.add_argument("--wait-secs", type=int, default=0, help="how long to wait until all rows are there")
    given = arguments.parse_args()

    expected = json.loads((given.expected / "events.json").read_text())
    columns = json.loads((given.expected / "columns.json").read_text())
    files = landed_files(given.lake, len(expected), given.wait_secs)
    if not files:
        sys.exit(f"no Parquet file below {given.lake}")

    check_layout(given.lake, files)
    for path in files:
        check_file(path, columns)
    check_rows("DuckDB", rows_by_duckdb(given.lake), expected, columns, given)
    check_rows("pyarrow", rows_by_pyarrow(files), expected, columns, given)

    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(expected)} events in {len(files)} files, {len(columns)} columns each: all as expected")


main()
