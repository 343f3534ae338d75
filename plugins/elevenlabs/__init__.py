"""ElevenLabs: text to speech (`speak.py`) and speech to text (`stt.py`).

Wire format: vendors.md 8, read from elevenlabs 2.78.0 on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway.errors import GatewayError, InvalidRequest
from gateway.plugin import Inline, Worker
from gateway.types import (
    Call,
    Event,
    Operation,
    Target,
    UpstreamRequest,
    UpstreamResponse,
    VoiceFact,
)

from . import speak, stt, voices
from .errors import parse_error

# Each operation in a file of its own that defines refusal, build and parse.
PARTS: Mapping[Operation, Any] = MappingProxyType({"speech": speak, "transcription": stt})


class ElevenLabs:
    """See gateway/plugin.py."""

    credentials = ("api_key",)
    default_base_url = "https://api.elevenlabs.io"
    backend: Inline | Worker | None = None
    lacks = frozenset({"instructions"})
    takes_urls = True  # of recordings, which it then fetches itself
    wire: Mapping[Operation, str] = MappingProxyType({})
    default_voices: Mapping[str, str] = MappingProxyType(dict(voices.VOICES))
    short_names: frozenset[str] = voices.NAMES
    voice_facts: Mapping[str, VoiceFact] = MappingProxyType(dict(voices.FACTS))
    options_schema: Mapping[str, Any] = MappingProxyType(
        {"type": "object", "additionalProperties": False, "properties": {}}
    )

    def operations(self) -> frozenset[Operation]:
        return frozenset(PARTS)

    def refusal(self, call: Call, target: Target) -> str | None:
        part = PARTS.get(call.operation)
        if part is None:
            return f"does no {call.operation}"
        reason: str | None = part.refusal(call, target)
        return reason

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        reason = self.refusal(call, target)
        if reason is not None:
            raise InvalidRequest(f"{target.name} {reason}")
        request: UpstreamRequest = PARTS[call.operation].build(call, target)
        return request

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        events: AsyncIterator[Event] = PARTS[call.operation].parse(call, response)
        return events

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return parse_error(status, headers, body)

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        key = target.provider.credentials["api_key"]
        return replace(request, headers={**request.headers, "xi-api-key": key})


PLUGIN = ElevenLabs()
