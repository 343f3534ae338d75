"""Requests checked against botocore's own model of the service, strictly: also enums, lengths, patterns and unions."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator


@cache
def operation(service: str, name: str) -> Any:
    """Return botocore's model of one operation."""
    return botocore.session.Session().get_service_model(service).operation_model(name)


def fault_of(service: str, name: str, params: Mapping[str, Any]) -> str | None:
    """Return what is wrong with an operation's parameters, or None. Blobs are bytes: see `with_blobs`."""
    shape = operation(service, name).input_shape
    report = ParamValidator().validate(dict(params), shape)
    if report.has_errors():
        return str(report.generate_report())
    return next(_strict(shape, params, ""), None)


def with_blobs(service: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body with base64 read where the model has blobs. Raises ValueError for what is no base64."""
    value: dict[str, Any] = _decoded(operation(service, name).input_shape, body)
    return value


def answer_fault(service: str, name: str, body: Mapping[str, Any]) -> str | None:
    """Return what is wrong with an answer by the model, or None."""
    shape = operation(service, name).output_shape
    report = ParamValidator().validate(_decoded(shape, body), shape)
    return str(report.generate_report()) if report.has_errors() else None


def _decoded(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure" and isinstance(value, dict) and not getattr(shape, "is_document_type", False):
        return {
            key: _decoded(shape.members[key], item) if key in shape.members else item for key, item in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_decoded(shape.member, item) for item in value]
    if shape.type_name == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise ValueError(f"a blob is not base64: {error}") from error
    return value


def _strict(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Yield what botocore's validator does not look at."""
    match shape.type_name:
        case "structure":
            if getattr(shape, "is_document_type", False):
                return
            if getattr(shape, "is_tagged_union", False) and len(value) != 1:
                yield f"{path}: exactly one member has to be set"
            for key, item in value.items():
                yield from _strict(shape.members[key], item, f"{path}.{key}" if path else key)
        case "list":
            yield from _bounds(shape, len(value), path)
            for index, item in enumerate(value):
                yield from _strict(shape.member, item, f"{path}[{index}]")
        case "map":
            for key, item in value.items():
                yield from _strict(shape.value, item, f"{path}.{key}")
        case "string":
            if shape.enum and value not in shape.enum:
                yield f"{path}: {value!r} is not one of {', '.join(shape.enum)}"
            yield from _bounds(shape, len(value), path)
            pattern = shape.metadata.get("pattern")
            if pattern and not re.fullmatch(pattern, value):
                yield f"{path}: {value!r} does not match {pattern}"
        case "integer" | "long" | "float" | "double":
            yield from _bounds(shape, value, path)


def _bounds(shape: Any, size: float, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{path}: less than {low}"
    if high is not None and size > high:
        yield f"{path}: more than {high}"


def parsed(body: bytes) -> dict[str, Any]:
    """Return a body as an object. Raises ValueError."""
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value
