"""Gemini's model list: `GET /v1beta/models` and `GET /v1beta/models/{model}`.

It lists what a client of this format can call: models for chat and embeddings. Everything is on one page.
Wire format: google-genai 3.4.0 and google-ai-generativelanguage 0.12.1, 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.dialects.gemini_errors import encode_json_error
from gateway.dialects.gemini_generate_answer import JSON
from gateway.dialects.gemini_proto import model_of
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Catalog, Event, Inbound, Listing, ModelCard, Operation, Rendered

_METHODS: dict[str, list[str]] = {
    "chat": ["generateContent", "streamGenerateContent", "countTokens"],
    "embeddings": ["embedContent", "batchEmbedContents"],
}


class GeminiModels:
    name = "gemini.models"
    operation: Operation = "models"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        return Ask("", Catalog(model_of(inbound.head) or None))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Catalog)
        cards = [card async for event in events if isinstance(event, Listing) for card in event.models]
        if call.body.id is not None:
            return Rendered(JSON, json.dumps(_model(cards[0])))
        return Rendered(JSON, json.dumps({"models": [_model(card) for card in cards if card.operation in _METHODS]}))

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_json_error(error, request_id)


def _model(card: ModelCard) -> dict[str, Any]:
    return {
        "name": f"models/{card.id}",
        "version": "1",
        "displayName": card.id,
        "description": card.description or f"{card.operation}, served by {card.owned_by}",
        "supportedGenerationMethods": _METHODS.get(card.operation, []),
    }
