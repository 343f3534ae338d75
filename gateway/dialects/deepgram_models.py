"""Deepgram's list of models: `GET /v1/models`. Wire format: deepgram-sdk 7.17.0, 2026-11-23.

A voice is a model there: `tts` has the gateway's voices. `stt` is empty: OpenAI's list has those models.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.dialects.deepgram_errors import DeepgramErrors
from gateway.dialects.native import JSON
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered, VoiceCard, VoiceCatalog, VoiceListing

_IDS = uuid.UUID("0b0f7e0e-5a56-4b0e-8c55-6d1a1f5f0c8b")


class DeepgramModels(DeepgramErrors):
    name = "deepgram.models"
    operation: Operation = "voices"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        return Ask("", VoiceCatalog())

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        cards = [card async for event in events if isinstance(event, VoiceListing) for card in event.voices]
        return Rendered(JSON, json.dumps({"stt": [], "tts": [_voice(card) for card in cards]}))


def _voice(card: VoiceCard) -> dict[str, Any]:
    fact = card.fact
    return {
        "name": card.id,
        "canonical_name": card.id,
        "architecture": "voice",
        "languages": [fact.language] if fact.language else [],
        "version": "1",
        "uuid": str(uuid.uuid5(_IDS, card.id)),
        "metadata": {"tags": [fact.gender] if fact.gender else []},
    }
