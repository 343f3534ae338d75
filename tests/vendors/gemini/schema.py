"""What every request has to satisfy: JSON that Google's own protobuf takes, without an unknown field at any depth.

The published protobuf lags behind the service: fields that google-genai 3.4.0 knows and it does not are taken out first
and checked against the SDK's own types (vendors.md S2).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any, NoReturn

from google.ai import generativelanguage_v1beta as v1beta
from google.genai import types
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from tests.vendors.gemini.errors import Refusal, bad_field
from tests.vendors.recording import RequestRecord

LEVELS = frozenset(level.value for level in types.ThinkingLevel) - {"THINKING_LEVEL_UNSPECIFIED"}
TIERS = frozenset({"unspecified", "standard", "flex", "priority"})  # google.genai.types.ServiceTier
MESSAGES: dict[str, Any] = {
    "generateContent": v1beta.GenerateContentRequest,
    "countTokens": v1beta.CountTokensRequest,
    "embedContent": v1beta.EmbedContentRequest,
    "batchEmbedContents": v1beta.BatchEmbedContentsRequest,
}
SENTINEL = "skip_thought_signature_validator"


def checked_body(record: RequestRecord, method: str) -> dict[str, Any]:
    """Return a request's body in Google's canonical spelling. Raises Refusal."""
    body = json_body(record)
    newer = _take_newer(body) if method == "generateContent" else {}
    kind = MESSAGES[method]
    message = kind.pb(kind()).__class__()
    try:
        ParseDict(body, message, ignore_unknown_fields=False)
    except ParseError as error:
        raise Refusal(f"Invalid JSON payload received. {error}") from error
    for path, text in _binary(body):
        _check_base64(path, text)
    canonical: dict[str, Any] = MessageToDict(message)
    return _put_newer(canonical, newer)


def json_body(record: RequestRecord) -> dict[str, Any]:
    """Return the body as an object; refuse other content types, duplicate keys, NaN."""
    kind = (record.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(f"Invalid JSON payload received: content type {kind!r} is not application/json.")
    try:
        body = json.loads(record.body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except ValueError as error:
        raise Refusal(f"Invalid JSON payload received. {error}") from error
    if not isinstance(body, dict):
        raise Refusal("Invalid JSON payload received. The root element must be a message.")
    return body


# ---------------------------------------------------------------- fields that the protobuf does not have yet


def _take_newer(body: dict[str, Any]) -> dict[str, Any]:
    """Take the newer fields out of the body and return them, checked."""
    newer: dict[str, Any] = {
        name: body.pop(name) for name in ("serviceTier", "service_tier", "store", "labels") if name in body
    }
    if not isinstance(newer.get("store", True), bool):
        raise bad_field("store", "must be a boolean")
    for name in ("serviceTier", "service_tier"):
        if name in newer and newer[name] not in TIERS:
            raise bad_field("service_tier", f"Invalid value: {newer[name]!r}")
    config = _child(body, "generationConfig", "generation_config")
    thinking = _child(config, "thinkingConfig", "thinking_config")
    for name in ("thinkingLevel", "thinking_level"):
        if name in thinking:
            level = thinking.pop(name)
            if level not in LEVELS:
                raise bad_field("generation_config.thinking_config.thinking_level", f"Invalid value: {level!r}")
            newer["thinkingLevel"] = level
    return newer


def _put_newer(canonical: dict[str, Any], newer: dict[str, Any]) -> dict[str, Any]:
    if "thinkingLevel" in newer:
        config = canonical.setdefault("generationConfig", {})
        config.setdefault("thinkingConfig", {})["thinkingLevel"] = newer["thinkingLevel"]
    return canonical


def _child(holder: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        if isinstance(holder.get(name), dict):
            child: dict[str, Any] = holder[name]
            return child
    return {}


# ---------------------------------------------------------------- base64, which the protobuf library reads too laxly


def _binary(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every bytes field that was sent, outside of free-form JSON."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _binary(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            here = f"{path}.{key}" if path else key
            if key in ("data", "thoughtSignature", "thought_signature") and isinstance(item, str):
                yield here, item
            elif key not in ("args", "response", "parametersJsonSchema", "responseJsonSchema", "partMetadata"):
                yield from _binary(item, here)


def _check_base64(path: str, text: str) -> None:
    try:
        base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as error:
        raise bad_field(path, "Base64 decoding failed") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
