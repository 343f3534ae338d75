"""Anthropic's model list: `GET /v1/models`, by pages, and `GET /v1/models/{model}`. Wire format: anthropic 2.12.0."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from gateway import json
from gateway.dialects.anthropic_errors import encode_json_error
from gateway.errors import GatewayError, InvalidRequest
from gateway.types import Ask, Call, Catalog, Event, Inbound, Listing, ModelCard, Operation, Rendered

_CREATED = "1970-01-01T00:00:00Z"  # "may be set to an epoch value if the release date is unknown"
_DEFAULT_LIMIT, _MAX_LIMIT = 20, 1000  # the vendor's own


class AnthropicModels:
    """Models for chats alone: this format knows no other kind."""

    name = "anthropic.models"
    operation: Operation = "models"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        _limit(inbound.head.query)
        return Ask("", Catalog(inbound.head.params.get("model")))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Catalog)
        cards = [card async for event in events if isinstance(event, Listing) for card in event.models]
        if call.body.id is not None:
            return Rendered("application/json", json.dumps(_model(cards[0])))
        return Rendered("application/json", json.dumps(_page(cards, call.head.query)))

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_json_error(error, request_id)


def _page(cards: Sequence[ModelCard], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the page after `after_id`, or before `before_id`. An id that is not listed any more begins anew."""
    models = [_model(card) for card in cards if card.operation == "chat"]
    ids = [model["id"] for model in models]
    limit = _limit(query)
    if query.get("before_id") in ids:
        end = ids.index(query["before_id"])
        page, has_more = models[max(0, end - limit) : end], end > limit
    else:
        start = ids.index(query["after_id"]) + 1 if query.get("after_id") in ids else 0
        page, has_more = models[start : start + limit], start + limit < len(models)
    return {
        "data": page,
        "has_more": has_more,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(_DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= _MAX_LIMIT):
        raise InvalidRequest(f"'limit' must be a whole number from 1 to {_MAX_LIMIT}", param="limit")
    return int(text)


def _model(card: ModelCard) -> dict[str, Any]:
    return {
        "type": "model",
        "id": card.id,
        "display_name": card.description or card.id,
        "created_at": _CREATED,
        "lifecycle": "active",
    }
