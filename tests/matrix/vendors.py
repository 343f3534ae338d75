"""The simulated vendors of the matrix, and the YAML that puts all of them behind one gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tests.vendors import anthropic, bedrock, gemini, openai
from tests.vendors.server import VendorServer

MODELS = {
    "openai": "gpt-5.4-mini",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-3.8-flash",
    "bedrock": "global.anthropic.claude-haiku-4-5-20251001-v1:0",
}
SAFETY = {  # what makes each simulator withhold its answer
    "openai": "[content_filter]",
    "anthropic": "[refusal]",
    "gemini": "[blocked]",
    "bedrock": "[guardrail]",
}

PROVIDERS = """
version: 1
providers:
  openai:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    models: {{{models[openai]}: {{operation: chat}}}}
  anthropic:
    plugin: anthropic
    base_url: {anthropic}
    credentials: {{api_key: {anthropic_key}}}
    models: {{{models[anthropic]}: {{operation: chat, max_output_tokens: 64000}}}}
  gemini:
    plugin: gemini
    base_url: {gemini}
    credentials: {{api_key: {gemini_key}}}
    models: {{{models[gemini]}: {{operation: chat}}}}
  bedrock:
    plugin: bedrock
    base_url: {bedrock}
    credentials: {{access_key_id: {access_key}, secret_access_key: {secret_key}}}
    options: {{region: us-east-1}}
    models: {{"{models[bedrock]}": {{operation: chat, max_output_tokens: 64000}}}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models:
  at-openai: {operation: chat, targets: [openai/*]}
  at-anthropic: {operation: chat, targets: [anthropic/*]}
  at-gemini: {operation: chat, targets: [gemini/*]}
  at-bedrock: {operation: chat, targets: [bedrock/*]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: /anthropic/v1/messages, dialect: anthropic.messages}
  - {path: "/gemini/{version}/models/{model}:generateContent", dialect: gemini.generate}
  - {path: "/gemini/{version}/models/{model}:streamGenerateContent", dialect: gemini.stream}
"""


@dataclass(frozen=True, slots=True)
class Vendors:
    servers: Mapping[str, VendorServer]
    providers_yaml: str


@asynccontextmanager
async def running() -> AsyncIterator[Vendors]:
    """Start every simulator; at the end none may have refused anything that was not meant to be."""
    async with AsyncExitStack() as stack:
        servers: dict[str, VendorServer] = {
            "openai": await stack.enter_async_context(openai.OpenAIServer()),
            "anthropic": await stack.enter_async_context(anthropic.AnthropicServer()),
            "gemini": await stack.enter_async_context(gemini.GeminiServer()),
            "bedrock": await stack.enter_async_context(bedrock.BedrockServer()),
        }
        urls = {name: server.base_url for name, server in servers.items()}
        yield Vendors(
            servers,
            PROVIDERS.format(
                **urls,
                models=MODELS,
                openai_key=openai.API_KEY,
                anthropic_key=anthropic.API_KEY,
                gemini_key=gemini.API_KEY,
                access_key=bedrock.ACCESS_KEY,
                secret_key=bedrock.SECRET_KEY,
            ),
        )
