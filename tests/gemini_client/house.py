"""The gateway between the official google-genai client and the fakes of Gemini and OpenAI."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from google.genai import types

from tests.harness import Inside
from tests.vendors.gemini import GeminiServer
from tests.vendors.openai import OpenAIServer

PROVIDERS = """
version: 1
providers:
  gemini:
    plugin: gemini
    base_url: {gemini}
    credentials: {{api_key: {gemini_key}}}
    models:
      gemini-3.8-flash: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}}
      gemini-2.5-flash: {{operation: chat}}
      gemini-embedding-001: {{operation: embeddings}}
  openai:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    models:
      gpt-5.4-mini: {{operation: chat}}
      text-embedding-3-small: {{operation: embeddings}}
  sandbox:
    plugin: sandbox
    models:
      chat: {{operation: chat}}
      embeddings: {{operation: embeddings}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models:
  own: {operation: chat, targets: [gemini/gemini-3.8-flash]}
  gpt: {operation: chat, targets: [openai/gpt-5.4-mini]}
  dry: {operation: chat, targets: [sandbox/chat]}
  both: {operation: chat, targets: [gemini/gemini-2.5-flash, openai/gpt-5.4-mini]}
  own-embed: {operation: embeddings, targets: [gemini/gemini-embedding-001]}
  gpt-embed: {operation: embeddings, targets: [openai/text-embedding-3-small]}
  dry-embed: {operation: embeddings, targets: [sandbox/embeddings]}
routes:
  - {path: /v1/models, dialect: openai.models}
  - {path: "/v1/models/{model}", dialect: openai.models}
  - {path: "/{version}/models/{model}:generateContent", dialect: gemini.generate}
  - {path: "/{version}/models/{model}:streamGenerateContent", dialect: gemini.stream}
  - {path: "/{version}/models/{model}:countTokens", dialect: gemini.count_tokens}
  - {path: "/{version}/models/{model}:embedContent", dialect: gemini.embed}
  - {path: "/{version}/models/{model}:batchEmbedContents", dialect: gemini.embed}
  - {path: /v1beta/models, dialect: gemini.models}
  - {path: "/v1beta/models/{model}", dialect: gemini.models}
  - {path: "/translated/{model}:generateContent", dialect: gemini.generate, verbatim: false}
  - {path: /v1/chat/completions, dialect: openai.chat}
"""
SERVED = ["own", "gpt", "dry"]
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+P+/HgAFhAJ/wlseKgAAAABJRU5ErkJggg=="
)
WEATHER = {
    "name": "get_weather",
    "description": "Say how the weather is.",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
}
CLOCK = {"name": "get_time", "parameters_json_schema": {"type": "object", "properties": {}}}
TOOLS: Any = {"tools": [{"function_declarations": [WEATHER, CLOCK]}]}


@dataclass
class House:
    """The gateway, its vendors, and a client that believes it talks to Google."""

    gateway: Inside
    gemini: GeminiServer
    openai: OpenAIServer
    client: Any  # AsyncModels of google-genai


async def streamed(house: House, **options: Any) -> list[types.GenerateContentResponse]:
    return [chunk async for chunk in await house.client.generate_content_stream(**options)]
