"""Parses files of SQL, each named after its dialect, and checks that the views in it are views to a parser of the dialect."""

import pathlib
import sys

import sqlglot

VIEWS = ["flow_daily", "nps_responses", "nps_daily", "checklist_funnel", "form_answers", "clicks"]

for file in map(pathlib.Path, sys.argv[1:]):
    statements = sqlglot.parse(file.read_text(), read=file.stem, error_level=sqlglot.ErrorLevel.RAISE)
    # What sqlglot does not know it keeps as a command, without a look inside.
    created = [statement for statement in statements if isinstance(statement, sqlglot.exp.Create)]
    views = [statement.this.name for statement in created if isinstance(statement.expression, sqlglot.exp.Query)]
    assert [view for view in views if view != "events"] == VIEWS, f"{file.stem}: {views}"
    print(f"{file.stem}: {len(statements)} statements")
