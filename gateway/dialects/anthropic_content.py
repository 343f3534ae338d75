"""The messages of an Anthropic chat, read into normal form (vendors.md 2, 2026-11-23).

Markers for the vendor's cache (`cache_control`) have no place there; they reach Anthropic with the client's own bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway import json
from gateway.dialects.anthropic_thoughts import read_redacted, read_thinking
from gateway.dialects.fields import Fields
from gateway.types import File, Image, Message, Part, Role, Text, Thinking, ToolResult, ToolUse

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


@dataclass(slots=True)
class Content:
    """Reads messages; `untranslatable` gathers the fields that hold what only Anthropic itself understands."""

    untranslatable: list[str] = field(default_factory=list)

    def messages(self, fields: Fields) -> tuple[Message, ...]:
        """Return the system prompt and the messages. Raises InvalidRequest naming the message and field."""
        fields.require("messages")
        found: list[Message] = []
        system = self._texts(fields, "system")
        if system:
            found.append(Message("system", system))
        for item in fields.objects("messages", low=1):
            found += self._message(item)
        return tuple(found)

    def _message(self, item: Fields) -> list[Message]:
        """Tool results become messages of their own, as everywhere else."""
        item.require("role")
        item.require("content")
        role = _ROLES[item.string("role", choices=tuple(_ROLES)) or ""]
        if role == "system":
            return [Message(role, self._texts(item, "content"))]
        parts = self._parts(item, "content")
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        rest = tuple(part for part in parts if not isinstance(part, ToolResult))
        found = [Message("tool", (result,)) for result in results]
        return [*found, Message(role, rest)] if rest or not found else found

    def _texts(self, fields: Fields, key: str) -> tuple[Text, ...]:
        if isinstance(fields.raw.get(key), str):
            return (Text(fields.raw[key]),)
        texts = []
        for block in fields.objects(key):
            block.string("type", choices=("text",))
            texts.append(Text(block.required_string("text")))
        return tuple(texts)

    def _parts(self, fields: Fields, key: str) -> tuple[Part, ...]:
        if isinstance(fields.raw.get(key), str):
            return (Text(fields.raw[key]),)
        found = (self._part(block) for block in fields.objects(key))
        return tuple(part for part in found if part is not None)

    def _part(self, block: Fields) -> Part | None:
        block.require("type")
        match block.string("type"):
            case "text":
                return Text(block.required_string("text"))
            case "image":
                return self._image(block)
            case "document":
                return self._document(block)
            case "tool_use":
                return _tool_use(block)
            case "tool_result":
                return self._tool_result(block)
            case "thinking" | "redacted_thinking":
                return _thinking(block)
            case _:
                return self._only_here(block)

    def _image(self, block: Fields) -> Image | None:
        source = _source(block)
        match source.string("type", choices=("base64", "url", "file")):
            case "base64":
                media_type = source.string("media_type", choices=_IMAGE_TYPES)
                source.require("media_type")
                return Image(media_type, source.required_string("data"))
            case "url":
                return Image(url=_url(source))
            case _:
                self._only_here(block)  # a file of the vendor's own store
                return None

    def _document(self, block: Fields) -> Part | None:
        source = _source(block)
        title = block.string("title")
        citations = block.object("citations")
        if citations is not None and citations.boolean("enabled"):
            return self._only_here(block)
        match source.string("type", choices=("base64", "text", "url", "content", "file")):
            case "base64":
                return File(title, source.string("media_type") or "application/pdf", source.required_string("data"))
            case "url":
                return File(title, "application/pdf", url=_url(source))
            case "text":
                text = source.required_string("data")
                return Text(f"{title}\n\n{text}" if title else text)
            case "file":
                self._only_here(block)
                return File(title, file_id=source.required_string("file_id"))
            case _:
                return self._only_here(block)

    def _tool_result(self, block: Fields) -> ToolResult:
        parts = self._parts(block, "content") if block.raw.get("content") is not None else ()
        kept = tuple(part for part in parts if isinstance(part, Text | Image | File))
        return ToolResult(block.required_string("tool_use_id"), kept, block.boolean("is_error") or False)

    def _only_here(self, block: Fields) -> Part | None:
        """Note that a translation would lose this block, which the client's own bytes keep."""
        self.untranslatable.append(block.path("type").removesuffix(".type"))
        return None


def _tool_use(block: Fields) -> ToolUse:
    block.require("input")
    arguments = block.object("input")
    assert arguments is not None
    return ToolUse(block.required_string("id"), block.required_string("name"), json.dumps(arguments.raw).decode())


def _thinking(block: Fields) -> Thinking:
    if block.raw["type"] == "redacted_thinking":
        return read_redacted(block.required_string("data"))
    text = block.string("thinking")
    return read_thinking(text or "", block.string("signature") or "")


def _source(block: Fields) -> Fields:
    source = block.object("source")
    if source is None:
        raise block.error("source", "is required")
    source.require("type")
    return source


def _url(source: Fields) -> str:
    url = source.required_string("url")
    if not url.startswith(("http://", "https://")):
        raise source.error("url", "must be an http(s) URL")
    return url
