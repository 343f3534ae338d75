"""The `contents` of a Gemini request, read into normal form (vendors.md 3, 2026-11-23).

Ids of tool calls are optional in this format: where one lacks it is made up, and a response without one answers the
oldest open call of its name.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

from gateway import json
from gateway.dialects.gemini_proto import Proto
from gateway.types import Audio, File, Image, Message, Part, Role, Text, Thinking, ToolResult, ToolUse

VENDOR = "gemini"  # whose signatures come in by this dialect: see gateway.types.Thinking

_ROLES: dict[str, Role] = {"": "user", "user": "user", "model": "assistant", "function": "user", "tool": "user"}
_AUDIO = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "x-flac": "flac", "x-aiff": "aiff"}
_BESIDES = frozenset({"text", "thought", "thoughtSignature", "inlineData", "fileData", "functionCall"})
_KNOWN = _BESIDES | {"functionResponse", "mediaResolution", "partMetadata"}  # the last two change no meaning


class Contents:
    """Reads one request's messages. `only_verbatim` names what no other vendor could be told."""

    def __init__(self) -> None:
        self.only_verbatim: list[str] = []
        self._open: defaultdict[str, deque[str]] = defaultdict(deque)  # name of a tool -> ids of calls not answered
        self._count = 0

    def read(self, fields: Proto) -> Iterator[Message]:
        """Yield the messages of `contents`. Raises InvalidRequest naming the field."""
        fields.require("contents")
        for content in fields.objects("contents", low=1):
            role = _ROLES[content.string("role", choices=tuple(_ROLES)) or ""]
            parts = tuple(part for item in content.objects("parts") for part in self._parts(item))
            is_answer = bool(parts) and all(isinstance(part, ToolResult) for part in parts)
            yield Message("tool" if is_answer else role, parts)

    def system(self, fields: Proto) -> Iterator[Message]:
        """Yield the system message, where there is one."""
        content = fields.object("systemInstruction")
        if content is not None:
            texts = [part.string("text") or "" for part in content.objects("parts")]
            yield Message("system", tuple(Text(text) for text in texts))

    def _parts(self, part: Proto) -> Iterator[Part]:
        signature = part.string("thoughtSignature")
        text = part.string("text")
        self.only_verbatim += [part.path(key) for key in part.rest(_KNOWN)]
        if part.boolean("thought"):
            yield Thinking(text or "", signature, vendor=VENDOR)
            return
        if signature:
            yield Thinking("", signature, vendor=VENDOR)
        if text or (text is not None and not signature):
            yield Text(text)
        for key in ("inlineData", "fileData", "functionCall", "functionResponse"):
            inner = part.object(key)
            if inner is not None:
                yield self._part(key, inner)

    def _part(self, key: str, inner: Proto) -> Part:
        match key:
            case "inlineData":
                return _inline(inner)
            case "fileData":
                return _linked(inner)
            case "functionCall":
                return self._call(inner)
        return self._response(inner)

    def _call(self, call: Proto) -> ToolUse:
        name = call.required_string("name")
        self._count += 1
        call_id = call.string("id") or f"call_{self._count}"
        self._open[name].append(call_id)
        args = call.object("args")
        return ToolUse(call_id, name, json.dumps(call.raw["args"] if args is not None else {}).decode())

    def _response(self, response: Proto) -> ToolResult:
        name = response.required_string("name")
        waiting = self._open[name]
        call_id = response.string("id") or (waiting[0] if waiting else f"call_{name}")
        if call_id in waiting:
            waiting.remove(call_id)
        response.object("response")
        text, is_error = _said(response.raw.get("response") or {})
        media = [item for part in response.objects("parts") for item in _media(part)]
        kept = tuple(item for item in media if not isinstance(item, Audio))
        return ToolResult(call_id, (*((Text(text),) if text or not kept else ()), *kept), is_error)


def _said(response: dict[str, Any]) -> tuple[str, bool]:
    """Return a tool's answer as text: the usual wrappings, `result`, `output` and `error`, are taken off."""
    if len(response) == 1:
        key, value = next(iter(response.items()))
        if key in ("result", "output", "error"):
            return value if isinstance(value, str) else json.dumps(value).decode(), key == "error"
    return json.dumps(response).decode(), False


def _media(part: Proto) -> Iterator[Image | Audio | File]:
    data, link = part.object("inlineData"), part.object("fileData")
    if data is not None:
        yield _inline(data)
    if link is not None:
        yield _linked(link)


def _inline(blob: Proto) -> Image | Audio | File:
    media_type, data = blob.required_string("mimeType"), blob.base64("data")
    kind, _, subtype = media_type.partition("/")
    if kind == "image":
        return Image(media_type, data)
    if kind == "audio":
        subtype = subtype.partition(";")[0].strip()
        return Audio(_AUDIO.get(subtype, subtype), data)
    return File(blob.string("displayName"), media_type, data)


def _linked(file: Proto) -> Image | File:
    uri, media_type = file.required_string("fileUri"), file.string("mimeType")
    if media_type is not None and media_type.startswith("image/"):
        return Image(media_type, url=uri)
    return File(file.string("displayName"), media_type, url=uri)
