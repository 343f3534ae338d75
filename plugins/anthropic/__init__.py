"""Anthropic's Messages API, versions 2023-06-01 and 2026-10-21: chats, and counting what a chat's input has.

Wire format: vendors.md 2, read from the official package 2.12.0 on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway.errors import GatewayError, InvalidRequest
from gateway.plugin import Inline, Worker
from gateway.types import Call, Chat, Event, Operation, Target, Thinking, UpstreamRequest, UpstreamResponse

from . import answer, limits, request, stream
from .errors import parse_error
from .options import MODEL_OPTIONS_SCHEMA, OPTIONS_SCHEMA, version
from .turns import VENDOR


class Anthropic:
    """The client's own bytes where it speaks this format, else the normal form written out."""

    credentials = ("api_key",)
    default_base_url = "https://api.anthropic.com/v1"
    backend: Inline | Worker | None = None
    wire: Mapping[Operation, str] = MappingProxyType({"chat": "anthropic.messages", "tokens": "anthropic.count_tokens"})
    default_voices: Mapping[str, str] = MappingProxyType({})
    options_schema: Mapping[str, Any] = OPTIONS_SCHEMA
    model_options_schema: Mapping[str, Any] = MODEL_OPTIONS_SCHEMA
    lacks = limits.LACKS

    def operations(self) -> frozenset[Operation]:
        return frozenset(self.wire)

    def speaks(self, call: Call, target: Target) -> bool:
        """Another vendor's thinking has no place here: a chat that holds some is translated, which leaves it out."""
        if self.wire.get(call.operation) != call.dialect or not isinstance(call.body, Chat):
            return False
        return not any(
            isinstance(part, Thinking) and part.vendor != VENDOR
            for message in call.body.messages
            if message.role == "assistant"
            for part in message.parts
        )

    def lacks_at(self, call: Call, target: Target) -> frozenset[str]:
        """What this version of the API, this model and this chat leave no place for."""
        return limits.lacks_at(call, target)

    def carries(self, call: Call, target: Target) -> frozenset[str]:
        """The fields of other dialects that are written out though `Chat` has no place for them."""
        return request.CARRIED.get(call.dialect, frozenset())

    def refusal(self, call: Call, target: Target) -> str | None:
        return None if self.speaks(call, target) else limits.refusal(call, target)

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        if call.operation not in self.wire:
            raise InvalidRequest(f"{call.operation} is not served by {target.name}")
        path = "/messages" if call.operation == "chat" else "/messages/count_tokens"
        if call.head.query.get("beta") == "true" and call.dialect in self.wire.values():
            path += "?beta=true"  # the official client's beta resources ask so
        headers = _headers(call, target, self.wire.values())
        return UpstreamRequest("POST", target.provider.base_url + path, headers, request.build(call, target))

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        if call.operation == "tokens":
            return answer.parse_count(call, response)
        return stream.parse(call, response) if call.stream else answer.parse(call, response)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return parse_error(status, headers, body)

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        key = target.provider.credentials["api_key"]
        if target.provider.options.get("auth") == "bearer":
            return replace(request, headers={**request.headers, "authorization": f"Bearer {key}"})
        return replace(request, headers={**request.headers, "x-api-key": key})


def _headers(call: Call, target: Target, own_dialects: Any) -> dict[str, str]:
    """The client's own version counts only for the client's own bytes; its betas for all it says in this format."""
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if call.stream else "application/json",
        "anthropic-version": version(target),
    }
    if call.dialect in own_dialects and "anthropic-beta" in call.head.headers:
        headers["anthropic-beta"] = call.head.headers["anthropic-beta"]
    if call.is_verbatim and "anthropic-version" in call.head.headers:
        headers["anthropic-version"] = call.head.headers["anthropic-version"]
    return headers


PLUGIN = Anthropic()
