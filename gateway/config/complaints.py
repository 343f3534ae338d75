"""What `jsonschema` refuses, in our words: one short line each, which quotes neither the schema nor a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema.exceptions import ValidationError

from gateway.config.alternatives import kinds, meant, type_names
from gateway.config.coerce import NO, YES
from gateway.config.document import Document, Path, describe, dotted
from gateway.config.names import did_you_mean, unknown

_KINDS = ("type", "const", "enum")  # of a value that breaks one of these nothing else is told
_BOUNDS = {
    "minimum": "has to be at least {}",
    "maximum": "has to be at most {}",
    "exclusiveMinimum": "has to be more than {}",
    "exclusiveMaximum": "has to be less than {}",
    "multipleOf": "has to be a multiple of {}",
}
_SIZES = {
    "minLength": "needs at least {} characters",
    "maxLength": "takes at most {} characters",
    "minItems": "needs at least {} items",
    "maxItems": "takes at most {} items",
    "minProperties": "needs at least {} entries",
    "maxProperties": "takes at most {} entries",
}
_OTHERS = {
    "contains": "lacks an item that it has to hold",
    "minContains": "needs at least {} items of the kind that it has to hold",
    "maxContains": "takes at most {} items of the kind that it has to hold",
    "oneOf": "fits several of the forms that it can have, and has to fit one",
    "items": "holds more items than are described",  # `items: false`
    "unevaluatedItems": "holds more items than are described",
}
MAX_WORDS = 20  # of those a value can be; the nearest is named besides
_FORMS = {"pattern": "of the form {}", "format": "of the format '{}'", "not": "allowed"}


@dataclass(frozen=True, slots=True)
class Complaint:
    """A line about the value at `path`, or about its key."""

    path: Path
    message: str
    is_about_key: bool = False


def complaints(errors: Iterable[ValidationError], document: Document, value: Any, at: Path) -> list[Complaint]:
    """Return, each once, what to say of the errors in `value`, which stands at `at` in the document.

    Nothing is said of a reference that could not be replaced: that was said when it was read.
    """

    def is_told(error: ValidationError) -> bool:
        return document.variables.get((*at, *error.absolute_path)) == ()

    placed = []
    for error in meant(errors, is_told):
        path, is_name = _place(error, value)
        placed.append(((*at, *path), is_name, error))
    wrong_kinds = {
        path: error.validator for rule in reversed(_KINDS) for path, _, error in placed if error.validator == rule
    }
    found: dict[Complaint, None] = {}
    for path, is_name, error in placed:
        if wrong_kinds.get(path, error.validator) == error.validator:
            found |= dict.fromkeys([_about_name(error, path)] if is_name else _about(error, path, document))
    return list(found)


def _place(error: ValidationError, value: Any) -> tuple[Path, bool]:
    """Return where the faulty value stands, and whether it is a name: that has no place, so it gets its value's."""
    path = tuple(error.absolute_path)
    for step in path:
        value = value[step]
    if value is error.instance:
        return path, False
    rule: Any = error.validator
    if rule is None:  # of what a `false` forbids jsonschema leaves the last step out
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for step, item in items:
            if item is error.instance:
                return (*path, step), False
    return (*path, str(error.instance)), True


def _about_name(error: ValidationError, path: Path) -> Complaint:
    return Complaint(path, f"the name {describe(path[-1])} is not {_hint(error) or 'allowed'}", is_about_key=True)


def _about(error: ValidationError, path: Path, document: Document) -> Iterator[Complaint]:
    rule: Any = error.validator
    wanted: Any = error.validator_value
    value: Any = error.instance
    place = dotted(path) or "the file"
    if rule is None:  # the schema is `false`
        yield Complaint(path, f"{_name(path)} is not allowed here", is_about_key=True)
    elif rule == "required":
        for key in (key for key in wanted if key not in value):
            yield Complaint(path, f"{place} lacks '{key}'", is_about_key=True)
    elif rule == "dependentRequired":
        for key, needed in ((key, one) for key, needs in wanted.items() if key in value for one in needs):
            if needed not in value:
                yield Complaint(path, f"{place} lacks '{needed}', which '{key}' needs", is_about_key=True)
    elif rule in ("additionalProperties", "unevaluatedProperties"):
        known = _beside(error, "properties")
        for key in _unknown_keys(error):
            said = f"{describe(key)} is not known in {place}{unknown(key, known)}"
            yield Complaint((*path, key), said, is_about_key=True)
    elif rule == "uniqueItems":
        for index in _repeated(value):
            shown = document.show((*path, index), value[index])
            yield Complaint((*path, index), f"{_name(path)} must not hold the same item twice: {shown}")
    else:
        yield Complaint(path, f"{_name(path)} {_said(error, document.show(path, value))}")


def _said(error: ValidationError, shown: str) -> str:
    """Return what is wrong with a value that is shown as `shown`."""
    rule: Any = error.validator
    wanted: Any = error.validator_value
    value: Any = error.instance
    if rule == "type":
        return f"has to be {type_names(wanted)}, not {shown}{_remedy(wanted, value)}"
    if rule == "const":
        return f"is {shown}, it can only be {describe(wanted)}"
    if rule == "enum":
        words = [str(word) for word in wanted]
        guess = did_you_mean(value, words) if isinstance(value, str) else ""
        return f"is {shown}, it can be: {', '.join(words[:MAX_WORDS])}{', …' * (len(words) > MAX_WORDS)}{guess}"
    if error.context:
        return f"has to be {kinds(error.context)}, not {shown}"
    if rule in _BOUNDS:
        return f"{_BOUNDS[rule].format(wanted)}, this is {shown}"
    if rule in _SIZES:
        return f"{_SIZES[rule].format(wanted)}, this is {len(value)}"
    if rule in _OTHERS:
        return _OTHERS[rule].format(wanted)
    form = _FORMS.get(rule, f"as its schema's '{rule}' asks").format(wanted)
    return f"is {shown}, which is not {_hint(error) or form}"


def _remedy(wanted: Any, value: Any) -> str:
    if wanted == "boolean" and isinstance(value, str) and value.casefold() in (*YES, *NO):
        return f" (write {'true' if value.casefold() in YES else 'false'})"
    return " (quote it)" if wanted == "string" and isinstance(value, int | float) else ""


def _unknown_keys(error: ValidationError) -> list[str]:
    mapping: Any = error.instance
    if error.validator == "unevaluatedProperties":  # which these are stands in its message only
        return [key for key in mapping if repr(key) in error.message]
    known, patterns = _beside(error, "properties"), _beside(error, "patternProperties")
    return [key for key in mapping if key not in known and not any(re.search(pattern, key) for pattern in patterns)]


def _repeated(items: list[Any]) -> list[int]:
    """Return the indices of items that stood before; the last where the same is written in two ways, as 1 and 1.0."""
    written = [repr(item) for item in items]
    first = {text: index for index, text in reversed(list(enumerate(written)))}
    return [index for index, text in enumerate(written) if first[text] != index] or [len(items) - 1]


def _beside(error: ValidationError, keyword: str) -> Any:
    """Return the mapping under another keyword of the schema that refused."""
    schema: Any = error.schema
    return schema.get(keyword, {})


def _hint(error: ValidationError) -> str:
    schema: Any = error.schema
    return schema.get("x-hint", "") if isinstance(schema, dict) else ""  # ours: what a rule means, in words


def _name(path: Path) -> str:
    return dotted(path[-2:] if path and isinstance(path[-1], int) else path[-1:]) or "the file"
