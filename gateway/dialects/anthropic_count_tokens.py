"""Counting a chat's input: `POST /v1/messages/count_tokens` -> `{"input_tokens": 12}` (vendors.md 2, 2026-11-23)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway import json
from gateway.dialects.anthropic_chat import read_chat
from gateway.dialects.anthropic_errors import encode_json_error
from gateway.dialects.fields import parse_object
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered, TokenCount, Verbatim


class AnthropicCountTokens:
    """The vendor counts where the model's target is Anthropic; for others the gateway estimates."""

    name = "anthropic.count_tokens"
    operation: Operation = "tokens"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        fields = parse_object(inbound.body)
        return Ask(fields.string("model") or "", read_chat(fields, max_tokens=None))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        body = b""
        async for event in events:
            if isinstance(event, Verbatim):
                body += event.data
            elif isinstance(event, TokenCount):
                body = json.dumps({"input_tokens": event.input_tokens})
        return Rendered("application/json", body)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_json_error(error, request_id)
