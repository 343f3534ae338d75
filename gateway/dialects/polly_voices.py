"""Polly's DescribeVoices: `GET /v1/voices`. Everything is on one page.

Listed are the voices of which the language is known, since Polly's clients go by it: logical ones and vendors' own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.audio.languages import english_name
from gateway.config.names import unknown
from gateway.dialects.native import JSON
from gateway.dialects.polly_errors import PollyErrors
from gateway.dialects.polly_speech import ENGINES
from gateway.errors import InvalidRequest
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered, VoiceCard, VoiceCatalog, VoiceListing

_QUERY = ("Engine", "LanguageCode", "IncludeAdditionalLanguageCodes", "NextToken")


class PollyVoices(PollyErrors):
    name = "polly.voices"
    operation: Operation = "voices"
    takes_form = False
    signed_service = "polly"

    def decode(self, inbound: Inbound) -> Ask:
        query = inbound.head.query
        for name in query:
            if name not in _QUERY and name != "key":
                raise InvalidRequest(f"{name[:60]!r} is not known here{unknown(name[:60], _QUERY)}", param=name[:60])
        engine = query.get("Engine")
        if engine is not None and engine not in ENGINES:
            raise InvalidRequest(f"'Engine' must be one of {', '.join(ENGINES)}; it is {engine[:60]!r}", param="Engine")
        return Ask("", VoiceCatalog(language=query.get("LanguageCode") or None))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        cards = [card async for event in events if isinstance(event, VoiceListing) for card in event.voices]
        engine = call.head.query.get("Engine")
        engines = [engine] if engine else list(ENGINES)  # any that is asked for is served, by whoever has the voice
        voices = [_voice(card, engines) for card in cards if card.fact.language is not None]
        return Rendered(JSON, json.dumps({"Voices": voices}), headers={"x-amzn-requestid": call.id})


def _voice(card: VoiceCard, engines: list[str]) -> dict[str, Any]:
    language = card.fact.language
    assert language is not None
    voice = {
        "Id": card.id,
        "Name": card.id,
        "LanguageCode": language,
        "LanguageName": (english_name(language) or language).title(),
        "SupportedEngines": engines,
    }
    return voice | ({"Gender": card.fact.gender.title()} if card.fact.gender in ("female", "male") else {})
