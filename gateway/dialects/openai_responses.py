"""OpenAI responses: what a client sends to `POST /v1/responses` and reads from it.

Wire format: vendors.md 1.2, read from the official package 3.54.0 on 2026-11-23. The gateway keeps no conversations:
what needs the vendor's memory reaches only a vendor that is sent the client's own bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

from gateway.dialects.fields import Fields, parse_object
from gateway.dialects.openai_chat import EFFORTS
from gateway.dialects.openai_chat_tools import NO_PARAMETERS, choice_of
from gateway.dialects.openai_errors import encode_json_error
from gateway.dialects.openai_responses_answer import encode_response
from gateway.dialects.openai_responses_input import read_input
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Chat, Event, Inbound, Operation, OutputFormat, Rendered, Tool, ToolChoice

_KNOWN = frozenset(
    {
        "model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "tools", "tool_choice",
        "parallel_tool_calls", "text", "reasoning", "top_logprobs", "user", "stream", "stream_options", "store",
        "include", "truncation", "background", "previous_response_id", "conversation", "prompt",
    }
)  # fmt: skip
_NEEDS_MEMORY = ("previous_response_id", "conversation", "prompt")
_SEALED = "reasoning.encrypted_content"  # always given, where the vendor gives it


class OpenAIResponses:
    name = "openai.responses"
    operation: Operation = "chat"
    takes_form = False
    field_names: Mapping[str, str] = MappingProxyType(  # fields of `Chat` that are called something else here
        {"output_format": "text.format", "reasoning_effort": "reasoning.effort", "verbosity": "text.verbosity"}
    )

    def decode(self, inbound: Inbound) -> Ask:
        fields = parse_object(inbound.body)
        stream = fields.boolean("stream") or False
        read = read_input(fields)
        tools, foreign = _tools(fields)
        choice, is_foreign_choice = _tool_choice(fields)
        reasoning = fields.object("reasoning")
        chat = Chat(
            messages=tuple(read.messages),
            max_output_tokens=fields.integer("max_output_tokens", 1),
            temperature=fields.number("temperature", 0, 2),
            top_p=fields.number("top_p", 0, 1),
            top_logprobs=fields.integer("top_logprobs", 0, 20),
            tools=tools,
            tool_choice=choice,
            parallel_tool_calls=fields.boolean("parallel_tool_calls"),
            output_format=_output_format(fields),
            reasoning_effort=reasoning.string("effort", choices=EFFORTS) if reasoning is not None else None,
            user=fields.string("user"),
            extra=_extra(fields, reasoning),
            only_verbatim=(
                *_given(fields),
                *read.only_verbatim,
                *foreign,
                *(("tool_choice",) if is_foreign_choice else ()),
            ),
        )
        return Ask(fields.string("model") or "", chat, stream)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        return await encode_response(call, events)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        """A stream says its own errors: they carry the number of the event before them, which only it knows."""
        return b"" if started else encode_json_error(error, request_id)


def _given(fields: Fields) -> list[str]:
    given = [name for name in _NEEDS_MEMORY if fields.raw.get(name) is not None]
    return given + [name for name in ("background", "store") if fields.boolean(name)]


def _extra(fields: Fields, reasoning: Fields | None) -> dict[str, Any]:
    """The fields without a normal form, under their names; `verbosity` as in a chat completion, which has it too."""
    extra = fields.rest(_KNOWN)
    text = fields.object("text")
    if text is not None and text.raw.get("verbosity") is not None:
        extra["verbosity"] = text.string("verbosity", choices=("low", "medium", "high"))
    if reasoning is not None and (rest := reasoning.rest(frozenset({"effort"}))):
        extra["reasoning"] = rest
    if include := [name for name in fields.strings("include") if name != _SEALED]:
        extra["include"] = include
    if fields.string("truncation", choices=("auto", "disabled")) == "auto":
        extra["truncation"] = "auto"
    return extra


def _tools(fields: Fields) -> tuple[tuple[Tool, ...], list[str]]:
    """Return the function tools, and the places of the vendor's own tools."""
    tools: list[Tool] = []
    foreign: list[str] = []
    for index, item in enumerate(fields.objects("tools")):
        item.require("type")
        if item.string("type") != "function":
            foreign.append(f"tools[{index}]")
            continue
        parameters = item.object("parameters")
        described = item.string("description")
        schema = parameters.raw if parameters is not None else NO_PARAMETERS
        tools.append(Tool(item.required_string("name"), described, schema, item.boolean("strict")))
    return tuple(tools), foreign


def _tool_choice(fields: Fields) -> tuple[ToolChoice | None, bool]:
    """Return the choice, and whether it is of a kind that only the vendor knows."""
    if not isinstance(fields.raw.get("tool_choice"), dict):
        return choice_of(fields.string("tool_choice", choices=("none", "auto", "required"))), False
    named = fields.object("tool_choice")
    assert named is not None
    if named.string("type") == "function":
        return ToolChoice("tool", named.required_string("name")), False
    return None, True


def _output_format(fields: Fields) -> OutputFormat | None:
    text = fields.object("text")
    wanted = text.object("format") if text is not None else None
    if wanted is None:
        return None
    kind = wanted.string("type", choices=("text", "json_object", "json_schema"))
    if kind != "json_schema":
        return OutputFormat("json_object" if kind == "json_object" else "text")
    schema = wanted.object("schema")
    if schema is None:
        raise wanted.error("schema", "is required")
    name, described = wanted.required_string("name"), wanted.string("description")
    return OutputFormat("json_schema", name, schema.raw, described, wanted.boolean("strict"))
