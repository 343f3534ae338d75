"""In which shape does a body come? A route may take recordings as a form's file, as the body, or by address."""

from __future__ import annotations

from typing import Literal

from gateway.dialects import Dialect
from gateway.dialects.recording import URL_FIELD
from gateway.errors import InvalidRequest
from gateway.types import Head, Inbound, RecordingInput

Shape = Literal["json", "form", "upload"]


def shape_of(dialect: Dialect, inputs: frozenset[RecordingInput], head: Head) -> Shape:
    """Return how the body has to be read. Raises InvalidRequest where the route does not take what is sent."""
    if getattr(dialect, "takes_upload", False):
        return "upload"
    if not dialect.takes_form:
        return "json"
    inputs = inputs_of(dialect, inputs)
    kind = head.headers.get("content-type", "").lower()
    if kind.startswith("multipart/form-data") or inputs <= {"file"}:
        return "form"  # whose reader says what it wants where this is none
    if kind.startswith("application/json") and "url" in inputs:
        return "json"
    is_sound = kind.startswith(("audio/", "video/", "application/octet-stream", "application/ogg"))
    if is_sound and "raw" in inputs:
        return "upload"
    raise InvalidRequest(f"a body of type {kind[:60]!r} is not taken here; {_wanted(inputs)}")


def inputs_of(dialect: Dialect, inputs: frozenset[RecordingInput]) -> frozenset[RecordingInput]:
    """Return what a route takes: what it says, unless its dialect knows; an address is the route's to allow, always."""
    own: frozenset[RecordingInput] | None = getattr(dialect, "inputs", None)
    return inputs if own is None else (own - {"url"}) | (own & inputs)


def check(dialect: Dialect, inbound: Inbound, inputs: frozenset[RecordingInput]) -> None:
    """Raise InvalidRequest for an address where the route takes none."""
    if inbound.form is None or "url" in inputs or any(name == "file" for name, _ in inbound.form.files):
        return
    field: str = getattr(dialect, "address_field", URL_FIELD)
    if any(name == field for name, _ in inbound.form.fields):
        raise InvalidRequest(
            f"'{field}' is not taken here; send the file, or have the operator add `inputs: [file, url]`",
            param=field,
        )


def _wanted(inputs: frozenset[RecordingInput]) -> str:
    ways = {
        "file": "multipart/form-data with the audio as 'file'",
        "raw": "the audio itself as audio/…",
        "url": 'JSON with its address as "url"',
    }
    return "send " + ", or ".join(text for name, text in ways.items() if name in inputs)
