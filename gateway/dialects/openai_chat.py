"""OpenAI chat completions: what a client sends to `POST /v1/chat/completions` and reads from it.

Wire format: vendors.md 1.1, read from the official package 3.54.0 on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Any

from gateway.dialects.fields import Fields, parse_object
from gateway.dialects.openai_chat_answer import encode_chat
from gateway.dialects.openai_chat_messages import custom_calls, read_messages
from gateway.dialects.openai_chat_tools import read_tools
from gateway.dialects.openai_errors import encode_json_error, encode_sse_error
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Chat, Event, Inbound, Operation, OutputFormat, Rendered

_KNOWN = frozenset(
    {
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
        "stop", "seed", "n", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "tools",
        "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "user",
        "functions", "function_call",
    }
)  # fmt: skip
_ANOTHER_KIND = frozenset({"audio", "web_search_options", "modalities"})
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class OpenAIChat:
    name = "openai.chat"
    operation: Operation = "chat"
    takes_form = False
    indifferent = frozenset({"user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"})
    mode_fields = frozenset({"stream", "stream_options"})
    field_names: Mapping[str, str] = MappingProxyType(  # fields of `Chat` that are called something else here
        {"output_format": "response_format", "max_output_tokens": "max_completion_tokens"}
    )

    def decode(self, inbound: Inbound) -> Ask:
        fields = parse_object(inbound.body)
        stream = fields.boolean("stream") or False
        options = fields.object("stream_options")
        if options is not None and not stream:
            raise fields.error("stream_options", "goes with 'stream': true only")
        tools = read_tools(fields)
        messages = read_messages(fields)
        given = _given(fields)
        chat = Chat(
            messages=messages,
            tools=tools.tools,
            tool_choice=tools.choice,
            wants_usage=not stream or bool(options and options.boolean("include_usage")),
            extra=fields.rest(_KNOWN),
            only_verbatim=(*tools.only_verbatim, *custom_calls(fields), *_only_verbatim(fields)),
            **given,
        )
        return Ask(fields.string("model") or "", chat, stream)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        return await encode_chat(call, events)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_sse_error(error, request_id) if started else encode_json_error(error, request_id)


def _max_tokens(fields: Fields) -> int | None:
    newer = fields.integer("max_completion_tokens", 1)
    return newer if newer is not None else fields.integer("max_tokens", 1)


def _parallel_tool_calls(fields: Fields) -> bool | None:
    is_legacy = fields.raw.get("functions") is not None  # such a client can take one call a message
    return False if is_legacy else fields.boolean("parallel_tool_calls")


def _logit_bias(fields: Fields) -> dict[str, float] | None:
    bias = fields.object("logit_bias")
    if bias is None:
        return None
    return {token: bias.number(token, -100, 100) or 0 for token in bias.raw}


def _only_verbatim(fields: Fields) -> tuple[str, ...]:
    """The fields given that ask for another kind of answer and have no normal form."""
    if fields.raw.keys().isdisjoint(_ANOTHER_KIND):
        return ()
    given = [name for name in ("audio", "web_search_options") if fields.raw.get(name) is not None]
    if any(kind != "text" for kind in fields.strings("modalities")):
        given.append("modalities")
    return tuple(given)


def _output_format(fields: Fields) -> OutputFormat | None:
    wanted = fields.object("response_format")
    if wanted is None:
        return None
    kind = wanted.string("type", choices=("text", "json_object", "json_schema"))
    if kind == "json_object":
        return OutputFormat("json_object")
    if kind != "json_schema":
        return OutputFormat("text")
    outer = wanted.object("json_schema")
    if outer is None:
        raise wanted.error("json_schema", "is required")
    schema = outer.object("schema")
    return OutputFormat(
        "json_schema",
        outer.required_string("name"),
        schema.raw if schema is not None else {},
        outer.string("description"),
        outer.boolean("strict"),
    )


_Reader = tuple[str, Callable[[Fields], Any]]
# What a client may leave out, and mostly does: where it stands, what it is to a `Chat`, and how it is read.
_OPTIONAL: Mapping[str, _Reader] = {
    "max_completion_tokens": ("max_output_tokens", _max_tokens),
    "max_tokens": ("max_output_tokens", _max_tokens),
    "temperature": ("temperature", lambda fields: fields.number("temperature", 0, 2)),
    "top_p": ("top_p", lambda fields: fields.number("top_p", 0, 1)),
    "stop": ("stop", lambda fields: fields.strings("stop", high=4)),
    "seed": ("seed", lambda fields: fields.integer("seed", -(2**63))),
    "n": ("n", lambda fields: fields.integer("n", 1, 128) or 1),
    "frequency_penalty": ("frequency_penalty", lambda fields: fields.number("frequency_penalty", -2, 2)),
    "presence_penalty": ("presence_penalty", lambda fields: fields.number("presence_penalty", -2, 2)),
    "logit_bias": ("logit_bias", _logit_bias),
    "logprobs": ("logprobs", lambda fields: fields.boolean("logprobs")),
    "top_logprobs": ("top_logprobs", lambda fields: fields.integer("top_logprobs", 0, 20)),
    "functions": ("parallel_tool_calls", _parallel_tool_calls),
    "parallel_tool_calls": ("parallel_tool_calls", _parallel_tool_calls),
    "response_format": ("output_format", _output_format),
    "reasoning_effort": ("reasoning_effort", lambda fields: fields.string("reasoning_effort", choices=EFFORTS)),
    "user": ("user", lambda fields: fields.string("user")),
}


def _given(fields: Fields) -> dict[str, Any]:
    """Return what is given of that. Of several faults the one that stands first in the table is told."""
    if fields.raw.keys().isdisjoint(_OPTIONAL):
        return {}
    return {name: read(fields) for key, (name, read) in _OPTIONAL.items() if key in fields.raw}
