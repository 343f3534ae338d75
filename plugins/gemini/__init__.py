"""Google Gemini by its own Developer API: generate, stream, embed, count tokens.

Wire format: vendors.md 3, read from google-genai 3.4.0 and google-ai-generativelanguage 0.12.1 on 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway.errors import GatewayError, InvalidRequest
from gateway.plugin import Inline, Worker
from gateway.types import Call, Chat, Embeddings, Event, Operation, Target, UpstreamRequest, UpstreamResponse

from . import chat, chat_answer, embeddings, settings, tokens
from .contents import is_signed
from .errors import parse_error
from .names import VENDOR, generation, resource
from .options import MODEL_OPTIONS_SCHEMA, OPTIONS_SCHEMA, VERSIONS

# The official client asks for v1 since 3.0; v1beta takes all of it and what is new besides.
DEFAULT_VERSION = "v1beta"


class Gemini:
    """The model stands in the path, so `Call.is_verbatim` sends the client's body byte for byte."""

    credentials = ("api_key",)
    system = "gcp.gemini"
    default_base_url = "https://generativelanguage.googleapis.com"
    backend: Inline | Worker | None = None
    wire: Mapping[Operation, str] = MappingProxyType(
        {"chat": "gemini.generate", "embeddings": "gemini.embed", "tokens": "gemini.count_tokens"}
    )
    vendor = VENDOR
    default_voices: Mapping[str, str] = MappingProxyType({})
    lacks = frozenset({"logit_bias", "parallel_tool_calls", "user"})  # fields of Chat that this vendor has no word for
    options_schema: Mapping[str, Any] = OPTIONS_SCHEMA
    model_options_schema: Mapping[str, Any] = MODEL_OPTIONS_SCHEMA

    def operations(self) -> frozenset[Operation]:
        return frozenset(self.wire)

    def speaks(self, call: Call, target: Target) -> bool:
        """The same format, streamed or not: the client's path says which.

        A tool loop that another vendor began lacks the signatures that Gemini 3 demands: it is translated, which puts
        the documented stand-in there.
        """
        if call.dialect not in chat.DIALECTS and self.wire.get(call.operation) != call.dialect:
            return False
        body = call.body
        if not isinstance(body, Chat) or body.only_verbatim or generation(target) < 3:
            return True
        return is_signed(body.messages)

    def carries(self, call: Call, target: Target) -> frozenset[str]:
        """What a client of this format said beyond the normal form is written out, also where it is translated."""
        is_own = call.dialect in chat.DIALECTS
        return frozenset(call.body.extra) if is_own and isinstance(call.body, Chat) else frozenset()

    def refusal(self, call: Call, target: Target) -> str | None:
        match call.body:
            case Chat() as body:
                return settings.refusal(body)
            case Embeddings() as body:
                return embeddings.refusal(body)
        return None

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        match call.operation:
            case "chat" if call.stream:
                verb, query, body = "streamGenerateContent", "?alt=sse", chat.build(call, target)
            case "chat":
                verb, query, body = "generateContent", "", chat.build(call, target)
            case "embeddings":
                verb, query, body = embeddings.verb(call), "", embeddings.build(call, target)
            case "tokens":
                verb, query, body = "countTokens", "", tokens.build(call, target)
            case _:
                raise InvalidRequest(f"{call.operation} is not served by {target.name}")
        url = f"{target.provider.base_url}/{_version(call, target)}/{resource(target)}:{verb}{query}"
        return UpstreamRequest("POST", url, {"content-type": "application/json"}, body)

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        match call.operation:
            case "embeddings":
                return embeddings.parse(call, response)
            case "tokens":
                return tokens.parse(call, response)
            case _:
                return chat_answer.parse(call, response)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return parse_error(status, headers, body)

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        key = target.provider.credentials["api_key"]
        return replace(request, headers={**request.headers, "x-goog-api-key": key})


def _version(call: Call, target: Target) -> str:
    chosen = target.provider.options.get("api_version")
    if chosen is not None:
        return str(chosen)
    asked = call.head.params.get("version", "")
    return asked if call.is_verbatim and asked in VERSIONS else DEFAULT_VERSION


PLUGIN = Gemini()
