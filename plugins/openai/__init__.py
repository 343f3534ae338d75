"""OpenAI and every vendor that speaks its wire format: chat completions, embeddings, speech, transcription.

Wire format: vendors.md 1, read from the official package 3.54.0 on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway.errors import GatewayError, InvalidRequest
from gateway.plugin import Inline, Worker
from gateway.types import Call, Event, Operation, Target, UpstreamRequest, UpstreamResponse

from . import chat, chat_answer, embeddings, speech, transcription
from .errors import parse_error

VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin", "cedar",
)  # fmt: skip

# Headers of the client that change what the vendor does and carry no credentials.
FORWARDED_HEADERS = ("openai-beta", "idempotency-key")


class OpenAI:
    """`operations` in the vendor's own wire format; `Call.is_verbatim` sends the client's bytes as they are."""

    credentials = ("api_key",)
    default_base_url = "https://api.openai.com/v1"
    backend: Inline | Worker | None = None
    wire: Mapping[Operation, str] = MappingProxyType(
        {
            "chat": "openai.chat",
            "embeddings": "openai.embeddings",
            "speech": "openai.speech",
            "transcription": "openai.transcription",
        }
    )
    default_voices: Mapping[str, str] = MappingProxyType({voice: voice for voice in VOICES})
    options_schema: Mapping[str, Any] = MappingProxyType(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "auth": {
                    "description": "Which header carries the key: `Authorization: Bearer` or `api-key` (Azure).",
                    "enum": ["bearer", "api-key"],
                    "default": "bearer",
                },
                "organization": {"description": "Sent as `OpenAI-Organization`.", "type": "string"},
                "project": {"description": "Sent as `OpenAI-Project`.", "type": "string"},
                "stream_usage": {
                    "description": "Ask for usage in streams where the client did not, so that they are accounted "
                    "exactly; the extra chunk is kept from the client. Turn off for a vendor that refuses the field.",
                    "type": "boolean",
                    "default": True,
                },
                "max_tokens_field": {
                    "description": "The name under which this vendor takes the limit of output tokens.",
                    "enum": ["max_completion_tokens", "max_tokens"],
                    "default": "max_completion_tokens",
                },
            },
        }
    )

    def operations(self) -> frozenset[Operation]:
        return frozenset(self.wire)

    def refusal(self, call: Call, target: Target) -> str | None:
        if call.operation == "transcription":
            return transcription.refusal(call, target)
        return None

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        match call.operation:
            case "chat":
                path, body = "/chat/completions", chat.build(call, target)
            case "embeddings":
                path, body = "/embeddings", embeddings.build(call, target)
            case "speech":
                path, body = "/audio/speech", speech.build(call, target)
            case "transcription":
                path, form = transcription.build(call, target)
                return UpstreamRequest("POST", target.provider.base_url + path, _headers(call, target), form)
            case _:
                raise InvalidRequest(f"{call.operation} is not served by {target.name}")
        headers = _headers(call, target) | {"content-type": "application/json"}
        return UpstreamRequest("POST", target.provider.base_url + path, headers, body)

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        match call.operation:
            case "chat":
                return chat_answer.parse(call, response)
            case "embeddings":
                return embeddings.parse(call, response)
            case "speech":
                return speech.parse(call, response)
            case _:
                return transcription.parse(call, response)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return parse_error(status, headers, body)

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        key = target.provider.credentials["api_key"]
        if target.provider.options.get("auth") == "api-key":
            return replace(request, headers={**request.headers, "api-key": key})
        return replace(request, headers={**request.headers, "authorization": f"Bearer {key}"})


def _headers(call: Call, target: Target) -> dict[str, str]:
    headers = {name: call.head.headers[name] for name in FORWARDED_HEADERS if name in call.head.headers}
    headers["accept"] = "text/event-stream" if call.stream and call.operation == "chat" else "*/*"
    options = target.provider.options
    if "organization" in options:
        headers["openai-organization"] = options["organization"]
    if "project" in options:
        headers["openai-project"] = options["project"]
    return headers


PLUGIN = OpenAI()
