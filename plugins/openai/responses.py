"""A chat as `POST /responses` takes it (vendors.md 1.2, 2026-11-23): the client's own bytes, or the normal form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway import json
from gateway.errors import InvalidRequest
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
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)

from .options import is_reasoning
from .splice import splice_model

# What this endpoint has no field for, and /chat/completions does.
LACKS = frozenset({"stop", "seed", "n", "frequency_penalty", "presence_penalty", "logit_bias"})
# Fields of a chat completion that mean the same here.
CARRIES = frozenset(
    {
        "metadata",
        "service_tier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "verbosity",
        "store",
    }
)
VENDOR = "openai"  # whose thinking may be sent back here: what this plugin writes into `Thinking.vendor`
_ENCRYPTED = "reasoning.encrypted_content"


def build(call: Call, target: Target) -> bytes:
    """Return the body of `POST /responses`. Nothing is left with the vendor that the client did not ask to leave."""
    assert isinstance(call.body, Chat)
    if call.is_verbatim:
        return splice_model(call, target)
    chat = call.body
    body: dict[str, Any] = {
        "model": target.model.name,
        "input": [item for message in chat.messages for item in _items(message)],
        "max_output_tokens": chat.max_output_tokens,
        "temperature": chat.temperature,
        "top_p": chat.top_p,
        "tools": [_tool(tool) for tool in chat.tools] or None,
        "tool_choice": _tool_choice(chat.tool_choice) if chat.tools else None,
        "parallel_tool_calls": chat.parallel_tool_calls if chat.tools else None,
        "reasoning": {"effort": chat.reasoning_effort} if chat.reasoning_effort is not None else None,
        "user": chat.user,
        "stream": True if call.stream else None,
    }
    body = {key: value for key, value in body.items() if value is not None}
    _add_extra(body, call, chat)
    text = {"format": _format(chat.output_format), "verbosity": body.pop("verbosity", None)}
    if any(text.values()):
        body["text"] = {key: value for key, value in text.items() if value is not None}
    body["store"] = bool(body.get("store", False))
    if not body["store"] and is_reasoning(target.model, chat.reasoning_effort):
        body["include"] = sorted({*(body.get("include") or ()), _ENCRYPTED})  # or the next turn could not hand it back
    return json.dumps(body)


def refusal(chat: Chat) -> str | None:
    """Return what of the chat this endpoint cannot take as input."""
    if any(isinstance(part, Audio) for message in chat.messages for part in message.parts):
        return "takes no audio input over /responses"
    return None


def carried_extra(call: Call) -> frozenset[str]:
    """Return which of the client's further fields go out: all of the same format's, and what means the same in both."""
    assert isinstance(call.body, Chat)
    if call.dialect == "openai.responses":
        return frozenset(call.body.extra)
    return CARRIES if call.dialect == "openai.chat" else frozenset()


def _add_extra(body: dict[str, Any], call: Call, chat: Chat) -> None:
    carries = carried_extra(call)
    extra = {key: value for key, value in chat.extra.items() if value is not None and key in carries}
    if "reasoning" in extra:
        body["reasoning"] = {**extra.pop("reasoning"), **body.get("reasoning", {})}
    body |= extra


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """One message as items: text, images and files together in order, tool calls and results each by itself."""
    content: list[dict[str, Any]] = []
    for part in message.parts:
        item = _item(part)
        if item is None:
            content += _content(part, message.role == "assistant")
            continue
        if content:
            yield _message(message, content)
            content = []
        yield item
    if content or not message.parts:
        yield _message(message, content)


def _message(message: Message, content: list[dict[str, Any]]) -> dict[str, Any]:
    """What the assistant said stands as a text: parts of an answer would need the ids that the vendor gave them."""
    if message.role == "assistant" or all(item["type"] == "input_text" for item in content):
        return {"type": "message", "role": _role(message), "content": "".join(item["text"] for item in content)}
    return {"type": "message", "role": _role(message), "content": content}


def _role(message: Message) -> str:
    return "user" if message.role == "tool" else message.role


def _item(part: Part) -> dict[str, Any] | None:
    match part:
        case ToolUse(id, name, arguments):
            return {"type": "function_call", "call_id": id, "name": name, "arguments": arguments}
        case ToolResult(tool_use_id, parts):
            return {"type": "function_call_output", "call_id": tool_use_id, "output": _output(parts)}
        case Thinking(vendor=vendor, signature=str(signature)) if vendor == VENDOR:
            return _reasoning(part, signature)
        case _:
            return None


def _output(parts: tuple[Text | Image | File, ...]) -> str | list[dict[str, Any]]:
    if all(isinstance(part, Text) for part in parts):
        return "".join(part.text for part in parts if isinstance(part, Text))
    return [item for part in parts for item in _content(part, is_said=False)]


def _content(part: Part, is_said: bool) -> list[dict[str, Any]]:
    match part:
        case Text(text):
            return [{"type": "input_text", "text": text}]
        case Image() if not is_said:
            url = part.url or f"data:{part.media_type};base64,{part.data_b64}"
            return [{"type": "input_image", "image_url": url, "detail": part.detail or "auto"}]
        case File() if not is_said:
            data = f"data:{part.media_type};base64,{part.data_b64}" if part.data_b64 is not None else None
            fields = {"filename": part.filename, "file_data": data, "file_id": part.file_id, "file_url": part.url}
            return [{"type": "input_file"} | {key: value for key, value in fields.items() if value is not None}]
        case _:
            return []  # thinking of another vendor is of no use here


def _reasoning(part: Thinking, signature: str) -> dict[str, Any]:
    try:
        sealed = json.loads(signature)
        item = {"id": sealed["id"], "encrypted_content": sealed["encrypted_content"]}
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidRequest("a signature of reasoning that came back is not the one that was given") from error
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    return {"type": "reasoning", "summary": summary} | item


def _tool(tool: Tool) -> dict[str, Any]:
    """Tools stand flat here; `parameters` and `strict` are required, and strict is off where nobody asked for it."""
    described = {"description": tool.description} if tool.description is not None else {}
    fixed = {"type": "function", "name": tool.name, "parameters": dict(tool.parameters)}
    return fixed | {"strict": bool(tool.is_strict)} | described


def _tool_choice(choice: ToolChoice | None) -> Any:
    if choice is None:
        return None
    return {"type": "function", "name": choice.name} if choice.mode == "tool" else choice.mode


def _format(wanted: OutputFormat | None) -> dict[str, Any] | None:
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
    return {"type": "json_schema"} | {key: value for key, value in schema.items() if value is not None}
