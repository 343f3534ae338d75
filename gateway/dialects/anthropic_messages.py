"""Anthropic's messages: what a client sends to `POST /v1/messages` and reads from it.

Wire format: vendors.md 2, read from the official package 2.12.0 on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

from gateway.dialects.anthropic_answer import encode_chat
from gateway.dialects.anthropic_chat import read_chat
from gateway.dialects.anthropic_errors import encode_json_error, encode_sse_error
from gateway.dialects.fields import parse_object
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered


class AnthropicMessages:
    name = "anthropic.messages"
    operation: Operation = "chat"
    takes_form = False
    indifferent = frozenset({"metadata"})  # whose the vendor's client is
    mode_fields = frozenset({"stream"})
    field_names: Mapping[str, str] = MappingProxyType(  # fields of `Chat` that are called something else here
        {
            "max_output_tokens": "max_tokens",
            "stop": "stop_sequences",
            "output_format": "output_config.format",
            "reasoning_effort": "output_config.effort",
            "thinking_budget_tokens": "thinking.budget_tokens",
            "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
            "user": "metadata.user_id",
        }
    )

    def decode(self, inbound: Inbound) -> Ask:
        fields = parse_object(inbound.body)
        fields.require("max_tokens")
        chat = read_chat(fields, max_tokens=fields.integer("max_tokens", 0))
        return Ask(fields.string("model") or "", chat, fields.boolean("stream") or False)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        return await encode_chat(call, events)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_sse_error(error, request_id) if started else encode_json_error(error, request_id)
