"""Google's voices.list: `GET /v1/voices?languageCode=`. Wire format: vendors.md 4, google-cloud-texttospeech 2.38.0."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.dialects.google_errors import GoogleErrors
from gateway.dialects.native import JSON
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered, VoiceCard, VoiceCatalog, VoiceListing

NATURAL_RATE_HZ = 24_000  # what is spoken where no rate is asked for


class GoogleVoices(GoogleErrors):
    name = "google.voices"
    operation: Operation = "voices"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        query = inbound.head.query
        language = query.get("languageCode") or query.get("language_code") or None
        return Ask("", VoiceCatalog(language=language))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        cards = [card async for event in events if isinstance(event, VoiceListing) for card in event.voices]
        return Rendered(JSON, json.dumps({"voices": [_voice(card) for card in cards]}))


def _voice(card: VoiceCard) -> dict[str, Any]:
    gender = (card.fact.gender or "ssml_voice_gender_unspecified").upper()
    return {
        "name": card.id,
        "languageCodes": [card.fact.language] if card.fact.language else [],
        "ssmlGender": gender,
        "naturalSampleRateHertz": NATURAL_RATE_HZ,
    }
