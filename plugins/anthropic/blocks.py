"""The parts of a message as Anthropic's content blocks (vendors.md 2, 2026-11-23)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from gateway import json
from gateway.errors import UnsupportedByTarget
from gateway.types import File, Image, Text, Thinking, ToolResult, ToolUse

Block = dict[str, Any]

_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}", re.ASCII)  # what the API takes as a tool call's id


def text(part: Text) -> Block | None:
    """Return a text block; None for one of blanks, which the API refuses."""
    return {"type": "text", "text": part.text} if part.text.strip() else None


def image(part: Image) -> Block:
    if part.data_b64 is None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    media_type = "image/jpeg" if part.media_type == "image/jpg" else part.media_type
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": part.data_b64}}


def document(part: File, where: str) -> Block:
    block: Block = {"type": "document", "source": _document_source(part, where)}
    if part.filename:
        block["title"] = part.filename
    return block


def thinking(part: Thinking) -> Block:
    """Return a thinking block as it came: the signature covers every character."""
    if part.is_redacted:
        return {"type": "redacted_thinking", "data": part.text}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}


def tool_use(part: ToolUse, where: str) -> Block:
    """Return a tool call. Raises UnsupportedByTarget where its arguments are no JSON object: others take any text."""
    return {"type": "tool_use", "id": tool_id(part.id), "name": part.name, "input": _input(part, where)}


def tool_result(part: ToolResult, where: str) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": tool_id(part.tool_use_id)}
    content = [inner for item in part.parts if (inner := _inner(item, where)) is not None]
    if len(content) == 1 and content[0]["type"] == "text":
        block["content"] = content[0]["text"]
    elif content:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return block


def tool_id(given: str) -> str:
    """Return a tool call's id as the API takes it, the same for the same: other vendors' may hold dots and colons."""
    if _ID.fullmatch(given):
        return given
    return f"call_{hashlib.sha256(given.encode(errors='surrogatepass')).hexdigest()[:32]}"


def _inner(part: Text | Image | File, where: str) -> Block | None:
    match part:
        case Text():
            return text(part)
        case Image():
            return image(part)
        case File():
            return document(part, where)


def _document_source(part: File, where: str) -> Block:
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.media_type != "text/plain":
        return {"type": "base64", "media_type": part.media_type, "data": part.data_b64}
    try:
        content = base64.b64decode(part.data_b64 or "", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnsupportedByTarget(f"'{where}' holds a text file that is not base64 of UTF-8", param=where) from error
    return {"type": "text", "media_type": "text/plain", "data": content}


def _input(part: ToolUse, where: str) -> dict[str, Any]:
    if not part.arguments.strip():
        return {}
    try:
        value = json.loads(part.arguments)
    except ValueError as error:
        raise _broken(part, where) from error
    if not isinstance(value, dict):
        raise _broken(part, where)
    return value


def _broken(part: ToolUse, where: str) -> UnsupportedByTarget:
    return UnsupportedByTarget(
        f"'{where}' calls the tool {part.name[:64]!r} (id {part.id[:64]!r}) with arguments that are not a JSON object; "
        "repair them, or leave the call and its result out",
        param=where,
    )
