"""Runs SQL in DuckDB and prints the rows of the last statement as JSON, a list each."""

import argparse
import json

import duckdb


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sql", nargs="+")
    given = arguments.parse_args()

    with duckdb.connect() as connection:
        for sql in given.sql:
            result = connection.execute(sql)
        print(json.dumps(result.fetchall(), default=str))


main()
