"""The `messages` of an OpenAI chat, read into normal form (vendors.md 1.1, 2026-11-23)."""

from __future__ import annotations

import re

from gateway.dialects.fields import Fields
from gateway.types import Audio, File, Image, Message, Part, Role, Text, ToolResult, ToolUse

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.-]+)*;base64,", re.ASCII)


def read_messages(fields: Fields) -> tuple[Message, ...]:
    """Return the messages. Raises InvalidRequest naming the message and field."""
    fields.require("messages")
    return tuple(_message(item) for item in fields.objects("messages", low=1))


def _message(item: Fields) -> Message:
    item.require("role")
    role = _ROLES[item.string("role", choices=tuple(_ROLES)) or ""]
    name = item.string("name")
    if role == "tool":
        parts = tuple(part for part in _content(item) if isinstance(part, Text))
        return Message(role, (ToolResult(item.required_string("tool_call_id"), parts),), name)
    calls = tuple(_tool_call(call) for call in item.objects("tool_calls")) if role == "assistant" else ()
    if not calls and role != "assistant":
        item.require("content")
    return Message(role, (*_content(item), *calls), name)


def _tool_call(call: Fields) -> ToolUse:
    function = call.object("function") or call.object("custom")
    if function is None:
        raise call.error("function", "is required")
    arguments = function.string("arguments")
    return ToolUse(
        call.required_string("id"),
        function.required_string("name"),
        arguments if arguments is not None else function.string("input") or "",
    )


def _content(item: Fields) -> tuple[Part, ...]:
    content = item.raw.get("content")
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(part) for part in item.objects("content"))


def _part(part: Fields) -> Part:
    part.require("type")
    kind = part.string("type", choices=("text", "image_url", "input_audio", "file", "refusal"))
    if kind in ("text", "refusal"):
        return Text(part.required_string(kind))
    inner = part.object(str(kind))
    if inner is None:
        raise part.error(str(kind), "is required")
    if kind == "image_url":
        return _image(inner)
    if kind == "input_audio":
        return Audio(inner.required_string("format"), inner.required_string("data"))
    media_type, data = _data_url(inner.string("file_data"))
    return File(inner.string("filename"), media_type, data, file_id=inner.string("file_id"))


def _image(inner: Fields) -> Image:
    url = inner.required_string("url")
    media_type, data = _data_url(url)
    detail = inner.string("detail", choices=("auto", "low", "high", "original"))
    if data is not None:
        return Image(media_type, data, detail=detail)
    if not url.startswith(("http://", "https://")):
        raise inner.error("url", "must be an http(s) URL or a data URL with base64")
    return Image(url=url, detail=detail)


def _data_url(url: str | None) -> tuple[str | None, str | None]:
    """Return (media type, base64) of a data URL, else (None, None)."""
    match = _DATA_URL.match(url or "")
    if match is None or url is None:
        return None, None
    return match.group(1) or "application/octet-stream", url[match.end() :]
