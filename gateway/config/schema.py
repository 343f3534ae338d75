"""Check a document against a JSON Schema (2020-12) and say what is wrong in a line each.

Not by the package `jsonschema`: it takes 0.1 s to import and 0.15 s for 500 routes, half of what a check may take, and
its messages quote the schema. `KEYWORDS` are all that our schemas and the plugins' need; a schema with any other is
refused. Tests hold the verdicts to those of `jsonschema`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from gateway.config.document import Document, Path, describe, dotted
from gateway.config.names import did_you_mean, unknown
from gateway.errors import Problem
from gateway.json import dumps, loads

Schema = Mapping[str, Any]

KEYWORDS = frozenset(
    {
        *("$ref", "anyOf", "type", "enum", "const"),
        *("properties", "additionalProperties", "propertyNames", "required", "minProperties", "maxProperties"),
        *("items", "minItems", "maxItems", "uniqueItems"),
        *("pattern", "minLength", "maxLength"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    }
)
ANNOTATIONS = frozenset(
    {
        *("$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "deprecated", "format"),
        "x-hint",  # ours: what a `pattern` means, in words
    }
)
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")

_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "string": (str, "text"),
    "integer": (int, "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": (bool, "true or false"),
    "object": (dict, "a mapping"),
    "array": (list, "a list"),
    "null": (type(None), "nothing"),
}


@lru_cache(maxsize=8)
def read_schema(path: FilePath) -> Schema:
    """Return the schema in a file of ours; it does not change while the process runs."""
    schema: Schema = loads(path.read_bytes())
    return schema


def check(document: Document, value: Any, schema: Schema, problems: list[Problem], at: Path = ()) -> set[Path]:
    """Add a problem for all that `schema` refuses in `value`, which stands at `at`; return the paths of the faults."""
    checker = _Checker(document, schema)
    checker.check(value, schema, at)
    problems += checker.problems
    return checker.faults


def schema_fault(schema: Any) -> str | None:
    """Return why a schema cannot be used here, or None."""
    if not isinstance(schema, Mapping):
        return "it is not a mapping"
    if foreign := sorted(set(schema) - KEYWORDS - ANNOTATIONS):
        return f"the keyword '{foreign[0]}' is not supported"
    children = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    children += [schema[key] for key in ("items", "additionalProperties", "propertyNames") if key in schema]
    return next((fault for child in children if not isinstance(child, bool) and (fault := schema_fault(child))), None)


def resolve_reference(root: Schema, reference: str) -> Schema:
    """Return what `#/$defs/name` refers to."""
    value: Any = root
    for step in reference.removeprefix("#/").split("/"):
        value = value[step]
    found: Schema = value
    return found


class _Checker:
    """One walk through a value and its schema; a value of the wrong type is not looked into."""

    def __init__(self, document: Document, root: Schema) -> None:
        self._document = document
        self._root = root
        self.problems: list[Problem] = []
        self.faults: set[Path] = set()

    def check(self, value: Any, schema: Schema, path: Path) -> None:
        if self._document.variables.get(path) == ():
            self.faults.add(path)  # a reference that could not be replaced: said already
            return
        if "$ref" in schema:
            self.check(value, resolve_reference(self._root, schema["$ref"]), path)
        wanted = schema.get("type")
        if wanted is not None and not _is(value, wanted):
            said = f"has to be {_type_names(wanted)}, not {self._document.show(path, value)}{_hint(wanted, value)}"
            self._report(path, f"{_name(path)} {said}")
            return
        if "anyOf" in schema:
            self._any_of(value, schema["anyOf"], path)
        if "const" in schema and not _same(value, schema["const"]):
            self._report(
                path, f"{_name(path)} is {self._shown(path, value)}, it can only be {describe(schema['const'])}"
            )
        elif "enum" in schema and not any(_same(value, word) for word in schema["enum"]):
            self._report(path, self._no_choice(value, schema["enum"], path))
        elif isinstance(value, dict):
            self._mapping(value, schema, path)
        elif isinstance(value, list):
            self._list(value, schema, path)
        elif isinstance(value, str):
            self._text(value, schema, path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._bounds(value, _NUMBER_BOUNDS, schema, path)

    def _mapping(self, value: dict[str, Any], schema: Schema, path: Path) -> None:
        known: Mapping[str, Any] = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        names = schema.get("propertyNames")
        for key, item in value.items():
            if names is not None and not self._is_name(key, names, (*path, key)):
                continue
            if key in known:
                self.check(item, known[key], (*path, key))
            elif others is False:
                place = dotted(path) or "the file"
                self._report((*path, key), f"{describe(key)} is not known in {place}{unknown(key, known)}", at_key=True)
            elif others is not True:
                self.check(item, others, (*path, key))
        for key in schema.get("required", ()):
            if key not in value:
                self._report(path, f"{dotted(path) or 'the file'} lacks '{key}'", at_key=True)
        self._bounds(len(value), _MAPPING_BOUNDS, schema, path)

    def _list(self, value: list[Any], schema: Schema, path: Path) -> None:
        if "items" in schema:
            for index, item in enumerate(value):
                self.check(item, schema["items"], (*path, index))
        if schema.get("uniqueItems"):
            seen: set[bytes] = set()
            for index, item in enumerate(value):
                written = dumps(item)
                if written in seen:
                    self._report(
                        (*path, index), f"{_name(path)} must not hold the same item twice: {self._shown(path, item)}"
                    )
                seen.add(written)
        self._bounds(len(value), _LIST_BOUNDS, schema, path)

    def _text(self, value: str, schema: Schema, path: Path) -> None:
        if "pattern" in schema and not re.search(schema["pattern"], value):
            wanted = schema.get("x-hint") or f"of the form {schema['pattern']}"
            self._report(path, f"{_name(path)} is {self._shown(path, value)}, which is not {wanted}")
        self._bounds(len(value), _TEXT_BOUNDS, schema, path)

    def _is_name(self, key: str, schema: Schema, path: Path) -> bool:
        scratch = _Checker(self._document, self._root)
        scratch.check(key, schema, path)
        if scratch.problems:
            self._report(path, f"the name {describe(key)} is not {schema.get('x-hint', 'allowed')}", at_key=True)
        return not scratch.problems

    def _any_of(self, value: Any, alternatives: list[Schema], path: Path) -> None:
        """Blame the alternative that the value's type fits, so that the message is about what was meant."""
        fitting = [alternative for alternative in alternatives if self._fits(value, alternative)]
        if not fitting:
            wanted = " or ".join(dict.fromkeys(self._summary(alternative) for alternative in alternatives))
            self._report(path, f"{_name(path)} has to be {wanted}, not {self._shown(path, value)}")
            return
        attempts = []
        for alternative in fitting:
            attempt = _Checker(self._document, self._root)
            attempt.check(value, alternative, path)
            if not attempt.problems:
                return
            attempts.append(attempt)
        best = min(attempts, key=lambda attempt: len(attempt.problems))
        self.problems += best.problems
        self.faults |= best.faults

    def _fits(self, value: Any, schema: Schema) -> bool:
        if "$ref" in schema:
            schema = resolve_reference(self._root, schema["$ref"])
        if "const" in schema:
            return _same(value, schema["const"])
        if "anyOf" in schema:
            return any(self._fits(value, alternative) for alternative in schema["anyOf"])
        return "type" not in schema or _is(value, schema["type"])

    def _summary(self, schema: Schema) -> str:
        if "$ref" in schema:
            schema = resolve_reference(self._root, schema["$ref"])
        return describe(schema["const"]) if "const" in schema else _type_names(schema.get("type", ()))

    def _no_choice(self, value: Any, words: list[Any], path: Path) -> str:
        texts = [str(word) for word in words]
        guess = did_you_mean(value, texts) if isinstance(value, str) else ""
        return f"{_name(path)} is {self._shown(path, value)}, it can be: {', '.join(texts)}{guess}"

    def _bounds(self, size: float, rules: Mapping[str, str], schema: Schema, path: Path) -> None:
        for keyword in rules.keys() & schema.keys():
            bound = schema[keyword]
            if not _HOLDS[keyword](size, bound):
                this = self._shown(path, size) if rules is _NUMBER_BOUNDS else f"{size}"
                self._report(path, f"{_name(path)} {rules[keyword].format(bound)}, this is {this}")

    def _shown(self, path: Path, value: Any) -> str:
        return self._document.show(path, value)

    def _report(self, path: Path, message: str, *, at_key: bool = False) -> None:
        mark = self._document.key_mark(path) if at_key else self._document.value_mark(path)
        self.problems.append(Problem(mark.file, mark.line, mark.column, message))
        self.faults.add(path)


_NUMBER_BOUNDS = {
    "minimum": "has to be at least {}",
    "maximum": "has to be at most {}",
    "exclusiveMinimum": "has to be more than {}",
    "exclusiveMaximum": "has to be less than {}",
}
_TEXT_BOUNDS = {"minLength": "needs at least {} characters", "maxLength": "takes at most {} characters"}
_LIST_BOUNDS = {"minItems": "needs at least {} items", "maxItems": "takes at most {} items"}
_MAPPING_BOUNDS = {"minProperties": "needs at least {} entries", "maxProperties": "takes at most {} entries"}
_HOLDS = {
    keyword: (lambda size, bound: size >= bound) if keyword.startswith("min") else (lambda size, bound: size <= bound)
    for keyword in (*_NUMBER_BOUNDS, *_TEXT_BOUNDS, *_LIST_BOUNDS, *_MAPPING_BOUNDS)
} | {
    "exclusiveMinimum": lambda size, bound: size > bound,
    "exclusiveMaximum": lambda size, bound: size < bound,
}


def _is(value: Any, wanted: str | list[str]) -> bool:
    """Whether the value is of the type, or of one of them, as JSON Schema counts: true is no number, 1.0 is whole."""
    if not isinstance(wanted, str):
        return any(_is(value, one) for one in wanted)
    if isinstance(value, bool):
        return wanted == "boolean"
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[wanted][0])


def _same(value: Any, other: Any) -> bool:
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _name(path: Path) -> str:
    return dotted(path[-2:] if path and isinstance(path[-1], int) else path[-1:]) or "the file"


def _type_names(wanted: Any) -> str:
    return " or ".join(_TYPES[word][1] for word in _each(wanted)) or "valid"


def _each(wanted: Any) -> Iterator[str]:
    yield from [wanted] if isinstance(wanted, str) else wanted


def _hint(wanted: Any, value: Any) -> str:
    if wanted == "boolean" and isinstance(value, str) and value.casefold() in (*YES, *NO):
        return f" (write {'true' if value.casefold() in YES else 'false'})"
    return " (quote it)" if wanted == "string" and isinstance(value, int | float) else ""
