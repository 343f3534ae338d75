"""What `explain` says of a request is what then becomes of it, whoever asks for what by which key."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from gateway.cli import group
from gateway.explain import Question, explain
from tests.harness import Inside, inside, process

PROVIDERS = """
version: 1
providers:
  one: {plugin: sandbox, models: {chat: {operation: chat, price: {usd_per_request: 0.001}}, voice: {operation: speech}}}
  two: {plugin: sandbox, models: {chat: {operation: chat, context_tokens: 40}, embed: {operation: embeddings}}}
  three: {plugin: sandbox, models: {chat: {operation: chat, refuses: [tools]}, hear: {operation: transcription}}}
  choosy: {plugin: google_stt, credentials: {api_key: k}, models: {hear: {operation: transcription, max_audio_s: 60}}}
"""
KEYS = ("plain", "narrow", "poor", "choosy")
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", log_level: error}
keys:
  static:
    - {name: plain, tenant: a, key: key-plain-0123456789abcdef}
    - {name: narrow, tenant: a, key: key-narrow-0123456789abcdef, models: [first], operations: [chat]}
    - {name: poor, tenant: b, key: key-poor-0123456789abcdef, limits: {requests: 3/day}}
    - {name: choosy, tenant: b, key: key-choosy-0123456789abcdef, providers: [two, three]}
    - {name: ops, tenant: '*', key: key-ops-0123456789abcdef, role: operator}
models:
  first: {operation: chat, targets: [one/chat, two/chat]}
  small: {operation: chat, targets: [two/chat, three/chat]}
  last: {operation: chat, targets: [three/chat]}
  when: {operation: chat, targets: [{target: two/chat, when: {headers: {x-kind: quick}}}, one/chat]}
  turns: {operation: chat, strategy: round-robin, targets: [one/chat, three/chat]}
  embed: {operation: embeddings, targets: [two/embed]}
  speak: {operation: speech, targets: [one/voice]}
  hear: {operation: transcription, targets: [three/hear]}
  heed: {operation: transcription, targets: [choosy/hear, three/hear]}
limits: {tight: {per: [tenant], only: {model: [last]}, requests: 2/day}}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat, cache: {ttl_s: 600}}
  - {path: /plain/chat/completions, dialect: openai.chat}
  - {path: /v1/embeddings, dialect: openai.embeddings}
  - {path: /v1/audio/speech, dialect: openai.speech}
  - {path: /v1/audio/transcriptions, dialect: openai.transcription}
"""
PATHS = ("/v1/chat/completions", "/plain/chat/completions", "/v1/embeddings", "/v1/audio/speech", "/nowhere")
MODELS = ("first", "small", "last", "when", "turns", "embed", "speak", "one/chat", "frist")
TEXTS = ("hello", "word " * 100, "again")
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Inside, aiohttp.ClientSession]]:
    async with inside(folder, PROVIDERS, ROUTES) as gateway, aiohttp.ClientSession(gateway.url) as client:
        yield gateway, client


async def told(gateway: Inside, question: Question) -> dict[str, Any]:
    facts = await explain(question, gateway.gateway.snapshot, gateway.services)
    facts["answer"].pop("retry_after_s", None)
    for limit in facts.get("limits", ()):
        limit.pop("resets_in_s")  # it goes on by itself
    return facts


def _timeless(text: str) -> str:
    return re.sub(r"in \d+ s", "in some s", text)


def drawn(chance: random.Random) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Return a path, a body and headers, some of which go together."""
    path, text = chance.choice(PATHS), chance.choice(TEXTS)
    body: dict[str, Any] = {"model": chance.choice(MODELS), "messages": [{"role": "user", "content": text}]}
    if "chat" not in path:
        body = {"model": body["model"], "input": text, **({"voice": "nova"} if "speech" in path else {})}
    elif chance.random() < 0.2:
        body["tools"] = [TOOL]
    headers = {"authorization": f"Bearer key-{chance.choice(KEYS)}-0123456789abcdef"}
    if chance.random() < 0.1:
        headers["authorization"] = "Bearer key-of-nobody-0123456789abcdef"
    if chance.random() < 0.3:
        headers["x-kind"] = chance.choice(("quick", "slow"))
    if chance.random() < 0.2:
        headers["cache-control"] = chance.choice(("no-store", "no-cache"))
    return path, body, headers


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_said_of_a_request_is_what_becomes_of_it(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with house(tmp_path) as (gateway, client):
        for _ in range(50):
            path, body, headers = drawn(chance)
            before = gateway.services.limiter.local.held
            said = await told(gateway, Question("POST", path, body, headers))
            assert gateway.services.limiter.local.held == before
            again = await told(gateway, Question("POST", path, body, headers))
            assert _timeless(str(again)) == _timeless(str(said))  # asking changes nothing
            async with client.post(path, json=body, headers=headers) as answer:
                got = await answer.read()
            if "status" in said["answer"]:
                error = json.loads(got)["error"]
                assert (answer.status, error["code"]) == (said["answer"]["status"], said["answer"]["code"]), said
                assert _timeless(error["message"]) == _timeless(said["answer"]["message"])
                continue
            assert answer.status == 200, (said, got)
            assert answer.headers.get("x-gateway-cache", "off") == said.get("cache", {}).get("result", "off")
            if "key" in said.get("cache", {}):
                assert answer.headers["x-gateway-cache-key"] == said["cache"]["key"]
            name = f"{answer.headers['x-gateway-provider']}/{answer.headers['x-gateway-model'].partition('/')[2]}"
            if said["answer"]["from"] != "cache":
                assert said["answer"]["from"] == name or said["answer"]["from"].startswith(
                    answer.headers["x-gateway-provider"] + "/"
                )
            for limit in said["limits"]:
                if limit["unit"] == "requests" and limit["limit"] == "tight":
                    assert answer.headers["x-ratelimit-remaining-requests"] == str(limit["left"])


async def test_reasons_prices_and_limits_are_told(tmp_path: Path) -> None:
    async with house(tmp_path) as (gateway, _):
        headers = {"authorization": "Bearer key-poor-0123456789abcdef"}
        body = {"model": "small", "messages": [{"role": "user", "content": "word " * 100}]}
        said = await told(gateway, Question("POST", "/plain/chat/completions", body, headers))
        assert said["client"] == {"name": "poor", "tenant": "b"}
        assert said["chain"][:2] == ["auth", "quota"]
        assert said["targets"] == ["three/chat"]
        (dropped,) = said["dropped"]
        assert dropped["target"] == "two/chat"
        assert "40" in dropped["reason"]
        (limit,) = said["limits"]
        assert (limit["of"], limit["needs"], limit["left"], limit["amount"], limit["window_s"]) == (
            "key=poor",
            1,
            2,
            3,
            86_400,
        )
        first = await told(gateway, Question("POST", "/plain/chat/completions", {"model": "first"}, headers))
        assert first["prices"]["one/chat"] == 1_000_000
        assert first["prices"]["two/chat"] is None


async def test_a_recording_is_asked_about_by_its_length(tmp_path: Path) -> None:
    async with house(tmp_path) as (gateway, _):
        headers = {"authorization": "Bearer key-plain-0123456789abcdef"}
        said = await told(gateway, Question("POST", "/v1/audio/transcriptions", {"model": "hear"}, headers, seconds=9))
        assert said["targets"] == ["three/hear"]
        for seconds, first in ((60, "choosy/hear"), (3_600, "three/hear")):
            asked = Question("POST", "/v1/audio/transcriptions", {"model": "heed"}, headers, seconds=seconds)
            assert (await told(gateway, asked))["targets"][0] == first
        wrong = await told(gateway, Question("POST", "/v1/audio/transcriptions", {"model": "hear"}, headers, seconds=0))
        assert "more than 0" in wrong["answer"]["message"]


async def test_the_command_tells_it_and_exits_by_it(tmp_path: Path) -> None:
    async with process(tmp_path, PROVIDERS, ROUTES):

        def run(*arguments: str) -> tuple[int, str]:
            result = CliRunner().invoke(group, ["explain", *arguments, str(tmp_path)], standalone_mode=False)
            assert result.exception is None or result.return_value, result.output
            return int(result.return_value or 0), result.output

        status, text = await asyncio.to_thread(
            run, "POST", "/v1/chat/completions", "--model", "first", "--key", "plain", "--header", "x-kind: slow"
        )
        assert status == 0
        assert "client    plain of a" in text
        assert "target    one/chat, about 0.001000 USD" in text
        assert "answered  by one/chat" in text
        _, text = await asyncio.to_thread(run, "POST", "/plain/chat/completions", "--model", "last", "--key", "poor")
        assert "limit     key poor of key=poor: takes 1, which leaves 2 of 3 requests per day" in text
        status, text = await asyncio.to_thread(
            run, "POST", "/v1/chat/completions", "--model", "small", "--key", "narrow", "--json"
        )
        assert (status, json.loads(text)["answer"]["status"]) == (1, 403)


async def test_an_operator_asks_about_his_tenants_keys_alone(tmp_path: Path) -> None:
    """`ops` is of tenant `*`; `a-ops` sees the keys of tenant a, and none of b's."""
    own = "    - {name: a-ops, tenant: a, key: key-a-ops-0123456789abcdef, role: operator}\n"
    routes = ROUTES.replace("    - {name: ops", own + "    - {name: ops")
    async with inside(tmp_path, PROVIDERS, routes) as gateway, aiohttp.ClientSession(gateway.url) as client:
        question = {"method": "POST", "path": "/plain/chat/completions", "body": {"model": "first"}}
        for who, key, status in (
            ("ops", "poor", 200), ("ops", None, 200), ("a-ops", "plain", 200), ("a-ops", "poor", 404),
            ("a-ops", None, 403), ("ops", "nobody", 404),
        ):  # fmt: skip
            headers = {"authorization": f"Bearer key-{who}-0123456789abcdef"}
            asked = question | ({"key": key} if key is not None else {})
            async with client.post("/admin/explain", json=asked, headers=headers) as answer:
                assert answer.status == status, (who, key, await answer.text())
