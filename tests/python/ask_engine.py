"""Runs the example queries of one engine as they stand, and compares their answers with those written down by hand.

A query file holds `{lake}` for the lake's uri. SQL may be several statements, of which the last gives the answer; a
Python file leaves its answer in the variable `answer`.
"""

import argparse
import contextlib
import json
import pathlib
import sys
import time
import traceback

from engines import ENGINES, own_directory, table


def lines(answer: dict) -> list[str]:
    """One line a row, in which 1, 1.0, true and "1" differ."""
    return [json.dumps(row, ensure_ascii=False) for row in [answer["columns"], *answer["rows"]]]


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
