"""A chat as OpenAI takes it: the client's own bytes, or the normal form written out (vendors.md 1.1, 2026-11-23)."""

from __future__ import annotations

from typing import Any

from gateway import json
from gateway.types import (
    Audio,
    Call,
    Chat,
    File,
    Image,
    Message,
    OutputFormat,
    Part,
    Target,
    Text,
    ToolChoice,
    ToolResult,
    ToolUse,
)

from .options import option
from .responses import CARRIES
from .splice import splice_model


def build(call: Call, target: Target) -> bytes:
    """Return the body of `POST /chat/completions`."""
    assert isinstance(call.body, Chat)
    if not call.is_verbatim:
        return json.dumps(_body(call, call.body, target))
    raw = splice_model(call, target)
    edit = _accent(call.body, raw, target)
    if edit is not None:
        return json.dumps(edit | ({"stream_options": {"include_usage": True}} if asks_for_usage(call, target) else {}))
    if asks_for_usage(call, target):
        raw = json.insert_member(raw, "stream_options", {"include_usage": True})
    return raw


def carried_extra(call: Call) -> frozenset[str]:
    """Return which of the client's further fields go out: all of the same format's, and what means the same in both."""
    assert isinstance(call.body, Chat)
    if call.dialect == "openai.chat":
        return frozenset(call.body.extra)
    return CARRIES if call.dialect == "openai.responses" else frozenset()


def asks_for_usage(call: Call, target: Target) -> bool:
    """Say whether the gateway asks for usage that the client did not ask for, and must then keep from it."""
    assert isinstance(call.body, Chat)
    wanted = call.stream and not call.body.wants_usage and target.provider.options.get("stream_usage", True)
    return bool(wanted) and b'"stream_options"' not in (call.raw or b"")


def refusal(chat: Chat, target: Target) -> str | None:
    """Return what of the chat this endpoint has no place for."""
    parts = [part for message in chat.messages for part in message.parts]
    given = [inner for part in parts if isinstance(part, ToolResult) for inner in part.parts]
    if any(isinstance(part, File) and part.url for part in (*parts, *given)):
        return "takes no file by URL over /chat/completions"
    most = option(target, "max_stop", 4)
    return f"takes at most {most} stop strings" if len(chat.stop) > most else None


def _accent(chat: Chat, raw: bytes, target: Target) -> dict[str, Any] | None:
    """Return the client's own body with the names changed that this vendor has others for; None where there are none.

    The answer is still passed on untouched.
    """
    options = target.provider.options
    field = option(target, "max_tokens_field")
    other = _OTHER_MAX_TOKENS.get(field, "")
    renames = {other: field} if chat.max_output_tokens is not None and other and f'"{other}"'.encode() in raw else {}
    if chat.seed is not None and options.get("seed_field", "seed") != "seed":
        renames["seed"] = options["seed_field"]
    has_developer = options.get("developer_role") == "system" and any(
        message.role == "developer" for message in chat.messages
    )
    is_usage_refused = not options.get("stream_usage", True) and b'"stream_options"' in raw
    if not renames and not has_developer and not is_usage_refused:
        return None
    body: dict[str, Any] = json.loads(raw)
    if is_usage_refused:
        body.pop("stream_options", None)
    if has_developer:
        body["messages"] = [
            message | {"role": "system"} if message.get("role") == "developer" else message
            for message in body["messages"]
        ]
    for old, new in renames.items():
        value = body.pop(old, None)
        if value is not None:
            body.setdefault(new, value)
    return body


_OTHER_MAX_TOKENS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


def _body(call: Call, chat: Chat, target: Target) -> dict[str, Any]:
    role_of_developer = target.provider.options.get("developer_role", "developer")
    body: dict[str, Any] = {
        "model": target.model.name,
        "messages": [message for item in chat.messages for message in _messages(item, role_of_developer)],
        option(target, "max_tokens_field", "max_completion_tokens"): chat.max_output_tokens,
        "temperature": chat.temperature,
        "top_p": chat.top_p,
        "stop": list(chat.stop) or None,
        target.provider.options.get("seed_field", "seed"): chat.seed,
        "n": chat.n if chat.n != 1 else None,
        "frequency_penalty": chat.frequency_penalty,
        "presence_penalty": chat.presence_penalty,
        "logit_bias": chat.logit_bias,
        "logprobs": chat.logprobs,
        "top_logprobs": chat.top_logprobs,
        "tools": [_tool(tool.name, tool.description, tool.parameters, tool.is_strict) for tool in chat.tools] or None,
        "tool_choice": _tool_choice(chat.tool_choice) if chat.tools else None,
        "parallel_tool_calls": chat.parallel_tool_calls if chat.tools else None,
        "response_format": _response_format(chat.output_format),
        "reasoning_effort": chat.reasoning_effort,
        "user": chat.user,
    }
    carries = carried_extra(call)
    body |= {key: value for key, value in chat.extra.items() if key in carries and value is not None}
    if call.stream:
        body["stream"] = True
        if target.provider.options.get("stream_usage", True):
            body["stream_options"] = {"include_usage": True}
    return {key: value for key, value in body.items() if value is not None}


def _messages(message: Message, role_of_developer: str) -> list[dict[str, Any]]:
    """One message, but that each tool result is a message of its own, of text: its images follow as a user's."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    out: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": part.tool_use_id, "content": _text(part.parts)} for part in results
    ]
    shown = [item for part in results for inner in part.parts if (item := _shown(inner)) is not None]
    content = shown + [item for part in message.parts if (item := _part(part)) is not None]
    calls = [
        {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
        for part in message.parts
        if isinstance(part, ToolUse)
    ]
    if not content and not calls and results:
        return out
    role = {"developer": role_of_developer, "tool": "user"}.get(message.role, message.role)
    written: dict[str, Any] = {"role": role, "content": _plain(content) if content or not calls else None}
    if calls:
        written["tool_calls"] = calls
    if message.name and message.role != "tool":
        written["name"] = message.name
    return [*out, written]


def _shown(part: Text | Image | File) -> dict[str, Any] | None:
    """What a tool gave besides text."""
    return None if isinstance(part, Text) else _part(part)


def _plain(content: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A single text is written as a string, which every compatible vendor takes."""
    if not content:
        return ""
    return content[0]["text"] if len(content) == 1 and content[0]["type"] == "text" else content


def _part(part: Part) -> dict[str, Any] | None:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image():
            url = part.url or f"data:{part.media_type};base64,{part.data_b64}"
            return {"type": "image_url", "image_url": {"url": url} | ({"detail": part.detail} if part.detail else {})}
        case Audio(format, data_b64):
            return {"type": "input_audio", "input_audio": {"format": format, "data": data_b64}}
        case File():
            data = f"data:{part.media_type};base64,{part.data_b64}" if part.data_b64 is not None else None
            fields = {"filename": part.filename, "file_data": data, "file_id": part.file_id}
            return {"type": "file", "file": {key: value for key, value in fields.items() if value is not None}}
        case _:
            return None  # tool calls and results stand beside the content; thinking has no place in this format


def _text(parts: tuple[Text | Image | File, ...]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


def _tool(name: str, description: str | None, parameters: Any, is_strict: bool | None) -> dict[str, Any]:
    function = {"name": name, "description": description, "parameters": dict(parameters), "strict": is_strict}
    return {"type": "function", "function": {key: value for key, value in function.items() if value is not None}}


def _tool_choice(choice: ToolChoice | None) -> Any:
    if choice is None:
        return None
    return {"type": "function", "function": {"name": choice.name}} if choice.mode == "tool" else choice.mode


def _response_format(wanted: OutputFormat | None) -> dict[str, Any] | None:
    if wanted is None or wanted.kind == "text":
        return None
    if wanted.kind == "json_object":
        return {"type": "json_object"}
    schema = {
        "name": wanted.name or "answer",
        "schema": wanted.schema,
        "description": wanted.description,
        "strict": wanted.is_strict,
    }
    return {"type": "json_schema", "json_schema": {key: value for key, value in schema.items() if value is not None}}
