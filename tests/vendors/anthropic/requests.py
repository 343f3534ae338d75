"""What every request has to satisfy: a key, a version, a content type, JSON that the SDK's own types accept."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, Literal, NoReturn

from anthropic.types import message_count_tokens_params as count_params
from anthropic.types import message_create_params as params

from tests.vendors.anthropic.errors import Refusal
from tests.vendors.recording import RequestRecord
from tests.vendors.strict import StrictValidator, Violation

OLD, NEW = "2023-06-01", "2026-10-21"
MAX_BODY_BYTES = 33_554_432  # UNV
HEADER_PARAMS = ("user_profile_id", "workspace_id")  # in the SDK's type for the body, sent as headers

Kind = Literal["message", "stream", "count"]


class _OldMessage(params.MessageCreateParamsNonStreaming, total=False):
    temperature: float
    top_p: float
    top_k: int


class _OldStream(params.MessageCreateParamsStreaming, total=False):
    temperature: float
    top_p: float
    top_k: int


def check_key(record: RequestRecord, api_key: str) -> None:
    """Refuse a request without the right key; where both headers come, `x-api-key` is the one that counts."""
    bearer = (record.header("authorization") or "").removeprefix("Bearer ")
    key = record.header("x-api-key") or bearer
    if not key:
        message = "x-api-key header is required"
        raise Refusal(message, 401, "authentication_error")
    if key != api_key:
        raise Refusal("invalid x-api-key", 401, "authentication_error")


def version_of(record: RequestRecord) -> str:
    """Return the request's API version; refuse a missing or an unknown one."""
    version = record.header("anthropic-version")
    if version is None:
        raise Refusal("anthropic-version: header is required")
    if version not in (OLD, NEW):
        raise Refusal(f'anthropic-version: "{version}" is not a valid version for this endpoint')
    return version


def json_body(record: RequestRecord) -> dict[str, Any]:
    """Return the body as an object; refuse other content types, too much of it, duplicate keys, NaN."""
    kind = (record.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(f"Unsupported content type: '{kind}'")
    if len(record.body) > MAX_BODY_BYTES:
        raise Refusal("Request exceeds the maximum size", 413, "request_too_large")
    try:
        body = json.loads(record.body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except ValueError as error:
        raise Refusal(f"The request body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refusal("The request body is not a JSON object")
    return body


def check_schema(body: dict[str, Any], kind: Kind, version: str) -> None:
    """Refuse what the SDK's own type does not allow, with the path written by dots as the API does."""
    for name in HEADER_PARAMS:
        if name in body:
            raise Refusal(f"{name}: Extra inputs are not permitted")
    violation = _validator(kind, version).violation(body)
    if violation is not None:
        raise Refusal(_words(violation))


@cache
def _validator(kind: Kind, version: str) -> StrictValidator:
    if kind == "count":
        return StrictValidator(count_params.MessageCountTokensParams)
    if version == OLD:
        return StrictValidator(_OldStream if kind == "stream" else _OldMessage)
    is_stream = kind == "stream"
    return StrictValidator(params.MessageCreateParamsStreaming if is_stream else params.MessageCreateParamsNonStreaming)


def _words(violation: Violation) -> str:
    path = re.sub(r"\[(\d+)\]", r".\1", violation.path)
    match violation.kind:
        case "extra_forbidden":
            return f"{path}: Extra inputs are not permitted"
        case "missing":
            return f"{path}: Field required"
        case "literal_error":
            return f"{path}: Input should be {violation.expected}"
    return f"{path}: {violation.message}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
