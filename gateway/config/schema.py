"""Check a document against a JSON Schema (2020-12): `jsonschema` judges, `complaints` says it in our words.

docs/decisions/0001-dependencies.md has what that takes of a start's time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from gateway.config.complaints import complaints
from gateway.config.document import Document, Path, dotted
from gateway.config.subschemas import Schema, Subschemas
from gateway.errors import Problem
from gateway.json import dumps, loads


@lru_cache(maxsize=8)
def read_schema(path: FilePath) -> Schema:
    """Return the schema in a file of ours; it does not change while the process runs."""
    schema: Schema = loads(path.read_bytes())
    return schema


def check(document: Document, value: Any, schema: Schema, problems: list[Problem], at: Path = ()) -> set[Path]:
    """Add a problem for all that `schema` refuses in `value`, which stands at `at`; return the paths of the faults.

    A reference that could not be replaced is a fault too where the schema speaks of it, and was told when it was read.
    """
    try:
        errors = list(_validator(_written(schema)).iter_errors(value))
    except (Unresolvable, RecursionError) as error:
        lost = f"to {error.ref[:100]!r}, which is not in it" if isinstance(error, Unresolvable) else "to itself"
        mark = document.value_mark(at)
        said = f"{dotted(at) or 'the file'} cannot be checked: its schema refers {lost}"
        problems.append(Problem(mark.file, mark.line, mark.column, said))
        return {at}
    parts = Subschemas(schema)
    faults = {
        path
        for path, names in document.variables.items()
        if names == () and path[: len(at)] == at and any(True for _ in parts.at(path[len(at) :]))
    }
    for found in complaints(errors, document, value, at):
        mark = document.key_mark(found.path) if found.is_about_key else document.value_mark(found.path)
        problems.append(Problem(mark.file, mark.line, mark.column, found.message))
        faults.add(found.path)
    return faults


def schema_fault(schema: Any) -> str | None:
    """Return why a plugin's schema cannot be used, or None."""
    if not isinstance(schema, Mapping):
        return "it is not a mapping"
    try:
        return _fault(_written(schema))
    except TypeError as error:
        return f"it holds what JSON does not: {error}"


@lru_cache(maxsize=64)  # one a plugin, or two
def _validator(schema: bytes) -> Draft202012Validator:
    return Draft202012Validator(loads(schema), registry=Registry())  # an empty one, so that nothing is fetched


@lru_cache(maxsize=64)
def _fault(written: bytes) -> str | None:
    schema = loads(written)
    judge = Draft202012Validator(
        Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER, registry=Registry()
    )
    found = complaints(judge.iter_errors(schema), Document("", schema), schema, ())
    return next((f"{dotted(fault.path[:-1])}: {fault.message}".removeprefix(": ") for fault in found), None)


def _written(schema: Any) -> bytes:
    return dumps(_plain(schema))


def _plain(value: Any) -> Any:
    """Return a plugin's schema as JSON has it: `jsonschema` takes no other kind of mapping for an object."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
