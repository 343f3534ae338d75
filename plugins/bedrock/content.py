"""The parts of a message as Converse's content blocks (botocore 1.44.5, 2026-11-23). Bytes are base64 in JSON."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from gateway import json
from gateway.errors import InvalidRequest
from gateway.types import Audio, File, Image, Part, Text, Thinking, ToolResult, ToolUse

VENDOR = "bedrock"  # whose thinking may be sent back here
_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9()\[\] -]+")  # of documents; a name is one line of plain words


def blocks(parts: tuple[Part, ...]) -> Iterator[dict[str, Any]]:
    """Yield a message's blocks in order. Raises InvalidRequest for what Converse cannot take."""
    for part in parts:
        block = _block(part)
        if block is not None:
            yield block


def is_image_known(image: Image) -> bool:
    return image.media_type in _IMAGES


def tool_use_id(text: str) -> str:
    """Return an id as it may stand here: another vendor's may be longer or hold other characters."""
    return text if _ID.fullmatch(text) else "id_" + hashlib.sha256(text.encode()).hexdigest()[:40]


def _block(part: Part) -> dict[str, Any] | None:
    match part:
        case Text(text):
            return {"text": text} if text else None  # an empty one is refused
        case Image():
            return _image(part)
        case Audio(format, data_b64):
            return {"audio": {"format": format, "source": {"bytes": data_b64}}}
        case File():
            return _document(part)
        case ToolUse(id, name, arguments):
            return {"toolUse": {"toolUseId": tool_use_id(id), "name": name, "input": _input(name, arguments)}}
        case ToolResult():
            return _result(part)
        case Thinking(vendor=vendor) if vendor == VENDOR:
            return _reasoning(part)
        case _:
            return None  # another vendor's thinking is of no use here


def _image(image: Image) -> dict[str, Any]:
    return {"image": {"format": _IMAGES[image.media_type or ""], "source": {"bytes": image.data_b64}}}


def _document(file: File) -> dict[str, Any]:
    path = PurePosixPath(file.filename or "")
    kind = _DOCUMENTS.get(file.media_type or "") or path.suffix.removeprefix(".").lower()
    if kind not in _DOCUMENTS.values():
        known = ", ".join(sorted(_DOCUMENTS.values()))
        raise InvalidRequest(
            f"a file of type {file.media_type or 'unknown'} cannot be sent to Bedrock; it takes {known}",
            param="messages",
        )
    name = " ".join(_NOT_IN_NAMES.sub(" ", path.stem).split())[:200] or "document"
    return {"document": {"format": kind, "name": name, "source": {"bytes": file.data_b64}}}


def _input(name: str, arguments: str) -> dict[str, Any]:
    try:
        value = json.loads(arguments or "{}")
    except ValueError as error:
        raise _broken(name, "is not JSON") from error
    if not isinstance(value, dict):
        raise _broken(name, "is not a JSON object")
    return value


def _broken(name: str, what: str) -> InvalidRequest:
    message = f"what the call of tool {name[:64]!r} was given {what}; Bedrock takes calls with an object only"
    return InvalidRequest(message, param="messages")


def _result(result: ToolResult) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for part in result.parts:
        match part:
            case Text(text):
                content.append({"text": text})
            case Image():
                content.append(_image(part))
            case File():
                content.append(_document(part))
    fields: dict[str, Any] = {"toolUseId": tool_use_id(result.tool_use_id), "content": content or [{"text": ""}]}
    return {"toolResult": fields | ({"status": "error"} if result.is_error else {})}


def _reasoning(thinking: Thinking) -> dict[str, Any]:
    if thinking.is_redacted:
        return {"reasoningContent": {"redactedContent": thinking.text}}
    signed = {"signature": thinking.signature} if thinking.signature is not None else {}
    return {"reasoningContent": {"reasoningText": {"text": thinking.text} | signed}}
