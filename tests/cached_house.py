"""A gateway with a cache on every route, in front of the fake OpenAI; and clients of it."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness import Inside, Process, inside, process
from tests.vendors.openai.server import API_KEY, OpenAIServer

CHAT, SPEECH = "/v1/chat/completions", "/v1/audio/speech"
HEARD, EMBED = "/v1/audio/transcriptions", "/v1/embeddings"

PROVIDERS = """
version: 1
providers:
  openai:
    plugin: openai
    base_url: {base_url}
    credentials: {{api_key: {api_key}}}
    models:
      gpt-4o-mini: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}}
      tts-1: {{operation: speech, price: {{usd_per_mchar: 15}}}}
      whisper-1: {{operation: transcription, price: {{usd_per_audio_minute: 0.006}}}}
      text-embedding-3-small: {{operation: embeddings, price: {{input_usd_per_mtok: 0.02}}}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys:
  anonymous: loopback
  static: [{name: ops, key: ops-secret-0123456789, role: admin, tenant: "*"}]
stores: {database_url: "sqlite:gateway.db"}
defaults: {cache: {ttl_s: 300}}
models:
  chat: {operation: chat, targets: [openai/gpt-4o-mini]}
  speak: {operation: speech, targets: [openai/tts-1]}
  transcribe: {operation: transcription, targets: [openai/whisper-1]}
  embed: {operation: embeddings, targets: [openai/text-embedding-3-small]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat, model: chat}
  - {path: /v1/audio/speech, dialect: openai.speech, model: speak}
  - {path: /v1/audio/transcriptions, dialect: openai.transcription, model: transcribe}
  - {path: /v1/embeddings, dialect: openai.embeddings, model: embed}
"""
ADMIN_KEY = "ops-secret-0123456789"


@dataclass
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def cache(self) -> str | None:
        return self.headers.get("x-gateway-cache")


@dataclass
class CachedHouse:
    gateway: Process | Inside
    vendor: OpenAIServer
    http: aiohttp.ClientSession

    async def post(self, path: str, body: Any, url: str = "", **headers: str) -> Got:
        """Send JSON or a form; `_` in the names of headers is `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        how = {"data" if isinstance(body, aiohttp.FormData) else "json": body}
        async with self.http.post((url or self.gateway.url) + path, headers=sent, **how) as answer:
            told = {name.lower(): value for name, value in answer.headers.items()}
            return Got(answer.status, told, await answer.read())

    async def chat(self, text: str = "hello", *, stream: bool = False, **headers: str) -> Got:
        return await self.post(CHAT, question(text, stream=stream), **headers)

    async def speech(self, text: str = "Good morning.", **headers: str) -> Got:
        return await self.post(SPEECH, {"model": "speak", "input": text, "voice": "nova"}, **headers)


def question(text: str = "hello", *, stream: bool = False, **more: Any) -> dict[str, Any]:
    asked = {"model": "chat", "messages": [{"role": "user", "content": text}], **more}
    return asked | {"stream": True} if stream else asked


def form(text: str = "hello") -> aiohttp.FormData:
    """Return a form with a second of silence; `text` goes with it as the prompt."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(32_000))
    data = aiohttp.FormData()
    data.add_field("file", file.getvalue(), filename="a.wav", content_type="audio/wav")
    data.add_field("model", "transcribe")
    data.add_field("prompt", text)
    return data


@asynccontextmanager
async def cached_house(
    folder: Path, routes: str = ROUTES, vendor: OpenAIServer | None = None
) -> AsyncIterator[CachedHouse]:
    """Serve within the test's loop."""
    async with vendor or OpenAIServer() as server:
        async with inside(folder, providers_of(server), routes) as gateway, aiohttp.ClientSession() as http:
            await gateway.services.cache.ready()
            yield CachedHouse(gateway, server, http)


@asynccontextmanager
async def cached_process(folder: Path, vendor: OpenAIServer, routes: str = ROUTES) -> AsyncIterator[CachedHouse]:
    """Serve by a process of its own; `vendor` is running."""
    async with process(folder, providers_of(vendor), routes) as gateway, aiohttp.ClientSession() as http:
        yield CachedHouse(gateway, vendor, http)


def providers_of(vendor: OpenAIServer) -> str:
    return PROVIDERS.format(base_url=vendor.base_url, api_key=API_KEY)
