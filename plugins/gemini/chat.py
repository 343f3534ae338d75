"""A chat as Gemini takes it: the client's own bytes, or the normal form written out (vendors.md 3.1, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import json
from gateway.errors import UnsupportedByTarget
from gateway.types import Call, Chat, Target, Tool, ToolChoice

from .contents import system_parts, write_contents
from .names import generation, resource
from .settings import generation_config
from .splice import splice_model

DIALECTS = frozenset({"gemini.generate", "gemini.stream"})  # of clients that speak this same format

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}


def build(call: Call, target: Target) -> bytes:
    """Return the body of `:generateContent` and `:streamGenerateContent`, which the path tells apart."""
    assert isinstance(call.body, Chat)
    if call.is_verbatim:
        return splice_model(call.raw or b"", resource(target), depth=1)
    body = write_chat(call.body, target)
    if call.dialect in DIALECTS:
        body = _with_extra(body, call.body.extra)
    return json.dumps(body)


def write_chat(chat: Chat, target: Target) -> dict[str, Any]:
    """Return the request as a value. Raises UnsupportedByTarget."""
    system = system_parts(chat.messages)
    contents = write_contents(chat.messages, generation(target))
    if not contents:  # at least one turn is needed: a lone system message is then what the user says
        contents, system = [{"role": "user", "parts": system}], []
        if not contents[0]["parts"]:
            raise UnsupportedByTarget("the messages hold no text, and Gemini answers nothing empty", param="messages")
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    if chat.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in chat.tools]}]
        if chat.tool_choice is not None:
            body["toolConfig"] = {"functionCallingConfig": _calling(chat.tool_choice)}
    config = generation_config(chat, target)
    return body | ({"generationConfig": config} if config else {})


def _declaration(tool: Tool) -> dict[str, Any]:
    """`parametersJsonSchema` takes any JSON Schema, where `parameters` takes Google's own subset."""
    described = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described, "parametersJsonSchema": dict(tool.parameters)}


def _calling(choice: ToolChoice) -> dict[str, Any]:
    config: dict[str, Any] = {"mode": _MODES[choice.mode]}
    if choice.mode == "tool":
        config["allowedFunctionNames"] = [choice.name]
    return config


def _with_extra(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Put back what a client of this same format said beyond the normal form; its lists and objects are completed."""
    merged = dict(body)
    for key, value in extra.items():
        ours = merged.get(key)
        if isinstance(ours, dict) and isinstance(value, dict):
            merged[key] = _with_extra(ours, value)
        elif isinstance(ours, list) and isinstance(value, list):
            merged[key] = [*ours, *value]
        elif ours is None:
            merged[key] = value
    return merged
