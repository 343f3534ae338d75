"""Of a schema's alternatives (`anyOf`, `oneOf`), the one that was meant, so that a message is about that one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from jsonschema.exceptions import ValidationError

from gateway.config.document import describe

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}


def meant(errors: Iterable[ValidationError], is_told: Callable[[ValidationError], bool]) -> Iterator[ValidationError]:
    """Yield the errors to tell: in place of alternatives those in the nearest one that is for this kind of value.

    An alternative in which nothing is left to tell has been met as far as anybody can say.
    """
    for error in errors:
        if is_told(error):
            continue
        near = [list(meant(branch, is_told)) for branch in _branches(error) if not _is_of_other_kind(branch)]
        yield from min(near, key=_distance, default=[error])


def kinds(errors: Iterable[ValidationError]) -> str:
    """Return the kinds of value that could stand there, as people say it: `'none' or a whole number`."""
    found: dict[str, None] = {}
    for error in errors:
        wanted: Any = error.validator_value
        if error.context:
            found[kinds(error.context)] = None
        elif error.relative_path:
            continue
        elif error.validator in ("const", "enum"):
            found |= dict.fromkeys(describe(word) for word in ([wanted] if error.validator == "const" else wanted))
        elif error.validator == "type":
            found[type_names(wanted)] = None
    return " or ".join(found)


def type_names(wanted: str | Sequence[str]) -> str:
    """Return `type` in words."""
    return " or ".join(_TYPES[word] for word in ([wanted] if isinstance(wanted, str) else wanted))


def _branches(error: ValidationError) -> list[list[ValidationError]]:
    """Return the errors of each alternative; one that is `false` has no number."""
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(next(iter(inner.relative_schema_path), None), []).append(inner)
    return list(branches.values())


def _is_of_other_kind(branch: Iterable[ValidationError]) -> bool:
    return any(_tells_kind(error) for error in branch)


def _tells_kind(error: ValidationError) -> bool:
    """Return whether the value itself, and not something in it, is of a kind that the schema is not for."""
    if error.relative_path:
        return False
    if error.context:
        return all(_is_of_other_kind(branch) for branch in _branches(error))
    if error.validator == "enum":
        words: Any = error.validator_value
        return not any(type(word) is type(error.instance) for word in words)
    return error.validator in ("type", "const")


def _distance(errors: Sequence[ValidationError]) -> tuple[int, int]:
    """Say how far off an alternative is. A word that stands for another one, as in `kind: circle`, weighs most."""
    return sum(error.validator in ("const", "enum") for error in errors), len(errors)
