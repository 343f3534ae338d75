"""OpenAI and every vendor that speaks its wire format: chat completions, responses, embeddings, speech, transcription.

Wire format: vendors.md 1, read from the official package 3.54.0 on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from gateway.errors import GatewayError, InvalidRequest
from gateway.plugin import Inline, Worker
from gateway.types import (
    Call,
    Chat,
    Event,
    Live,
    Operation,
    Target,
    Thinking,
    UpstreamRequest,
    UpstreamResponse,
    replace,
)

from . import chat, chat_answer, embeddings, live, responses, responses_answer, speech, transcription
from .errors import parse_error
from .options import MODEL_OPTIONS_SCHEMA, OPTIONS_SCHEMA, api_for

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
    live = live.LiveSockets()
    default_voices: Mapping[str, str] = MappingProxyType({voice: voice for voice in VOICES})
    options_schema: Mapping[str, Any] = OPTIONS_SCHEMA
    model_options_schema: Mapping[str, Any] = MODEL_OPTIONS_SCHEMA
    lacks: frozenset[str] = frozenset({"top_k", "thinking_budget_tokens"})

    def needs(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """A server of one's own may ask for no key."""
        return () if options.get("auth") == "none" else self.credentials

    def speaks(self, call: Call, target: Target) -> bool:
        """Say whether the client's own bytes may go to this target."""
        if call.operation != "chat":
            return self.wire.get(call.operation) == call.dialect
        if call.dialect != f"openai.{api_for(call, target)}":
            return False
        return call.dialect == "openai.chat" or not _holds_foreign_thinking(call)

    def lacks_at(self, call: Call, target: Target) -> frozenset[str]:
        """Return the parameters that the endpoint which serves the call has no field for."""
        return self.lacks | responses.LACKS if api_for(call, target) == "responses" else self.lacks

    def carries(self, call: Call, target: Target) -> frozenset[str]:
        """Return which further fields of the client go out."""
        if api_for(call, target) == "responses":
            return responses.carried_extra(call)
        return chat.carried_extra(call)

    def operations(self) -> frozenset[Operation]:
        return frozenset(self.wire) | {"realtime"}

    def refusal(self, call: Call, target: Target) -> str | None:
        if call.operation == "transcription":
            return transcription.refusal(call, target)
        if call.operation == "speech":
            return speech.refusal(call)
        if isinstance(call.body, Chat):
            return self._chat_refusal(call, call.body, target)
        return None

    def _chat_refusal(self, call: Call, body: Chat, target: Target) -> str | None:
        if self.speaks(call, target):
            return None  # the client's own bytes: the vendor will say
        return responses.refusal(body) if api_for(call, target) == "responses" else chat.refusal(body, target)

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        match call.operation:
            case "chat" if api_for(call, target) == "responses":
                path, body = "/responses", responses.build(call, target)
            case "chat":
                path, body = "/chat/completions", chat.build(call, target)
            case "embeddings":
                path, body = "/embeddings", embeddings.build(call, target)
            case "speech":
                path, body = "/audio/speech", speech.build(call, target)
            case "transcription":
                path, form = transcription.build(call, target)
                return UpstreamRequest("POST", _url(target, path), _headers(call, target), form)
            case "realtime":
                assert isinstance(call.body, Live)
                url = _url(target, "/realtime")
                mark = "&" if "?" in url else "?"
                return UpstreamRequest("GET", f"{url}{mark}{live.query(call.body, target)}", _headers(call, target))
            case _:
                raise InvalidRequest(f"{call.operation} is not served by {target.name}")
        headers = _headers(call, target) | {"content-type": "application/json"}
        return UpstreamRequest("POST", _url(target, path), headers, body)

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        match call.operation:
            case "chat" if call.target is not None and api_for(call, call.target) == "responses":
                return responses_answer.parse(call, response)
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
        auth = target.provider.options.get("auth", "bearer")
        key = target.provider.credentials.get("api_key", "")
        if not key:
            return request  # auth: none, and the server was given no key of its own
        name, value = ("api-key", key) if auth == "api-key" else ("authorization", f"Bearer {key}")
        return replace(request, headers={**request.headers, name: value})


def _holds_foreign_thinking(call: Call) -> bool:
    """Say whether the conversation holds another vendor's sealed reasoning, which this one would refuse to read."""
    assert isinstance(call.body, Chat)
    parts = (part for message in call.body.messages for part in message.parts)
    return any(isinstance(part, Thinking) and part.vendor != responses.VENDOR for part in parts)


def _url(target: Target, path: str) -> str:
    prefix = target.provider.options.get("prefix", "")
    if "{model}" in prefix:
        if not target.model.name.strip("."):  # a dot segment, however it is spelled, is another path
            raise InvalidRequest(f"model {target.model.name!r} cannot stand in a path", param="model")
        prefix = prefix.replace("{model}", quote(target.model.name, safe=""))
    query = target.provider.options.get("query")
    return f"{target.provider.base_url}{prefix}{path}" + (f"?{urlencode(query)}" if query else "")


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
