"""OpenAI's model list: `GET /v1/models` and `GET /v1/models/{model}`. Wire format: openai 3.54.0, 2026-11-23."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.dialects.openai_errors import encode_json_error
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Catalog, Event, Inbound, Listing, ModelCard, Operation, Rendered

_CREATED = 1_767_225_600  # 2026-01-01: the format wants a time, and a configured name has none


class OpenAIModels:
    name = "openai.models"
    operation: Operation = "models"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        return Ask("", Catalog(inbound.head.params.get("model")))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Catalog)
        cards = [card async for event in events if isinstance(event, Listing) for card in event.models]
        if call.body.id is not None:
            return Rendered("application/json", json.dumps(_model(cards[0])))
        return Rendered("application/json", json.dumps({"object": "list", "data": [_model(card) for card in cards]}))

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_json_error(error, request_id)


def _model(card: ModelCard) -> dict[str, Any]:
    model: dict[str, Any] = {"id": card.id, "object": "model", "created": _CREATED, "owned_by": card.owned_by}
    model["operation"] = card.operation
    if card.description:
        model["description"] = card.description
    return model
