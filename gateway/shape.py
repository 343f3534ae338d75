"""What shape data must have, as JSON Schema (2020-12) says it, and in our words what is wrong where it has not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from gateway.config.names import unknown

Path = tuple[str | int, ...]

MAX_FAULTS = 20  # what a model is told to mend, and what a client reads
_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_BOUNDS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "needs at least {} characters",
    "maxLength": "takes at most {} characters",
    "minItems": "needs at least {} items",
    "maxItems": "takes at most {} items",
    "minProperties": "needs at least {} fields",
    "maxProperties": "takes at most {} fields",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: where, () for the whole, and what, without quoting the value at length."""

    path: Path
    message: str

    @property
    def place(self) -> str:
        """`turns[3].text`"""
        text = ""
        for step in self.path:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text

    def __str__(self) -> str:
        return f"'{self.place}' {self.message}" if self.path else f"it {self.message}"


@dataclass(frozen=True, slots=True)
class SchemaFault(Exception):
    """A schema that is none, and where."""

    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema, ready to check by."""

    schema: Mapping[str, Any]
    _validator: Draft202012Validator = field(repr=False)

    @property
    def properties(self) -> Mapping[str, Any]:
        """The schemas of its named fields; none where it is no object's."""
        found = self.schema.get("properties")
        return found if isinstance(found, Mapping) else {}

    def faults(self, value: Any) -> list[Fault]:
        """Return what is wrong with a value, at most MAX_FAULTS things, each once."""
        found: dict[Fault, None] = {}
        for error in self._validator.iter_errors(value):
            found |= dict.fromkeys(_faults(error))
            if len(found) >= MAX_FAULTS:
                break
        return list(found)[:MAX_FAULTS]


def compile_shape(schema: Mapping[str, Any]) -> Shape:
    """Return the shape. Raises SchemaFault. What a schema refers to has to stand in it: nothing is fetched."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise SchemaFault(tuple(error.absolute_path), error.message.splitlines()[0][:200]) from error
    resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
    for path, reference in _references(schema, ()):
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise SchemaFault(path, "a reference has to begin with '#': nothing is fetched")
        try:
            resolver.lookup(reference)
        except Unresolvable as error:
            raise SchemaFault(path, f"{reference[:60]!r} leads nowhere") from error
    return Shape(schema, Draft202012Validator(schema, registry=Registry()))


def _references(schema: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(schema, Mapping):
        for key in ("$ref", "$dynamicRef"):
            if key in schema:
                yield (*path, key), schema[key]
        items = schema.items()
    elif isinstance(schema, list):
        items = enumerate(schema)
    for step, item in items:
        if step not in ("const", "enum", "default", "examples"):
            yield from _references(item, (*path, step))


def _faults(error: ValidationError) -> Iterator[Fault]:
    path: Path = tuple(error.absolute_path)
    rule = str(error.validator)
    wanted: Any = error.validator_value
    value: Any = error.instance
    if rule == "required":
        yield from (Fault((*path, name), "is required") for name in wanted if name not in value)
    elif rule in ("additionalProperties", "unevaluatedProperties"):
        known = list((error.schema.get("properties") or {}) if isinstance(error.schema, Mapping) else ())
        for name in value:
            if name not in known:
                yield Fault((*path, name[:60]), f"is not known{unknown(name[:60], known)}")
    else:
        yield Fault(path, _message(rule, wanted, value))


def _message(rule: str, wanted: Any, value: Any) -> str:
    if rule == "type":
        words = [_WORDS[word] for word in ([wanted] if isinstance(wanted, str) else wanted)]
        return f"must be {' or '.join(words)}, not {_kind(value)}"
    if rule in ("enum", "const"):
        choices = wanted if rule == "enum" else [wanted]
        return f"must be {'one of ' * (len(choices) > 1)}{', '.join(str(choice)[:60] for choice in choices)}"
    if rule in _BOUNDS:
        size = f"; it has {len(value)}" if isinstance(value, str | list | dict) else f"; it is {value}"
        return _BOUNDS[rule].format(wanted) + size
    if rule == "pattern":
        return "must have something in it" if wanted == r"\S" else f"must match {str(wanted)[:100]}"
    if rule in ("anyOf", "oneOf") and all(isinstance(one, Mapping) and "required" in one for one in wanted):
        needs = [" and ".join(f"'{name}'" for name in one["required"]) for one in wanted]
        return f"needs {' or '.join(needs)}, with something in it"
    return f"breaks the rule '{rule}' of its schema"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (str, "text"),
        ((int, float), "a number"),
        (list, "a list"),
        (dict, "an object"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), type(value).__name__)
