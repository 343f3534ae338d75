"""Which voices there are: `GET /tts/voices`, and the same as OpenAI's clients read lists, `GET /v1/audio/voices`.

    ?model=  only what this model can speak with   ?provider=  only of this provider   ?language=  en, en-GB …
 -> {success, voices: [{id, kind: logical|vendor, language, gender, description, providers: {provider: its name}}]}
 -> {object: "list", data: [{id, object: "voice", name, …}], voices: [{id, name}]}

OpenAI itself lists no voices; `data` is how it lists everything else, and `voices` is what Open WebUI and the servers
that copy `/v1/audio/speech` have come to use.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.config.names import unknown
from gateway.dialects.native import JSON, Native
from gateway.dialects.openai_errors import encode_json_error
from gateway.errors import GatewayError, InvalidRequest
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered, VoiceCard, VoiceCatalog, VoiceListing

_QUERY = ("model", "provider", "language")
_CREDENTIAL = "key"  # a client's key may come as ?key=


class NativeVoices(Native):
    name = "native.voices"
    operation: Operation = "voices"

    def decode(self, inbound: Inbound) -> Ask:
        return _ask(inbound)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        voices = [_native(card) for card in await _cards(events)]
        return Rendered(JSON, json.dumps({"success": True, "voices": voices, "count": len(voices)}))


class OpenAIVoices:
    name = "openai.voices"
    operation: Operation = "voices"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        return _ask(inbound)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        cards = await _cards(events)
        data = [{"object": "voice", "name": card.id, **_native(card)} for card in cards]
        short = [{"id": card.id, "name": card.id} for card in cards]
        return Rendered(JSON, json.dumps({"object": "list", "data": data, "voices": short}))

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_json_error(error, request_id)


def _ask(inbound: Inbound) -> Ask:
    query = inbound.head.query
    for name in query:
        if name not in _QUERY and name != _CREDENTIAL:
            raise InvalidRequest(f"{name[:60]!r} is not known here{unknown(name[:60], _QUERY)}", param=name[:60])
    model = query.get("model", "")
    return Ask(model, VoiceCatalog(model, query.get("language") or None), provider=query.get("provider", ""))


async def _cards(events: AsyncIterator[Event]) -> list[VoiceCard]:
    return [card async for event in events if isinstance(event, VoiceListing) for card in event.voices]


def _native(card: VoiceCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "kind": "logical" if card.is_logical else "vendor",
        "language": card.fact.language,
        "gender": card.fact.gender,
        "description": card.fact.description,
        "providers": dict(card.providers),
    }
