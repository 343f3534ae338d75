"""Google Cloud Text-to-Speech v1: `text:synthesize`. The rows of its models are named for the families of its voices.

Wire format: vendors.md 4, read from google-cloud-texttospeech 2.38.0 on 2026-11-23. REST has no streaming: the answer
is one JSON object, sent when everything was spoken. It reports no usage, so that characters are counted here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway import json
from gateway.audio.answer import audio_events, audio_format, checked
from gateway.errors import GatewayError, InvalidRequest
from gateway.plugin import Inline, Worker
from gateway.types import (
    Call,
    Event,
    Model,
    Operation,
    Speech,
    Target,
    Units,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    VoiceFact,
)

from . import request, voices
from .answer import decode
from .errors import parse_error


class GoogleTts:
    """See gateway/plugin.py."""

    credentials = ("api_key",)
    default_base_url = "https://texttospeech.googleapis.com"
    backend: Inline | Worker | None = None
    lacks = frozenset({"instructions"})
    wire: Mapping[Operation, str] = MappingProxyType({})
    default_voices: Mapping[str, str] = MappingProxyType(dict(voices.voices_of("chirp3-hd")))
    short_names: frozenset[str] = voices.CHIRP_NAMES
    voice_facts: Mapping[str, VoiceFact] = MappingProxyType(voices.facts())
    options_schema: Mapping[str, Any] = MappingProxyType(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "auth": {
                    "description": "What credentials.api_key is: an API key, or an OAuth access token (bearer).",
                    "enum": ["api-key", "bearer"],
                    "default": "api-key",
                },
                "quota_project": {
                    "description": "The project that pays, sent as `x-goog-user-project`; for access tokens.",
                    "type": "string",
                    "pattern": "^[a-z0-9:.-]{1,100}$",
                },
            },
        }
    )

    def operations(self) -> frozenset[Operation]:
        return frozenset({"speech"})

    def voices_at(self, model: Model) -> Mapping[str, str]:
        return voices.voices_of(model.name)

    def refusal(self, call: Call, target: Target) -> str | None:
        if not isinstance(call.body, Speech):
            return "speaks, and does nothing else"
        return request.refusal(call.body, target)

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        reason = self.refusal(call, target)
        if reason is not None or not isinstance(call.body, Speech):
            raise InvalidRequest(f"{target.name} {reason}")
        headers = {"content-type": "application/json", "accept": "application/json"}
        body = json.dumps(request.build(call.body, target))
        return UpstreamRequest("POST", f"{target.provider.base_url}/v1/text:synthesize", headers, body)

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        speech = call.body
        assert isinstance(speech, Speech)
        promised = audio_format(speech.format, request.ABILITY.rate_hz(speech))
        usage = Usage(Units(characters=len(speech.text)))
        return audio_events(checked(decode(response.chunks), promised), promised, usage)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return parse_error(status, headers, body)

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        key = target.provider.credentials["api_key"]
        options = target.provider.options
        header = {"authorization": f"Bearer {key}"} if options.get("auth") == "bearer" else {"x-goog-api-key": key}
        if "quota_project" in options:
            header["x-goog-user-project"] = options["quota_project"]
        return replace(request, headers={**request.headers, **header})


PLUGIN = GoogleTts()
