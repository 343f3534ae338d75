"""Amazon Polly: SynthesizeSpeech, signed by botocore. The rows of its models are named for Polly's engines.

Wire format: vendors.md 6, read from botocore 1.44.5 on 2026-11-23. Audio streams while it is spoken; the answer's head
says how many characters are billed. pcm at 24 kHz is not to be had here, see request.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway import json, sigv4
from gateway.audio import wav
from gateway.audio.answer import audio_events, audio_format, read_audio
from gateway.errors import GatewayError, InvalidRequest
from gateway.plugin import Found, Inline, Worker
from gateway.types import (
    AudioFormat,
    Call,
    Event,
    Model,
    Operation,
    Provider,
    Speech,
    Target,
    Units,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    VoiceFact,
)

from . import request, voices
from .errors import parse_error

DEFAULT_REGION = "us-east-1"


class Polly:
    """See gateway/plugin.py."""

    credentials = sigv4.CREDENTIALS
    default_base_url = f"https://polly.{DEFAULT_REGION}.amazonaws.com"
    backend: Inline | Worker | None = None
    lacks = frozenset({"instructions"})
    requires = ("botocore",)
    install_hint = "pip install 'ai-service-gateway[aws]'"
    wire: Mapping[Operation, str] = MappingProxyType({})
    default_voices: Mapping[str, str] = MappingProxyType(dict(voices.voices_of("neural")))
    voice_facts: Mapping[str, VoiceFact] = MappingProxyType(
        {name: VoiceFact(voice.languages[0], voice.gender) for name, voice in voices.VOICES.items()}
    )
    options_schema: Mapping[str, Any] = MappingProxyType(
        {
            "type": "object",
            "additionalProperties": False,
            "dependentRequired": sigv4.NEEDS,
            "properties": {
                **sigv4.OPTIONS,
                "region": {
                    "description": "AWS region; decides the address too, unless base_url is given.",
                    "type": "string",
                    "pattern": "^[a-z]{2}(-[a-z]{1,12}){1,3}-[0-9]$",
                    "x-hint": "a region as AWS writes it, such as eu-central-1",
                    "default": DEFAULT_REGION,
                },
            },
        }
    )

    def operations(self) -> frozenset[Operation]:
        return frozenset({"speech"})

    def needs(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return sigv4.needs(options)

    def find_credentials(self, provider: Provider) -> Found:
        return sigv4.find(provider)

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
        body = json.dumps(request.build(call.body, target))
        return UpstreamRequest("POST", f"{_origin(target)}/v1/speech", {"content-type": "application/json"}, body)

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        speech = call.body
        assert isinstance(speech, Speech)
        promised = audio_format(speech.format, request.ABILITY.rate_hz(speech))
        usage = _usage(speech, response)
        if speech.format != "wav":
            return audio_events(read_audio(response, promised), promised, usage)
        return audio_events(_with_header(response, promised), promised, usage)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return parse_error(status, headers, body)

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        return sigv4.sign(request, target, service="polly", region=_region(target))


def _region(target: Target) -> str:
    region: str = target.provider.options.get("region", DEFAULT_REGION)
    return region


def _origin(target: Target) -> str:
    if target.provider.base_url != Polly.default_base_url:
        return target.provider.base_url
    region = _region(target)
    return f"https://polly.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def _usage(speech: Speech, response: UpstreamResponse) -> Usage:
    """The vendor's own count is in the head; without it ours is an estimate."""
    billed = response.headers.get("x-amzn-requestcharacters", "")
    if billed.isascii() and billed.isdigit():
        return Usage(Units(characters=int(billed[:12])))
    return Usage(Units(characters=len(speech.text)), is_estimated=True)


async def _with_header(response: UpstreamResponse, promised: AudioFormat) -> AsyncIterator[bytes]:
    """Put a WAV header before the samples, with their length where the answer says it."""
    samples = read_audio(response, replace(promised, name="pcm"))
    length = response.headers.get("content-length", "")
    is_first = True
    async for chunk in samples:
        if is_first:
            data_bytes = int(length) if length.isascii() and length.isdigit() else None
            yield wav.header(promised.sample_rate_hz or 0, data_bytes=data_bytes) + chunk
            is_first = False
        else:
            yield chunk


PLUGIN = Polly()
