"""Messages as Gemini's `contents` (vendors.md 3 and 3.1, 2026-11-23).

Two roles take turns; tool results are the user's; a system message stands beside the contents, not in them.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from gateway import json
from gateway.errors import UnsupportedByTarget
from gateway.types import Audio, File, Image, Message, Part, Text, Thinking, ToolResult, ToolUse

from .names import VENDOR

Content = dict[str, Any]

# Documented for history that comes from elsewhere (ai.google.dev, "Thought signatures"): the check lets it pass.
UNSIGNED = "skip_thought_signature_validator"


def system_parts(messages: Iterable[Message]) -> list[Content]:
    """Return the texts of all system and developer messages, wherever they stand."""
    parts = [part for message in messages if _is_system(message) for part in message.parts]
    return [{"text": part.text} for part in parts if isinstance(part, Text) and part.text]


def write_contents(messages: Sequence[Message], generation: int) -> list[Content]:
    """Return the turns of a chat. Raises UnsupportedByTarget for what has no form here."""
    names: dict[str, str] = {}
    contents: list[Content] = []
    for message in messages:
        names |= {part.id: part.name for part in message.parts if isinstance(part, ToolUse)}
        role = "model" if message.role == "assistant" else "user"
        parts = _model_parts(message.parts) if role == "model" else _user_parts(message, names, generation)
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    for content in contents:
        if content["role"] == "user":  # responses come right after the calls, before what else the user says
            content["parts"].sort(key=lambda part: "functionResponse" not in part)
    if generation >= 3:
        _sign_current_turn(contents)
    return contents


def is_signed(messages: Sequence[Message]) -> bool:
    """Say whether the first call of each step since the user last said something carries a signature of Gemini's."""
    for message in reversed(messages):
        if message.role != "assistant":
            if any(not isinstance(part, ToolResult) for part in message.parts):
                return True
            continue
        place = next((at for at, part in enumerate(message.parts) if isinstance(part, ToolUse)), None)
        before = message.parts[place - 1] if place else None
        if place is not None and not (isinstance(before, Thinking) and before.vendor == VENDOR and before.signature):
            return False
    return True


def _is_system(message: Message) -> bool:
    return message.role in ("system", "developer")


# ---------------------------------------------------------------- the model's turns


def _model_parts(parts: Sequence[Part]) -> list[Content]:
    """A signature goes on the part that follows its Thinking; where none follows, it keeps a part of its own."""
    kept = [
        part for part in parts if not isinstance(part, Thinking) or (part.vendor == VENDOR and not part.is_redacted)
    ]
    written: list[Content] = []
    signature: str | None = None
    for part, following in zip_longest(kept, kept[1:]):
        if isinstance(part, Thinking):
            is_next = following is not None and not isinstance(following, Thinking)
            signature = part.signature if is_next else None
            if part.text or (part.signature and not is_next):
                thought: Content = {"text": part.text} | ({"thought": True} if part.text else {})
                written.append(
                    thought | ({} if is_next or not part.signature else {"thoughtSignature": part.signature})
                )
            continue
        if isinstance(part, Text) and not part.text and not signature:
            continue  # an empty part is refused, unless it carries a signature
        written.append(_part(part) | ({"thoughtSignature": signature} if signature else {}))
        signature = None
    return written


def _sign_current_turn(contents: Sequence[Content]) -> None:
    """Let the first call of each step since the user last said something carry a signature, as Gemini 3 demands."""
    for content in reversed(contents):
        if content["role"] == "user":
            if any("functionResponse" not in part for part in content["parts"]):
                return
            continue
        call = next((part for part in content["parts"] if "functionCall" in part), None)
        if call is not None:
            call.setdefault("thoughtSignature", UNSIGNED)


# ---------------------------------------------------------------- the user's turns


def _user_parts(message: Message, names: dict[str, str], generation: int) -> list[Content]:
    written: list[Content] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            written += _result(part, names, generation)
        elif isinstance(part, Text):
            if part.text and not _is_system(message):
                written.append({"text": part.text})
        elif not isinstance(part, Thinking):
            written.append(_part(part))
    return written


def _result(result: ToolResult, names: dict[str, str], generation: int) -> list[Content]:
    """The response must be an object: a text is wrapped, unless it is one.

    Media stand beside it; from Gemini 3 on those sent as data go inside, where they are known to be the tool's.
    """
    name = names.get(result.tool_use_id)
    if name is None:
        raise UnsupportedByTarget(
            f"the tool result {result.tool_use_id[:60]!r} answers no tool call before it; Gemini needs the call's name",
            param="messages",
        )
    text = "".join(part.text for part in result.parts if isinstance(part, Text))
    media = [_part(part) for part in result.parts if not isinstance(part, Text)]
    response: Content = {"id": result.tool_use_id, "name": name, "response": _response(text, result.is_error)}
    inside = [part for part in media if generation >= 3 and "inlineData" in part]
    if inside:
        response["parts"] = inside
    return [{"functionResponse": response}, *(part for part in media if part not in inside)]


def _response(text: str, is_error: bool) -> Content:
    if is_error:
        return {"error": text}
    if text.lstrip().startswith("{"):
        try:
            value = json.loads(text)
        except ValueError:
            return {"result": text}
        if isinstance(value, dict):
            return value
    return {"result": text}


# ---------------------------------------------------------------- parts


def _part(part: Part) -> Content:
    match part:
        case Text(text):
            return {"text": text}
        case ToolUse():
            return {"functionCall": {"id": part.id, "name": part.name, "args": _arguments(part)}}
        case Image():
            return _media(part.media_type, part.data_b64, part.url, "image/jpeg")
        case Audio(format, data_b64):
            return {"inlineData": {"mimeType": f"audio/{format}", "data": data_b64}}
        case File():
            return _file(part)
        case _:
            raise UnsupportedByTarget(f"a {type(part).__name__} has no place here in a message for Gemini")


def _arguments(call: ToolUse) -> Content:
    try:
        value = json.loads(call.arguments or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UnsupportedByTarget(
            f"the arguments of tool call {call.id[:60]!r} ({call.name[:60]}) are not a JSON object, which Gemini needs",
            param="messages",
        )
    return value


def _file(file: File) -> Content:
    if file.file_id is None:
        return _media(file.media_type, file.data_b64, file.url, _guessed(file.filename) or "application/pdf")
    if not file.file_id.startswith("https://"):
        raise UnsupportedByTarget(
            f"Gemini does not know the file {file.file_id[:60]!r}; send its URI at Google or the file itself",
            param="messages",
        )
    return _media(file.media_type, None, file.file_id, None)


def _media(media_type: str | None, data_b64: str | None, url: str | None, default: str | None) -> Content:
    """Data inline, a URL for Google to fetch: public and signed https URLs, and those of its own file store."""
    if url is None:
        return {"inlineData": {"mimeType": media_type or default, "data": data_b64 or ""}}
    kind = media_type or _guessed(url.partition("?")[0])
    return {"fileData": {"fileUri": url} | ({"mimeType": kind} if kind else {})}


def _guessed(name: str | None) -> str | None:
    return mimetypes.guess_type(name)[0] if name else None
