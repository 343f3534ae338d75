"""Google Cloud Speech-to-Text, v1 with an API key and v2 with a project (`options.api`), always in one request.

Wire format: vendors.md 5, read from google-cloud-speech 2.41.0 on 2026-11-23. Both take a minute or 10 MB at once; what
is longer would have to lie in Google's own storage first, so that it is left to other vendors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

from gateway.errors import GatewayError, InvalidRequest
from gateway.plugin import AskToken, Inline, Worker
from gateway.types import (
    Call,
    Event,
    Operation,
    Provider,
    Recording,
    Target,
    UpstreamRequest,
    UpstreamResponse,
)

from . import answer, auth, options, request
from .errors import parse_error


class GoogleStt:
    """See gateway/plugin.py."""

    credentials = ("api_key", "access_token", "service_account")
    default_base_url = options.DEFAULT_BASE_URL
    backend: Inline | Worker | None = None
    wire: Mapping[Operation, str] = MappingProxyType({})
    default_voices: Mapping[str, str] = MappingProxyType({})
    options_schema: Mapping[str, Any] = options.SCHEMA
    model_options_schema: Mapping[str, Any] = options.MODEL_SCHEMA

    def needs(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return auth.needs(options)

    def token(self, provider: Provider) -> AskToken | None:
        return auth.token(provider)

    def operations(self) -> frozenset[Operation]:
        return frozenset({"transcription"})

    def refusal(self, call: Call, target: Target) -> str | None:
        if not isinstance(call.body, Recording):
            return "writes down speech, and does nothing else"
        return request.refusal(call.body, target)

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        reason = self.refusal(call, target)
        if reason is not None or not isinstance(call.body, Recording):
            raise InvalidRequest(f"{target.name} {reason}", param="file")
        return request.build(call.body, target)

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        assert isinstance(call.body, Recording)
        return answer.parse(call.body, response)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return parse_error(status, headers, body)

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        return auth.sign(request, target)


PLUGIN = GoogleStt()
