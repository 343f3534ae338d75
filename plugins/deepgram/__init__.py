"""Deepgram: text to speech (`speak.py`), speech to text (`listen.py`), and both over live sockets (`live.py`).

Wire format: vendors.md 7, read from deepgram-sdk 7.17.0 on 2026-11-23.
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
    Live,
    Model,
    Operation,
    Target,
    UpstreamRequest,
    UpstreamResponse,
    VoiceFact,
)

from . import listen, live, speak, voices
from .errors import parse_error

# Each operation in a file of its own that defines refusal, build and parse.
PARTS: Mapping[Operation, Any] = MappingProxyType({"speech": speak, "transcription": listen})


class Deepgram:
    """See gateway/plugin.py."""

    credentials = ("api_key",)
    default_base_url = "https://api.deepgram.com"
    backend: Inline | Worker | None = None
    lacks = frozenset({"instructions"})
    live = live.LiveSockets()
    takes_urls = True  # of recordings, which it then fetches itself
    wire: Mapping[Operation, str] = MappingProxyType({})
    default_voices: Mapping[str, str] = MappingProxyType(dict(voices.voices_of("aura-2")))
    short_names: frozenset[str] = frozenset(name for family in voices.VOICES.values() for name in family)
    voice_facts: Mapping[str, VoiceFact] = MappingProxyType(voices.facts())
    options_schema: Mapping[str, Any] = MappingProxyType(
        {"type": "object", "additionalProperties": False, "properties": {}}
    )

    def operations(self) -> frozenset[Operation]:
        return frozenset(PARTS)

    def voices_at(self, model: Model) -> Mapping[str, str]:
        return voices.voices_of(model.name)

    def refusal(self, call: Call, target: Target) -> str | None:
        part = live if isinstance(call.body, Live) else PARTS.get(call.operation)
        if part is None:
            return f"does no {call.operation}"
        reason: str | None = part.refusal(call, target)
        return reason

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        reason = self.refusal(call, target)
        if reason is not None:
            raise InvalidRequest(f"{target.name} {reason}")
        if isinstance(call.body, Live):
            return live.build(call, target)
        request: UpstreamRequest = PARTS[call.operation].build(call, target)
        return request

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        events: AsyncIterator[Event] = PARTS[call.operation].parse(call, response)
        return events

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return parse_error(status, headers, body)

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        token = f"Token {target.provider.credentials['api_key']}"
        return replace(request, headers={**request.headers, "authorization": token})


PLUGIN = Deepgram()
