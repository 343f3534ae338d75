"""A prompt to test with, a vendor that says what a test wants, and the gateway between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.harness import Inside

PROMPT = """
version: 1
system: "You answer in {{ language }}."
template: |
  Say something about {{ topic }}.
  {% if text %}
  <text>{{ text }}</text>
  {% endif %}
parameters: {temperature: 0.5, max_tokens: 500}
input:
  type: object
  required: [topic]
  additionalProperties: false
  properties:
    topic: {type: string, minLength: 1, maxLength: 200}
    language: {type: string, default: English}
    count: {type: integer, minimum: 1, maximum: 3}
    wants: {type: array, items: {type: string}, maxItems: 2}
    text: {type: string}
output:
  type: object
  required: [words]
  additionalProperties: false
  properties:
    words: {type: array, minItems: 2, items: {type: string}}
fallback: {words: [nothing, better]}
long_input:
  field: text
  max_chars: 1000
  max_pieces: 5
  summary_tokens: 200
  summarise: "Part {{ part }} of {{ parts }}, at most {{ max_chars }}, on {{ topic }}: <piece>{{ text }}</piece>"
"""
GOOD = json.dumps({"words": ["a", "b"]})
BAD = json.dumps({"words": ["a"]})

Say = Callable[[str], str]


@dataclass
class Vendor:
    """Speaks OpenAI's streamed chat; `says` gives the texts in turn, then the last one again."""

    says: list[str] = field(default_factory=lambda: [GOOD])
    asked: list[dict[str, Any]] = field(default_factory=list)
    reply: Say | None = None
    at_once: int = 0
    most_at_once: int = 0
    fails_at: int | None = None
    url: str = ""
    gate: asyncio.Event | None = None  # nothing is answered before it is set
    left: int = 0  # requests that were given up

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.content.read())
        self.asked.append(body)
        number = len(self.asked)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await (self.gate.wait() if self.gate is not None else asyncio.sleep(0.005))
        except asyncio.CancelledError:
            self.left += 1
            raise
        finally:
            self.at_once -= 1
        if self.fails_at == number:
            return web.json_response({"error": {"message": "no"}}, status=500)
        text = self.reply(self.prompt(body)) if self.reply else self.says[min(number, len(self.says)) - 1]
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
            await _send(response, chunk | {"choices": [{"index": 0, "delta": {"content": piece}}]})
        await _send(response, chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        await _send(response, chunk | {"choices": [], "usage": usage})
        await response.write(b"data: [DONE]\n\n")
        return response

    @staticmethod
    def prompt(body: dict[str, Any]) -> str:
        return str(body["messages"][-1]["content"])


async def _send(response: web.StreamResponse, value: Any) -> None:
    await response.write(b"data: " + json.dumps(value).encode() + b"\n\n")


def files(url: str, more: str = "") -> tuple[str, str]:
    price = "price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}"
    providers = f"""
version: 1
providers:
  acme:
    plugin: openai
    base_url: "{url}"
    credentials: {{api_key: sk-0123456789abcdef0123}}
    models: {{small: {{operation: chat, {price}}}, large: {{operation: chat, {price}}}}}
  sandbox: {{plugin: sandbox, models: {{chat: {{operation: chat}}}}}}
"""
    routes = f"""
version: 1
server: {{listen: "127.0.0.1:0"}}
keys: {{anonymous: loopback}}
routes:
  - {{path: /say, dialect: prompt, prompt: prompts/say.yaml, model: acme/small, failover: none{more}}}
"""
    return providers, routes


@dataclass
class Setup:
    gateway: Inside
    http: aiohttp.ClientSession
    vendor: Vendor

    async def say(self, **body: Any) -> tuple[int, dict[str, Any]]:
        async with self.http.post("/say", json=body) as response:
            return response.status, await response.json()


def write(folder: Path, old: str = "", new: str = "") -> None:
    assert old in PROMPT
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "say.yaml").write_text(PROMPT.replace(old, new, 1) if old else PROMPT)
