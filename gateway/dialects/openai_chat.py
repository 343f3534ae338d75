"""OpenAI chat completions: what a client sends to `POST /v1/chat/completions` and reads from it.

Wire format: vendors.md 1.1, read from the official package 3.54.0 on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.dialects.fields import Fields, parse_object
from gateway.dialects.openai_chat_answer import encode_chat
from gateway.dialects.openai_chat_messages import read_messages
from gateway.dialects.openai_errors import encode_json_error, encode_sse_error
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Chat, Event, Inbound, Operation, OutputFormat, Rendered, Tool, ToolChoice

_KNOWN = frozenset(
    {
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
        "stop", "seed", "n", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "tools",
        "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "user",
    }
)  # fmt: skip
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class OpenAIChat:
    name = "openai.chat"
    operation: Operation = "chat"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        fields = parse_object(inbound.body)
        stream = fields.boolean("stream") or False
        options = fields.object("stream_options")
        if options is not None and not stream:
            raise fields.error("stream_options", "goes with 'stream': true only")
        chat = Chat(
            messages=read_messages(fields),
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
            tools=_tools(fields),
            tool_choice=_tool_choice(fields),
            parallel_tool_calls=fields.boolean("parallel_tool_calls"),
            output_format=_output_format(fields),
            reasoning_effort=fields.string("reasoning_effort", choices=_EFFORTS),
            user=fields.string("user"),
            wants_usage=not stream or bool(options and options.boolean("include_usage")),
            extra=fields.rest(_KNOWN),
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


def _tools(fields: Fields) -> tuple[Tool, ...]:
    tools = []
    for item in fields.objects("tools"):
        if item.string("type", choices=("function", "custom")) == "custom":
            continue  # carried by the verbatim path alone; see Chat.extra
        function = item.object("function")
        if function is None:
            raise item.error("function", "is required")
        parameters = function.object("parameters")
        tools.append(
            Tool(
                function.required_string("name"),
                function.string("description"),
                parameters.raw if parameters is not None else {"type": "object", "properties": {}},
                function.boolean("strict"),
            )
        )
    return tuple(tools)


def _tool_choice(fields: Fields) -> ToolChoice | None:
    choice = fields.raw.get("tool_choice")
    if choice is None:
        return None
    if isinstance(choice, str):
        match fields.string("tool_choice", choices=("none", "auto", "required")):
            case "none":
                return ToolChoice("none")
            case "required":
                return ToolChoice("required")
            case _:
                return ToolChoice("auto")
    named = fields.object("tool_choice")
    function = named.object("function") if named is not None else None
    return ToolChoice("tool", function.required_string("name")) if function is not None else ToolChoice("auto")


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
