"""What every OpenAI request has to satisfy: one good key, a content type, JSON that the SDK's schema accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from tests.vendors.openai.errors import Refusal
from tests.vendors.recording import RequestRecord
from tests.vendors.strict import StrictValidator, Violation

JSON_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a decimal",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
}
# pydantic's error type -> what OpenAI says it expected
EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
}


@dataclass(frozen=True, slots=True)
class Range:
    """Inclusive limits of a number."""

    low: float
    high: float | None = None


def check_key(record: RequestRecord, api_key: str) -> None:
    """Refuse a request without exactly the right bearer token."""
    values = [value for name, value in record.headers if name.lower() == "authorization"]
    if not values:
        message = "You didn't provide an API key. You need to provide it in an Authorization header using Bearer auth."
        raise Refusal(message, status=401)
    scheme, _, key = values[0].partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or key != api_key:
        raise Refusal(f"Incorrect API key provided: {key[:3]}***.", code="invalid_api_key", status=401)


def json_body(record: RequestRecord) -> dict[str, Any]:
    """Return the body as an object; refuse other content types, encodings, duplicate keys, NaN."""
    kind = (record.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = f"Unsupported content type: '{kind}'. This API method only accepts 'application/json' requests."
        raise Refusal(message, code="unsupported_content_type")
    if record.header("content-encoding") not in (None, "identity"):
        raise Refusal("Unsupported content encoding.", code="unsupported_content_encoding")
    try:
        text = record.body.decode("utf-8")
        body = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except ValueError as error:
        raise Refusal(f"We could not parse the JSON body of your request. (HINT: {error})") from error
    if not isinstance(body, dict):
        raise Refusal("The JSON body of your request is not an object.")
    return body


def check_schema(validator: StrictValidator, value: Any) -> None:
    """Refuse what the SDK's own type does not allow, in OpenAI's words."""
    violation = validator.violation(value)
    if violation is not None:
        _refuse(violation)


def check_ranges(body: Mapping[str, Any], ranges: Mapping[str, Range]) -> None:
    """Refuse numbers outside their limits; absent and null are fine."""
    for name, limit in ranges.items():
        value = body.get(name)
        if value is None:
            continue
        kind = "integer" if isinstance(value, int) and isinstance(limit.low, int) else "decimal"
        if value < limit.low:
            problem, code = f"below minimum value. Expected a value >= {limit.low}", f"{kind}_below_min_value"
        elif limit.high is not None and value > limit.high:
            problem, code = f"above maximum value. Expected a value <= {limit.high}", f"{kind}_above_max_value"
        else:
            continue
        raise Refusal(f"Invalid '{name}': {kind} {problem}, but got {value} instead.", name, code)


def check_length(name: str, text: str, low: int, high: int) -> None:
    """Refuse a text that is too short or too long, counted in characters."""
    if low <= len(text) <= high:
        return
    is_short = len(text) < low
    problem, code = f"long. Expected a string with maximum length {high}", "string_above_max_length"
    if is_short:
        problem, code = f"short. Expected a string with minimum length {low}", "string_below_min_length"
    raise Refusal(f"Invalid '{name}': string too {problem}, but got length {len(text)} instead.", name, code)


def check_count(name: str, count: int, low: int, high: int) -> None:
    """Refuse an array with too few or too many items."""
    if count < low:
        message = f"Invalid '{name}': empty array. Expected minimum length {low}, but got an empty array instead."
        raise Refusal(message, name, "empty_array")
    if count > high:
        message = f"Invalid '{name}': array too long. Expected maximum length {high}, but got length {count} instead."
        raise Refusal(message, name, "array_above_max_length")


def _refuse(violation: Violation) -> NoReturn:
    path = violation.path
    match violation.kind:
        case "extra_forbidden" if "." not in path and "[" not in path:
            raise Refusal(f"Unrecognized request argument supplied: {path}")
        case "extra_forbidden":
            raise Refusal(f"Unknown parameter: '{path}'.", path, "unknown_parameter")
        case "missing":
            raise Refusal(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
        case "literal_error":
            message = f"Invalid value: {violation.value!r}. Supported values are: {violation.expected}."
            raise Refusal(message, path, "invalid_value")
    expected = EXPECTED.get(violation.kind, violation.message)
    got = "null" if violation.value is None else JSON_NAMES.get(type(violation.value), "something else")
    raise Refusal(f"Invalid type for '{path}': expected {expected}, but got {got} instead.", path, "invalid_type")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
