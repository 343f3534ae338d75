"""The multipart form of /audio/transcriptions and /audio/translations, read and judged.

The SDK's TypedDict cannot be built by pydantic because of its `file`, so that field is dropped and judged by hand.
Array fields arrive as `name[]`, objects as `name[key]` (openai 3.54.0, vendors.md 1.5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from openai.types.audio import transcription_create_params, translation_create_params
from typing_extensions import TypedDict

from tests.vendors.multipart import MultipartError, Part, parse_multipart
from tests.vendors.openai.errors import Refusal
from tests.vendors.openai.requests import Range, check_ranges, check_schema
from tests.vendors.recording import RequestRecord
from tests.vendors.recordings import UnreadableAudio, container_of, duration_s
from tests.vendors.strict import StrictValidator

MAX_FILE_BYTES = 25 * 1024 * 1024
MIN_DURATION_S = 0.1
# filename extension -> containers it may hold
EXTENSIONS: dict[str, frozenset[str]] = {
    "flac": frozenset({"flac"}),
    "m4a": frozenset({"mp4"}),
    "mp3": frozenset({"mp3"}),
    "mp4": frozenset({"mp4"}),
    "mpeg": frozenset({"mp3", "mpeg"}),
    "mpga": frozenset({"mp3", "mpeg"}),
    "oga": frozenset({"ogg"}),
    "ogg": frozenset({"ogg"}),
    "wav": frozenset({"wav"}),
    "webm": frozenset({"webm"}),
}
BRACKETED = re.compile(r"(\w+)\[(\w*)\]")


@dataclass(frozen=True, slots=True)
class Recording:
    """The uploaded file."""

    filename: str
    content: bytes
    container: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class AudioForm:
    """A valid form: its fields with their own types, and the recording."""

    fields: Mapping[str, Any]
    recording: Recording


def read_transcription(record: RequestRecord) -> AudioForm:
    """Return the form of a transcription request; raises Refusal."""
    return _read(record, _transcription_validator())


def read_translation(record: RequestRecord) -> AudioForm:
    """Return the form of a translation request; raises Refusal."""
    return _read(record, _translation_validator())


def _read(record: RequestRecord, validator: StrictValidator) -> AudioForm:
    content_type = record.header("content-type") or ""
    try:
        parts = parse_multipart(content_type, record.body)
    except MultipartError as error:
        raise Refusal(f"Could not parse multipart form: {error}") from error
    files = [part for part in parts if part.name == "file"]
    fields = _fields([part for part in parts if part.name != "file"])
    record.model = fields.get("model")
    check_schema(validator, fields)
    check_ranges(fields, {"temperature": Range(0.0, 1)})
    if len(files) != 1:
        raise Refusal("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    return AudioForm(fields, _recording(files[0]))


def _fields(parts: list[Part]) -> dict[str, Any]:
    """Return form fields as JSON-like values; `name[]` is an array in any case, for the schema to judge."""
    fields: dict[str, Any] = {}
    for part in parts:
        if part.filename is not None:
            problem = f"Invalid type for '{part.name}': expected a string, but got a file."
            raise Refusal(problem, part.name, "invalid_type")
        text = part.content.decode("utf-8")
        bracketed = BRACKETED.fullmatch(part.name)
        name = bracketed[1] if bracketed else part.name
        if bracketed and bracketed[2]:
            fields.setdefault(name, {})[bracketed[2]] = _number(text)
        elif bracketed:
            fields.setdefault(name, []).append(text)
        elif name in fields:
            raise Refusal(f"Duplicate parameter: '{name}'.", name, "duplicate_parameter")
        else:
            fields[name] = CONVERTERS.get(name, str)(text)
    return fields


def _number(text: str) -> Any:
    """Return a number as such; anything else as it is, for the schema to judge."""
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text


def _boolean(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


CONVERTERS: dict[str, Callable[[str], Any]] = {"stream": _boolean, "temperature": _number}


def _recording(part: Part) -> Recording:
    if not part.filename:
        raise Refusal("Invalid type for 'file': expected a file, but got a string.", "file", "invalid_type")
    extension = part.filename.rpartition(".")[2].lower() if "." in part.filename else ""
    if len(part.content) > MAX_FILE_BYTES:
        size = len(part.content)
        raise Refusal(f"Maximum content size limit ({MAX_FILE_BYTES}) exceeded ({size} bytes read)", status=413)
    if extension not in EXTENSIONS:
        raise Refusal(f"Unrecognized file format. Supported formats: {sorted(EXTENSIONS)}", "file", "invalid_value")
    try:
        container = container_of(part.content)
        if container not in EXTENSIONS[extension]:
            raise UnreadableAudio(f"{part.filename} holds {container}")
        length_s = duration_s(part.content)
    except UnreadableAudio as error:
        raise Refusal(f"Audio file might be corrupted or unsupported: {error}", "file", "invalid_value") from error
    if length_s < MIN_DURATION_S:
        text = f"Audio file is too short. Minimum audio length is {MIN_DURATION_S} seconds."
        raise Refusal(text, "file", "audio_too_short")
    return Recording(part.filename, part.content, container, length_s)


@cache
def _transcription_validator() -> StrictValidator:
    module = transcription_create_params
    hints = get_type_hints(module.TranscriptionCreateParamsNonStreaming, localns=vars(module), include_extras=True)
    return _without_file(hints | {"stream": bool})


@cache
def _translation_validator() -> StrictValidator:
    module = translation_create_params
    return _without_file(get_type_hints(module.TranslationCreateParams, localns=vars(module), include_extras=True))


def _without_file(hints: dict[str, Any]) -> StrictValidator:
    del hints["file"]
    return StrictValidator(TypedDict("Form", hints, total=False))  # type: ignore[operator]  # a type made at run time
