"""Gemini's `:countTokens`: `contents`, or a whole `generateContentRequest` -> `{"totalTokens": 12}`.

Wire format: vendors.md 3, 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway import json
from gateway.dialects.gemini_errors import encode_json_error
from gateway.dialects.gemini_generate import read_chat
from gateway.dialects.gemini_generate_answer import JSON
from gateway.dialects.gemini_proto import model_of, parse_message
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered, TokenCount, Verbatim


class GeminiCountTokens:
    """The vendor counts where the model's target is Gemini; for others the gateway estimates."""

    name = "gemini.count_tokens"
    operation: Operation = "tokens"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        model = model_of(inbound.head)
        fields = parse_message(inbound.body)
        return Ask(model, read_chat(fields.object("generateContentRequest") or fields))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        body = b""
        async for event in events:
            if isinstance(event, Verbatim):
                body += event.data
            elif isinstance(event, TokenCount):
                body = json.dumps({"totalTokens": event.input_tokens})
        return Rendered(JSON, body)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_json_error(error, request_id)
