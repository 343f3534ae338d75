"""Check a document against a JSON Schema (2020-12) and say what is wrong in a line each, without the schema's words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from gateway.config.document import Document, Path, describe, dotted
from gateway.config.names import did_you_mean, unknown
from gateway.errors import Problem
from gateway.json import loads

if TYPE_CHECKING:
    from jsonschema import ValidationError

Schema = Mapping[str, Any]

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}
_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z", re.ASCII)


@lru_cache(maxsize=8)
def read_schema(path: FilePath) -> Schema:
    """Return the schema in a file of ours; it does not change while the process runs."""
    schema: Schema = loads(path.read_bytes())
    return schema


def check(document: Document, schema: Schema, problems: list[Problem], at: Path = ()) -> set[Path]:
    """Add a problem for all that `schema` refuses in the value at `at`; return the paths of the faults."""
    from jsonschema import Draft202012Validator  # 0.1 s: not where only `--help` is wanted

    faults: set[Path] = set()
    for error in Draft202012Validator(schema).iter_errors(value_at(document.value, at)):
        for path, message, is_at_key in _explain(error, document, at):
            mark = document.key_mark(path) if is_at_key else document.value_mark(path)
            problems.append(Problem(mark.file, mark.line, mark.column, message))
            faults.add(path)
    return faults


def coerce(document: Document, schema: Schema, at: Path = ()) -> None:
    """Turn what was substituted at or below `at` into the type that the schema asks for there, else leave it text."""
    for path in document.texts:
        if path[: len(at)] != at:
            continue
        parent = value_at(document.value, path[:-1])
        asked = list(_at(schema, schema, path[len(at) :]))
        parent[path[-1]] = _coerced(parent[path[-1]], asked)


def value_at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


# ---------------------------------------------------------------- what type is asked for


def _at(schema: Any, root: Schema, path: Path) -> Iterator[Schema]:
    """Yield every schema without alternatives that holds for the value at `path`."""
    if not isinstance(schema, Mapping):
        return
    if "$ref" in schema:
        yield from _at(_resolve(root, schema["$ref"]), root, path)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for alternative in schema.get(keyword, ()):
            yield from _at(alternative, root, path)
    if not path:
        yield schema
        return
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        yield from _at(schema.get("items"), root, rest)
        return
    named = schema.get("properties", {}).get(step)
    if named is not None:
        yield from _at(named, root, rest)
        return
    for pattern, child in schema.get("patternProperties", {}).items():
        if re.search(pattern, step):
            yield from _at(child, root, rest)
    yield from _at(schema.get("additionalProperties"), root, rest)


def _resolve(root: Schema, reference: str) -> Any:
    value: Any = root
    for step in reference.removeprefix("#/").split("/"):
        value = value.get(step, {})
    return value


def _coerced(text: str, asked: list[Schema]) -> Any:
    types: set[str] = set()
    for schema in asked:
        said = schema.get("type", ())
        types |= {said} if isinstance(said, str) else set(said)
        for word in schema.get("enum", ()):
            if isinstance(word, str) and word.casefold() == text.strip().casefold():
                return word
    folded = text.strip().casefold()
    if "boolean" in types and folded in _YES | _NO:
        return folded in _YES
    if types & {"integer", "number"} and _NUMBER.match(folded):
        number = float(folded)
        if number.is_integer() and abs(number) < 2**53:
            return int(number)
        if "number" in types and math.isfinite(number):
            return number
    if "null" in types and "string" not in types and not folded:
        return None
    return text


# ---------------------------------------------------------------- saying it


def _explain(error: ValidationError, document: Document, at: Path) -> Iterator[tuple[Path, str, bool]]:
    """Yield (path, message, whether it is about the key) for one error of jsonschema's."""
    path: Path = (*at, *error.absolute_path)
    name = dotted(path[-2:] if path and isinstance(path[-1], int) else path[-1:]) or "the file"
    rule, wanted, schema, value = error.validator, _any(error.validator_value), _any(error.schema), _any(error.instance)
    shown = document.show(path, value)
    if "propertyNames" in error.absolute_schema_path:
        yield (*path, value), f"the name {describe(value)} is not {schema.get('x-hint', f'of the form {wanted}')}", True
    elif rule in ("anyOf", "oneOf"):
        yield from _explain_alternatives(error, document, at)
    elif rule == "additionalProperties":
        known = schema.get("properties", {})
        for key in value:
            if key not in known and not any(re.search(pattern, key) for pattern in schema.get("patternProperties", {})):
                yield (*path, key), f"{describe(key)} is not known in {_where(path)}{unknown(key, known)}", True
    elif rule == "required":
        for key in wanted:
            if key not in value:
                yield path, f"{_where(path)} lacks '{key}'", True
    elif rule == "type":
        yield path, f"{name} has to be {_types(wanted)}, not {shown}{_hint(wanted, value)}", False
    elif rule == "enum":
        words = ", ".join(str(word) for word in wanted)
        guess = (
            did_you_mean(value, (word for word in wanted if isinstance(word, str))) if isinstance(value, str) else ""
        )
        yield path, f"{name} is {shown}, it can be: {words}{guess}", False
    elif rule == "const":
        yield path, f"{name} is {shown}, it can only be {describe(wanted)}", False
    elif rule == "pattern":
        yield path, f"{name} is {shown}, which is not {schema.get('x-hint', f'of the form {wanted}')}", False
    else:
        yield path, f"{name} {_bound(str(rule), wanted)}, this is {_amount(str(rule), value, shown)}", False


def _explain_alternatives(error: ValidationError, document: Document, at: Path) -> Iterator[tuple[Path, str, bool]]:
    """Explain the one alternative that the value's type fits, else name the types there are."""
    branches: dict[Any, list[ValidationError]] = {}
    for child in error.context or ():
        branches.setdefault(child.schema_path[0], []).append(child)
    fitting = [found for found in branches.values() if not _misses_type(found)]
    if fitting:
        for child in min(fitting, key=len):
            yield from _explain(child, document, at)
        return
    path: Path = (*at, *error.absolute_path)
    name = dotted(path[-2:] if path and isinstance(path[-1], int) else path[-1:])
    wanted = [_alternative(child) for found in branches.values() for child in found[:1]]
    yield (
        path,
        f"{name} has to be {' or '.join(dict.fromkeys(wanted))}, not {document.show(path, error.instance)}",
        False,
    )


def _misses_type(errors: list[ValidationError]) -> bool:
    """Whether an alternative was meant for another type of value altogether, or is one fixed word."""
    return any(not error.path and error.validator in ("type", "const") for error in errors)


def _alternative(error: ValidationError) -> str:
    if error.validator == "type":
        return _types(error.validator_value)
    if error.validator == "const":
        return describe(error.validator_value)
    return "valid"


def _any(value: Any) -> Any:
    """jsonschema types these as perhaps unset, which they are only before the error is raised."""
    return value


def _where(path: Path) -> str:
    return dotted(path) or "the file"


def _types(wanted: Any) -> str:
    return " or ".join(_TYPES.get(word, word) for word in ([wanted] if isinstance(wanted, str) else wanted))


def _hint(wanted: Any, value: Any) -> str:
    if wanted == "boolean" and isinstance(value, str) and value.casefold() in _YES | _NO:
        return f" (write {'true' if value.casefold() in _YES else 'false'})"
    if wanted == "string" and isinstance(value, int | float):
        return " (quote it)"
    return ""


def _bound(rule: str, wanted: Any) -> str:
    words = {
        "minimum": f"has to be at least {wanted}",
        "maximum": f"has to be at most {wanted}",
        "exclusiveMinimum": f"has to be more than {wanted}",
        "exclusiveMaximum": f"has to be less than {wanted}",
        "minLength": "must not be empty" if wanted == 1 else f"needs at least {wanted} characters",
        "maxLength": f"takes at most {wanted} characters",
        "minItems": "must not be empty" if wanted == 1 else f"needs at least {wanted} items",
        "maxItems": f"takes at most {wanted} items",
        "minProperties": "must not be empty" if wanted == 1 else f"needs at least {wanted} entries",
        "maxProperties": f"takes at most {wanted} entries",
        "uniqueItems": "must not hold the same item twice",
    }
    return words.get(rule, f"breaks the rule '{rule}'")


def _amount(rule: str, value: Any, shown: str) -> str:
    return (
        f"{len(value)} long"
        if rule.endswith(("Length", "Items", "Properties")) and rule != "uniqueItems" and value
        else shown
    )
