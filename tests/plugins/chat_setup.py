"""A gateway in front of the fake OpenAI and the fake Bedrock, and official clients of it, for tests of chats."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from tests.harness import Inside, inside
from tests.vendors.bedrock import ACCESS_KEY, SECRET_KEY, BedrockServer
from tests.vendors.openai import API_KEY, OpenAIServer

ROUTES = """
version: 1
keys: {anonymous: loopback}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: /v1/responses, dialect: openai.responses}
  - {path: /v1/completions, dialect: openai.completions}
  - {path: /translated/chat/completions, dialect: openai.chat, verbatim: false}
  - {path: /translated/responses, dialect: openai.responses, verbatim: false}
"""

# One vendor under four names: as itself, as one that knows chats only, as one that knows responses only, and as one
# whose rows refuse what the simulator's models refuse.
PROVIDERS = """
version: 1
providers:
  both: &openai
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    options: {{api: both, max_tokens_field: max_completion_tokens}}
    models: &models
      gpt-4o-mini: {{operation: chat}}
      gpt-5.4: {{operation: chat, default_reasoning_effort: none}}
      gpt-5.6-luna: {{operation: chat, default_reasoning_effort: medium}}
      gpt-6-luna: {{operation: chat, default_reasoning_effort: medium}}
  chats:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    models: *models
  responses:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    options: {{api: responses}}
    models: *models
  careful:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    options: {{max_tokens_field: max_completion_tokens}}
    models:
      gpt-6-luna:
        operation: chat
        default_reasoning_effort: medium
        refuses: [stop]
        refuses_while_reasoning: [temperature, top_p, logprobs, top_logprobs, frequency_penalty, presence_penalty]
  bedrock:
    plugin: bedrock
    base_url: {bedrock}
    credentials: {{access_key_id: {access_key}, secret_access_key: {secret_key}}}
    models:
      amazon.nova-lite-v1:0: {{operation: chat}}
      amazon.nova-micro-v1:0: {{operation: chat, modalities: [text]}}
      global.anthropic.claude-haiku-4-5-20251001-v1:0: {{operation: chat, options: {{efforts: [low, medium, high]}}}}
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a test works with; `client` makes no retries. `strict` is the same with its answers checked by the SDK."""

    openai: OpenAIServer
    bedrock: BedrockServer
    gateway: Inside
    client: AsyncOpenAI
    strict: AsyncOpenAI


@asynccontextmanager
async def chat_setup(folder: Path, providers: str = PROVIDERS, routes: str = ROUTES) -> AsyncIterator[Setup]:
    """Run both vendors and the gateway; the texts in braces of `providers` are filled in."""
    async with OpenAIServer() as openai, BedrockServer() as bedrock:
        filled = providers.format(
            openai=openai.base_url,
            openai_key=API_KEY,
            bedrock=bedrock.origin,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
        )
        async with inside(folder, filled, routes) as gateway:
            plain: dict[str, Any] = {"base_url": f"{gateway.url}/v1", "api_key": "x", "max_retries": 0}
            async with (
                AsyncOpenAI(**plain) as client,
                AsyncOpenAI(**plain, _strict_response_validation=True) as strict,
            ):
                yield Setup(openai, bedrock, gateway, client, strict)
