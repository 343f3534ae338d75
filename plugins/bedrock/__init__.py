"""Amazon Bedrock: Converse and ConverseStream, which speak one format for the models of many makers.

Wire format: vendors.md 8, read from botocore 1.44.5 on 2026-11-23. Requests are signed by botocore, or carry a
Bedrock API key; streams come in AWS's binary framing, which botocore decodes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from gateway import sigv4
from gateway.errors import GatewayError, InvalidRequest
from gateway.plugin import Found, Inline, Worker
from gateway.types import Call, Chat, Event, Operation, Provider, Target, UpstreamRequest, UpstreamResponse

from . import answer, request
from .errors import parse_error

DEFAULT_REGION = "us-east-1"
SIGNING_NAME = "bedrock"  # not the endpoint's prefix, which is bedrock-runtime


class Bedrock:
    """See gateway/plugin.py. What only some makers' models know goes by `fields`, as their own page names it."""

    credentials = sigv4.CREDENTIALS
    system = "aws.bedrock"
    default_base_url = f"https://bedrock-runtime.{DEFAULT_REGION}.amazonaws.com"
    backend: Inline | Worker | None = None
    requires = ("botocore",)
    install_hint = "pip install 'ai-service-gateway[aws]'"
    wire: Mapping[Operation, str] = MappingProxyType({})
    default_voices: Mapping[str, str] = MappingProxyType({})
    lacks: frozenset[str] = frozenset(
        {"top_k", "seed", "n", "frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls"}
        | {"thinking_budget_tokens", "user"}
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
                "auth": {
                    "description": "sigv4 signs with an access key, see `credentials` here; bearer sends "
                    "the Bedrock API key in credentials.api_key.",
                    "enum": ["sigv4", "bearer"],
                    "default": "sigv4",
                },
            },
        }
    )
    model_options_schema: Mapping[str, Any] = MappingProxyType(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "efforts": {
                    "description": "The reasoning efforts that this model knows. Left out: none, and an effort that a "
                    "client asks for is left out or refused, as `drop` says.",
                    "type": "array",
                    "uniqueItems": True,
                    "items": {"type": "string", "minLength": 1, "maxLength": 16},
                },
                "fields": {
                    "description": "Sent as additionalModelRequestFields: what only this maker's models know.",
                    "type": "object",
                },
            },
        }
    )

    def operations(self) -> frozenset[Operation]:
        return frozenset({"chat"})

    def needs(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return ("api_key",) if options.get("auth") == "bearer" else sigv4.needs(options)

    def find_credentials(self, provider: Provider) -> Found:
        return Found({}) if _is_bearer(provider) else sigv4.find(provider)

    def lacks_at(self, call: Call, target: Target) -> frozenset[str]:
        """Return what Converse cannot express of this chat, such as a temperature above 1."""
        assert isinstance(call.body, Chat)
        return self.lacks | request.lacking(call.body, target)

    def refusal(self, call: Call, target: Target) -> str | None:
        return request.refusal(call.body) if isinstance(call.body, Chat) else f"does no {call.operation}"

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        if not isinstance(call.body, Chat):
            raise InvalidRequest(f"{target.name} does no {call.operation}")
        action = "converse-stream" if call.stream else "converse"
        url = f"{_origin(target)}/model/{quote(target.model.name, safe='')}/{action}"
        accept = "application/vnd.amazon.eventstream" if call.stream else "application/json"
        headers = {"content-type": "application/json", "accept": accept}
        return UpstreamRequest("POST", url, headers, request.build(call.body, target))

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        return answer.parse(response, is_streamed=call.stream)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return parse_error(status, headers, body)

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        if _is_bearer(target.provider):
            bearer = f"Bearer {target.provider.credentials['api_key']}"
            return replace(request, headers={**request.headers, "authorization": bearer})
        return sigv4.sign(request, target, service=SIGNING_NAME, region=_region(target))


def _is_bearer(provider: Provider) -> bool:
    return provider.options.get("auth") == "bearer"


def _region(target: Target) -> str:
    region: str = target.provider.options.get("region", DEFAULT_REGION)
    return region


def _origin(target: Target) -> str:
    if target.provider.base_url != Bedrock.default_base_url:
        return target.provider.base_url
    region = _region(target)
    return f"https://bedrock-runtime.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


PLUGIN = Bedrock()
