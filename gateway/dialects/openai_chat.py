"""OpenAI chat completions: what a client sends to `POST /v1/chat/completions` and reads from it.

Wire format: vendors.md 1.1, read from the official package 3.54.0 on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

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
        is_legacy = fields.raw.get("functions") is not None  # such a client can take one call a message
        chat = Chat(
            messages=messages,
            max_output_tokens=_max_tokens(fields),
            temperature=fields.number("temperature", 0, 2),
            top_p=fields.number("top_p", 0, 1),
            stop=fields.strings("stop", high=4),
            seed=fields.integer("seed", -(2**63)),
            n=fields.integer("n", 1, 128) or 1,
            frequency_penalty=fields.number("frequency_penalty", -2, 2),
            presence_penalty=fields.number("presence_penalty", -2, 2),
            logit_bias=_logit_bias(fields),
            logprobs=fields.boolean("logprobs"),
            top_logprobs=fields.integer("top_logprobs", 0, 20),
            tools=tools.tools,
            tool_choice=tools.choice,
            parallel_tool_calls=False if is_legacy else fields.boolean("parallel_tool_calls"),
            output_format=_output_format(fields),
            reasoning_effort=fields.string("reasoning_effort", choices=EFFORTS),
            user=fields.string("user"),
            wants_usage=not stream or bool(options and options.boolean("include_usage")),
            extra=fields.rest(_KNOWN),
            only_verbatim=(*tools.only_verbatim, *custom_calls(fields), *_only_verbatim(fields)),
        )
        return Ask(fields.string("model") or "", chat, stream)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        return await encode_chat(call, events)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_sse_error(error, request_id) if started else encode_json_error(error, request_id)


def _max_tokens(fields: Fields) -> int | None:
    newer = fields.integer("max_completion_tokens", 1)
    return newer if newer is not None else fields.integer("max_tokens", 1)


def _logit_bias(fields: Fields) -> dict[str, float] | None:
    bias = fields.object("logit_bias")
    if bias is None:
        return None
    return {token: bias.number(token, -100, 100) or 0 for token in bias.raw}


def _only_verbatim(fields: Fields) -> tuple[str, ...]:
    """The fields given that ask for another kind of answer and have no normal form."""
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
