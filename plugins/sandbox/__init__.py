"""A provider with no dependencies, no network and no key: every part of the gateway can be tried and tested against it.

It answers chats about the gateway from the gateway's own documentation and repeats anything else, speaks in tones that
carry their text, writes that text down again, embeds by hashing words, and fails on request. See docs/sandbox.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from gateway.errors import (
    GatewayError,
    UnsupportedByTarget,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.json import loads
from gateway.plugin import Inline, Worker, retry_after_s
from gateway.types import (
    Call,
    Chat,
    Embeddings,
    Event,
    Live,
    Operation,
    Recording,
    Speech,
    Target,
    UpstreamRequest,
    UpstreamResponse,
)

from . import asking, live, wire
from .options import OPTIONS_SCHEMA
from .server import Server
from .speaking import DEFAULT_VOICES


class BeyondSandbox(UnsupportedByTarget):
    """Foreign audio, a hard schema, a long input: a real provider may well do it."""

    status = 422


class Sandbox:
    """The plugin; `backend` is the only part of it that waits for anything."""

    options_schema: Mapping[str, Any] = OPTIONS_SCHEMA  # of the provider and of each model; a model's own win
    credentials: tuple[str, ...] = ()
    default_base_url = "inline://sandbox"
    wire: Mapping[Operation, str] = {}
    default_voices: Mapping[str, str] = DEFAULT_VOICES
    lacks: frozenset[str] = frozenset()  # what it makes no use of does no harm here

    def __init__(self) -> None:
        server = Server()
        self.backend: Inline | Worker | None = Inline(server.answer, server.live)
        self.live = live.LiveSandbox()

    def operations(self) -> frozenset[Operation]:
        """What the sandbox can do at all."""
        return frozenset({"chat", "embeddings", "speech", "transcription", "realtime"})

    def refusal(self, call: Call, target: Target) -> str | None:
        """Return why this target cannot serve this call, or None where it can."""
        match call.body:
            case Chat():
                return asking.chat_refusal(call.body)
            case Embeddings():
                return asking.embeddings_refusal(call.body)
            case Speech():
                return asking.speech_refusal(call.body, target)
            case Recording():
                return asking.recording_refusal(call.body)
            case Live():
                return live.refusal(call)
        return "does not list models"

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        """Return the request as JSON; a recording goes beside it as a file. Raises UnsupportedByTarget."""
        described = {
            "operation": call.operation,
            "model": target.model.name,
            "options": {**target.provider.options, **target.model.options},
        }
        url = f"{target.provider.base_url}/{call.operation}"
        match call.body:
            case Live():
                return live.build(call, target)
            case Chat():
                described |= asking.chat_request(call.body)
            case Embeddings():
                described |= asking.embeddings_request(call.body)
            case Speech():
                described |= asking.speech_request(call.body, target)
            case Recording():
                return UpstreamRequest("POST", url, {}, asking.recording_form(call.body, described))
            case _:
                raise UnsupportedByTarget(f"the sandbox has no operation '{call.operation}'")
        return UpstreamRequest("POST", url, {"content-type": "application/json"}, asking.written(described))

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        """Yield the events of an answer. Raises UpstreamCut, UpstreamMalformed."""
        return wire.events(response.chunks)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Say what an answer other than 200 means."""
        message = _message(status, body)
        if status == 429:
            return UpstreamRateLimited(message, retry_after_s=retry_after_s(headers))
        if status >= 500:
            return UpstreamUnavailable(message, retry_after_s=retry_after_s(headers))
        if status == 404:
            return UpstreamNotFound(message)
        return BeyondSandbox(message) if status == 422 else UpstreamRejected(message)

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        """Return the request as it is: there are no credentials."""
        return request


def _message(status: int, body: bytes) -> str:
    try:
        return str(loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the sandbox answered with status {status}"


PLUGIN = Sandbox()
