"""The `input` of an OpenAI response, items of many types, read into messages (vendors.md 1.2, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.dialects.fields import Fields
from gateway.dialects.openai_chat_messages import read_data_url
from gateway.dialects.openai_responses_seal import unseal
from gateway.types import File, Image, Message, Part, Role, Text, Thinking, ToolResult, ToolUse

_ROLES: dict[str, Role] = {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant"}


@dataclass(slots=True)
class Input:
    """What was read. `only_verbatim` names the items that have no normal form: those of the vendor's own tools."""

    messages: list[Message] = field(default_factory=list)
    only_verbatim: list[str] = field(default_factory=list)

    def say(self, *parts: Part) -> None:
        """Add to what the assistant said: its items follow each other, and are one message in normal form."""
        last = self.messages[-1] if self.messages else None
        if last is not None and last.role == "assistant":
            self.messages[-1] = Message("assistant", (*last.parts, *parts))
        else:
            self.messages.append(Message("assistant", parts))


def read_input(fields: Fields) -> Input:
    """Return the input as messages. Raises InvalidRequest naming the item and its field."""
    read = Input()
    instructions = fields.string("instructions")
    if instructions:
        read.messages.append(Message("system", (Text(instructions),)))
    value = fields.raw.get("input")
    if isinstance(value, str):
        read.messages.append(Message("user", (Text(value),)))
        return read
    if value is None:
        if any(fields.raw.get(name) is not None for name in ("previous_response_id", "conversation", "prompt")):
            return read
        raise fields.error("input", "is required")
    for index, item in enumerate(fields.objects("input", low=1)):
        _read(item, f"input[{index}]", read)
    return read


def _read(item: Fields, path: str, read: Input) -> None:
    match item.string("type") or "message":
        case "message":
            _message(item, path, read)
        case "function_call":
            called = item.required_string("call_id")
            read.say(ToolUse(called, item.required_string("name"), item.string("arguments") or ""))
        case "function_call_output":
            parts = tuple(
                part for part in _content(item, "output", path, read) if isinstance(part, Text | Image | File)
            )
            read.messages.append(Message("tool", (ToolResult(item.required_string("call_id"), parts),)))
        case "reasoning":
            thinking = _reasoning(item)
            if thinking is not None:
                read.say(thinking)
        case _:
            read.only_verbatim.append(path)


def _message(item: Fields, path: str, read: Input) -> None:
    item.require("role")
    role = _ROLES[item.string("role", choices=tuple(_ROLES)) or ""]
    parts = tuple(_content(item, "content", path, read))
    if role == "assistant":
        read.say(*parts)
    else:
        read.messages.append(Message(role, parts))


def _content(item: Fields, key: str, path: str, read: Input) -> Iterator[Part]:
    if isinstance(item.raw.get(key), str):
        yield Text(item.raw[key])
        return
    item.require(key)
    for index, part in enumerate(item.objects(key)):
        kind = part.string("type", choices=("input_text", "output_text", "refusal", "input_image", "input_file"))
        match kind:
            case "input_image" if part.raw.get("file_id") is None:
                yield _image(part)
            case "input_image":
                read.only_verbatim.append(f"{path}.{key}[{index}].file_id")
            case "input_file":
                media_type, data = read_data_url(part.string("file_data"))
                name, url = part.string("filename"), part.string("file_url")
                yield File(name, media_type, data, url, file_id=part.string("file_id"))
            case "refusal":
                yield Text(part.required_string("refusal"))
            case _:
                part.require("text")
                yield Text(part.string("text") or "")


def _image(part: Fields) -> Image:
    url = part.required_string("image_url")
    detail = part.string("detail", choices=("auto", "low", "high", "original"))
    media_type, data = read_data_url(url)
    if data is not None:
        return Image(media_type, data, detail=detail)
    if not url.startswith(("http://", "https://")):
        raise part.error("image_url", "must be an http(s) URL or a data URL with base64")
    return Image(url=url, detail=detail)


def _reasoning(item: Fields) -> Thinking | None:
    """Reasoning that nobody sealed was for people to read: no vendor takes it back."""
    sealed = item.string("encrypted_content")
    if not sealed:
        return None
    summary = "\n\n".join(part.required_string("text") for part in item.objects("summary"))
    return unseal(sealed, item.string("id") or "", summary)
