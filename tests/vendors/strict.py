"""Strict validators out of SDK TypedDicts: no unknown key, eager lists, strict scalars, one short error.

A plain TypeAdapter of a TypedDict ignores unknown keys and leaves `Iterable[...]` unread (pydantic 2.14.3), so the core
schema is rewritten first. `strict=True` has to be passed on every call: in the core config it has no effect.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import ErrorDetails, SchemaValidator, ValidationError

# Keys of a core schema node that hold no schema; walking into them would rewrite foreign objects.
OPAQUE_KEYS = frozenset({"metadata", "serialization", "ref", "cls"})
# Fields whose literal tells the members of a union apart; a member that fails here is not the one that was meant.
TAG_FIELDS = frozenset({"role", "type", "mode", "stream"})


@dataclass(frozen=True, slots=True)
class Violation:
    """The one fact worth telling about an invalid value: where it is, what kind of wrong, and pydantic's words."""

    path: str  # "messages[0].content"
    kind: str  # pydantic's error type: "missing", "extra_forbidden", "literal_error", "string_type", ...
    message: str
    value: Any
    expected: str = ""  # for literals, the values allowed: "'a', 'b' or 'c'"


class StrictValidator:
    """Validates values against one SDK type; building costs 10-110 ms, so build it once."""

    def __init__(self, sdk_type: Any) -> None:
        adapter: TypeAdapter[Any] = TypeAdapter(sdk_type)
        adapter.rebuild(force=True, raise_errors=True)
        schema = copy.deepcopy(adapter.core_schema)
        _make_strict(schema)
        self._validator = SchemaValidator(schema)

    def violation(self, value: Any) -> Violation | None:
        """Return what is wrong with a parsed JSON value, or None when it is valid."""
        try:
            self._validator.validate_python(value, strict=True)
        except ValidationError as error:
            return pick_violation(value, error.errors(include_url=False, include_context=True))
        return None


def pick_violation(value: Any, errors: Sequence[ErrorDetails]) -> Violation:
    """Return the error of the union member that was meant.

    A union reports the errors of all members. A member whose own tag (`role`, `type`) mismatches was not meant, so its
    errors are dropped; of the rest the deepest is taken, since a value that got far matched most.
    """
    located = [_locate(value, error) for error in errors]
    foreign = [branch for branch, violation in located if _is_tag_mismatch(violation)]
    meant = [violation for branch, violation in located if not any(_is_inside(branch, other) for other in foreign)]
    candidates = meant or [violation for _, violation in located]
    # An unknown key says more than the type errors of the union members that do not have it.
    return max(candidates, key=lambda v: (v.kind == "extra_forbidden", v.path.count(".") + v.path.count("[")))


def _make_strict(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("type") == "typed-dict" and not _allows_extra(node):
            node["extra_behavior"] = "forbid"
        elif node.get("type") == "generator":  # Iterable[X] would stay unread until iterated
            node["type"] = "list"
        for key, child in list(node.items()):
            if key == "fields" and isinstance(child, dict):  # by their own names, of which "metadata" may be one
                _make_strict(list(child.values()))
            elif key not in OPAQUE_KEYS:
                _make_strict(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            _make_strict(child)


def _allows_extra(node: Mapping[str, Any]) -> bool:
    """Return whether the SDK itself opened this type, as anthropic does for tools' InputSchema."""
    config = node.get("config") or {}
    return node.get("extra_behavior") == "allow" or config.get("extra_fields_behavior") == "allow"


def _locate(value: Any, error: ErrorDetails) -> tuple[tuple[Any, ...], Violation]:
    """Return the union branch an error belongs to (as a prefix of its loc) and the error with a JSON path.

    Pydantic mixes names of union members into `loc`; they are the parts that lead nowhere in the value.
    """
    path = ""
    branch: tuple[Any, ...] = ()
    loc = error["loc"]
    here = value
    for depth, part in enumerate(loc):
        is_last = depth == len(loc) - 1
        is_missing = is_last and error["type"] == "missing"
        if isinstance(here, dict) and isinstance(part, str) and (part in here or is_missing):
            path = f"{path}.{part}" if path else part
            here = here.get(part)
        elif isinstance(here, (list, tuple)) and isinstance(part, int) and part < len(here):
            path, here = f"{path}[{part}]", here[part]
        else:
            branch = loc[: depth + 1]
    expected = str(error.get("ctx", {}).get("expected", ""))
    return branch, Violation(path, error["type"], error["msg"], error["input"], expected)


def _is_tag_mismatch(violation: Violation) -> bool:
    field = violation.path.rpartition(".")[2]
    return field in TAG_FIELDS and violation.kind in {"literal_error", "missing"}


def _is_inside(branch: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return bool(other) and branch[: len(other)] == other
