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
_CHOICES = tuple(_ROLES)
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.-]+)*;base64,", re.ASCII)


def read_messages(fields: Fields) -> tuple[Message, ...]:
    """Return the messages. Raises InvalidRequest naming the message and field."""
    fields.require("messages")
    calls = _LegacyCalls()
    return tuple(_message(item, calls) for item in fields.objects("messages", low=1))


def custom_calls(fields: Fields) -> list[str]:
    """Return the places, in messages that were read, of calls of custom tools: they have no normal form."""
    return [
        f"messages[{index}].tool_calls[{place}]"
        for index, message in enumerate(fields.raw["messages"])
        if message.get("role") == "assistant"
        for place, call in enumerate(message.get("tool_calls") or ())
        if call.get("type") == "custom"
    ]


class _LegacyCalls:
    """Gives the calls of legacy functions ids: a function's answer names the function, and means its last call."""

    def __init__(self) -> None:
        self._count = 0
        self._last: dict[str, str] = {}

    def new(self, name: str) -> str:
        self._count += 1
        self._last[name] = f"call_legacy{self._count}"
        return self._last[name]

    def answered(self, name: str) -> str:
        return self._last.get(name) or self.new(name)


def _message(item: Fields, legacy: _LegacyCalls) -> Message:
    item.require("role")
    if item.raw["role"] == "function":
        called = legacy.answered(item.required_string("name"))
        parts = tuple(part for part in _content(item) if isinstance(part, Text))
        return Message("tool", (ToolResult(called, parts),))
    role = _ROLES[item.string("role", choices=_CHOICES) or ""]
    name = item.string("name")
    if role == "tool":
        parts = tuple(part for part in _content(item) if isinstance(part, Text))
        return Message(role, (ToolResult(item.required_string("tool_call_id"), parts),), name)
    if role != "assistant":
        item.require("content")
        return Message(role, _content(item), name)
    calls = tuple(_tool_call(call) for call in item.objects("tool_calls"))
    function = item.object("function_call")
    if function is not None:
        called = legacy.new(function.required_string("name"))
        calls = (*calls, ToolUse(called, function.raw["name"], function.string("arguments") or ""))
    refusal = item.string("refusal") if item.raw.get("content") is None else None
    return Message(role, (*_content(item), *((Text(refusal),) if refusal else ()), *calls), name)


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
    media_type, data = read_data_url(inner.string("file_data"))
    return File(inner.string("filename"), media_type, data, file_id=inner.string("file_id"))


def _image(inner: Fields) -> Image:
    url = inner.required_string("url")
    media_type, data = read_data_url(url)
    detail = inner.string("detail", choices=("auto", "low", "high", "original"))
    if data is not None:
        return Image(media_type, data, detail=detail)
    if not url.startswith(("http://", "https://")):
        raise inner.error("url", "must be an http(s) URL or a data URL with base64")
    return Image(url=url, detail=detail)


def read_data_url(url: str | None) -> tuple[str | None, str | None]:
    """Return (media type, base64) of a data URL, else (None, None)."""
    match = _DATA_URL.match(url or "")
    if match is None or url is None:
        return None, None
    return match.group(1) or "application/octet-stream", url[match.end() :]
