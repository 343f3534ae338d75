"""A chat as Anthropic takes it: the client's own bytes, or the normal form written out (vendors.md 2.1, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import json
from gateway.types import Call, Chat, Target, Tool

from . import turns
from .options import takes_sampling, takes_system_turns
from .schema import conform
from .thinking import Plan, plan

# Fields of other dialects' own that are written out under Anthropic's names.
CARRIED: Mapping[str, frozenset[str]] = {"openai.chat": frozenset({"safety_identifier"})}
NOT_COUNTED = ("max_tokens", "stream", "stop_sequences", "metadata", "temperature", "top_p", "top_k")


def build(call: Call, target: Target) -> bytes:
    """Return the body of `POST /messages`, or of `POST /messages/count_tokens`."""
    if call.is_verbatim:
        return _spliced(call, target)
    assert isinstance(call.body, Chat)
    body = _body(call, call.body, target)
    if call.operation == "tokens":
        body = {key: value for key, value in body.items() if key not in NOT_COUNTED}
    return json.dumps(body)


def _spliced(call: Call, target: Target) -> bytes:
    """The client's bytes with the target's model; where the client named none, it is added."""
    return json.set_string(call.raw or b"", "model", target.model.name)


def _body(call: Call, chat: Chat, target: Target) -> dict[str, Any]:
    planned = plan(call, chat, target)
    said = turns.read(chat, takes_system_turns=takes_system_turns(target))
    body: dict[str, Any] = {
        "model": target.model.name,
        "max_tokens": planned.max_tokens,
        "system": said.system,
        "messages": said.messages,
        "tools": [_tool(tool, index) for index, tool in enumerate(chat.tools)] or None,
        "tool_choice": _tool_choice(chat),
        "stop_sequences": [stop for stop in chat.stop if stop.strip()] or None,
        "thinking": dict(planned.thinking) or None,
        "output_config": _output_config(chat, planned),
        "metadata": _metadata(call, chat),
        "stream": True if call.stream else None,
    }
    if takes_sampling(target):
        body["temperature"] = min(chat.temperature, 1.0) if chat.temperature is not None else None
        body |= {"top_p": chat.top_p, "top_k": chat.top_k}
    if call.dialect.startswith("anthropic."):
        own = {key: value for key, value in chat.extra.items() if key != "thinking"}
        own["output_config"] = (own.get("output_config") or {}) | (body["output_config"] or {}) or None
        body |= own
    return {key: value for key, value in body.items() if value is not None}


def _tool(tool: Tool, index: int) -> dict[str, Any]:
    schema = dict(tool.parameters)
    if tool.is_strict:
        schema = conform(schema, f"tools[{index}].function.parameters")
    written: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "input_schema": {"type": "object"} | schema,
    }
    if tool.is_strict is not None:
        written["strict"] = tool.is_strict
    return {key: value for key, value in written.items() if value is not None}


def _tool_choice(chat: Chat) -> dict[str, Any] | None:
    """`parallel_tool_calls` lives in here, and needs a choice to live in; there is nothing to forbid where none may."""
    choice = chat.tool_choice
    if not chat.tools:
        return None
    mode = choice.mode if choice is not None else "auto"
    if mode == "none":
        return {"type": "none"}
    written: dict[str, Any] = {"type": {"auto": "auto", "required": "any", "tool": "tool"}[mode]}
    if choice is not None and mode == "tool":
        written["name"] = choice.name
    if chat.parallel_tool_calls is False:
        written["disable_parallel_tool_use"] = True
    return written if choice is not None or chat.parallel_tool_calls is False else None


def _output_config(chat: Chat, planned: Plan) -> dict[str, Any] | None:
    config: dict[str, Any] = {"effort": planned.effort} if planned.effort is not None else {}
    wanted = chat.output_format
    if wanted is not None and wanted.kind == "json_schema":
        schema = dict(wanted.schema or {})
        if wanted.description and "description" not in schema:
            schema["description"] = wanted.description  # the format has no place of its own for it
        config["format"] = {"type": "json_schema", "schema": conform(schema, "response_format")}
    return config or None


def _metadata(call: Call, chat: Chat) -> dict[str, Any] | None:
    user = chat.user
    if user is None and call.dialect == "openai.chat":
        user = chat.extra.get("safety_identifier")
    return {"user_id": user} if user else None
