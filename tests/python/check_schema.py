"""Checks configurations in TOML or JSON against a JSON Schema, and prints for each whether it is valid, as a JSON object."""

import argparse
import json
import pathlib
import tomllib

from jsonschema import Draft202012Validator


def read(path: pathlib.Path) -> object:
    text = path.read_text(encoding="utf-8")
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("schema", type=pathlib.Path)
    arguments.add_argument("configurations", type=pathlib.Path, nargs="+")
    given = arguments.parse_args()

    schema = read(given.schema)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    valid = {str(path): validator.is_valid(read(path)) for path in given.configurations}
    print(json.dumps(valid))


main()
