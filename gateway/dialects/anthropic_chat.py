"""The body of an Anthropic request as a chat in normal form (vendors.md 2, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.anthropic_content import Content
from gateway.dialects.fields import Fields
from gateway.types import Chat, OutputFormat, Tool, ToolChoice

_KNOWN = frozenset(
    {
        "model", "messages", "system", "stream", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences",
        "tools", "tool_choice", "metadata", "thinking", "output_config",
    }
)  # fmt: skip
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
# What these ask for happens at Anthropic, so that an answer without it would be another one.
_ONLY_THERE = ("container", "mcp_servers")


def read_chat(fields: Fields, *, max_tokens: int | None) -> Chat:
    """Return the chat. Raises InvalidRequest naming the field."""
    content = Content()
    messages = content.messages(fields)
    tools = _tools(fields, content.untranslatable)
    tool_choice, parallel = _tool_choice(fields)
    config = fields.object("output_config") or Fields({})
    thinking = _thinking(fields)
    effort = config.string("effort", choices=_EFFORTS)
    budget = {"enabled": thinking.get("budget_tokens"), "disabled": 0}.get(str(thinking.get("type")))
    if effort is None and budget == 0:
        effort, budget = "none", None  # which more vendors understand
    content.untranslatable += [name for name in _ONLY_THERE if fields.raw.get(name) is not None]
    if max_tokens == 0:
        content.untranslatable.append("max_tokens")  # 0 fills the vendor's cache and asks for no answer
    return Chat(
        messages=messages,
        max_output_tokens=max_tokens,
        temperature=fields.number("temperature", 0, 1),
        top_p=fields.number("top_p", 0, 1),
        top_k=fields.integer("top_k", 0),
        stop=fields.strings("stop_sequences"),
        tools=tools,
        tool_choice=tool_choice,
        parallel_tool_calls=parallel,
        output_format=_output_format(config),
        reasoning_effort=effort,
        thinking_budget_tokens=budget,
        user=_user(fields),
        extra=_extra(fields, config, thinking),
        only_verbatim=tuple(dict.fromkeys(content.untranslatable)),
    )


def _tools(fields: Fields, untranslatable: list[str]) -> tuple[Tool, ...]:
    tools = []
    for index, item in enumerate(fields.objects("tools")):
        if item.string("type") not in (None, "custom"):
            untranslatable.append(f"tools[{index}]")  # one that the vendor runs, or has trained the model on
            continue
        schema = item.object("input_schema")
        if schema is None:
            raise item.error("input_schema", "is required")
        tools.append(
            Tool(item.required_string("name"), item.string("description"), schema.raw, is_strict=item.boolean("strict"))
        )
    return tuple(tools)


def _tool_choice(fields: Fields) -> tuple[ToolChoice | None, bool | None]:
    """Return the choice, and False where tools may not be called in parallel."""
    choice = fields.object("tool_choice")
    if choice is None:
        return None, None
    choice.require("type")
    parallel = False if choice.boolean("disable_parallel_tool_use") else None
    match choice.string("type", choices=("auto", "any", "tool", "none")):
        case "any":
            return ToolChoice("required"), parallel
        case "tool":
            return ToolChoice("tool", choice.required_string("name")), parallel
        case "none":
            return ToolChoice("none"), parallel
        case _:
            return ToolChoice("auto"), parallel


def _thinking(fields: Fields) -> Mapping[str, Any]:
    thinking = fields.object("thinking")
    if thinking is None:
        return {}
    thinking.require("type")
    if thinking.string("type", choices=("enabled", "disabled", "adaptive", "between_tools")) == "enabled":
        thinking.require("budget_tokens")
        thinking.integer("budget_tokens", 1024)
    return thinking.raw


def _output_format(config: Fields) -> OutputFormat | None:
    wanted = config.object("format")
    if wanted is None:
        return None
    wanted.string("type", choices=("json_schema",))
    schema = wanted.object("schema")
    if schema is None:
        raise wanted.error("schema", "is required")
    return OutputFormat("json_schema", schema=schema.raw, is_strict=True if _is_closed(schema.raw) else None)


def _is_closed(schema: Any) -> bool:
    """Say whether a strict vendor can take the schema: every object is closed and needs all that it names."""
    if isinstance(schema, list):
        return all(_is_closed(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        is_open = schema.get("additionalProperties") is not False
        if is_open or set(schema.get("required") or ()) != set(schema.get("properties") or ()):
            return False
    return all(_is_closed(child) for child in schema.values())


def _user(fields: Fields) -> str | None:
    metadata = fields.object("metadata")
    return metadata.string("user_id") if metadata is not None else None


def _extra(fields: Fields, config: Fields, thinking: Mapping[str, Any]) -> dict[str, Any]:
    """What has no place in the normal form; of `thinking`, what says more than a budget or that there is none."""
    extra = fields.rest(_KNOWN)
    if thinking.get("type") in ("adaptive", "between_tools") or thinking.keys() - {"type", "budget_tokens"}:
        extra["thinking"] = dict(thinking)
    if rest := config.rest(frozenset({"effort", "format"})):
        extra["output_config"] = rest
    return extra
