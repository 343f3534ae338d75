"""ElevenLabs' lists of voices: `GET /v1/voices`, and `/v2/voices`, where everything is on one page.

Wire format: elevenlabs 2.78.0, 2026-11-23. A voice's id is the name by which this gateway knows it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.dialects.elevenlabs_errors import ElevenLabsErrors
from gateway.dialects.native import JSON
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered, VoiceCard, VoiceCatalog, VoiceListing


class ElevenLabsVoices(ElevenLabsErrors):
    name = "elevenlabs.voices"
    operation: Operation = "voices"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        return Ask("", VoiceCatalog(language=inbound.head.query.get("language") or None))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        cards = [card async for event in events if isinstance(event, VoiceListing) for card in event.voices]
        voices = [_voice(card) for card in cards if _is_wanted(card, call)]
        answer = {"voices": voices, "has_more": False, "total_count": len(voices), "next_page_token": None}
        return Rendered(JSON, json.dumps(answer), headers={"request-id": call.id})


def _is_wanted(card: VoiceCard, call: Call) -> bool:
    query = call.head.query
    ids = {text for text in query.get("voice_ids", "").split(",") if text}
    search, gender = query.get("search", "").casefold(), query.get("gender", "")
    return (
        (not ids or card.id in ids)
        and search in f"{card.id} {card.fact.description or ''}".casefold()
        and (not gender or card.fact.gender == gender)
    )


def _voice(card: VoiceCard) -> dict[str, Any]:
    labels = {"language": card.fact.language, "gender": card.fact.gender}
    return {
        "voice_id": card.id,
        "name": card.fact.description.partition(",")[0] if card.fact.description else card.id,
        "category": "premade",
        "labels": {name: text for name, text in labels.items() if text is not None},
        "description": card.fact.description,
        "available_for_tiers": [],
        "is_owner": False,
        "is_legacy": False,
    }
