"""Strategies, groups and conditions of a model's targets: a gateway of its own process, vendors behind real sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.harness import Process, process
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = ("near", "mid", "far")
ALL = "[near/gpt-5.4-mini, mid/gpt-5.4-mini, far/gpt-5.4-mini]"

PRICES = {
    "near": "usd_per_request: 0.01",
    "mid": "usd_per_request: 1",
    "far": "input_usd_per_mtok: 1, output_usd_per_mtok: 1",
}

ROUTES = f"""
version: 1
server: {{listen: "127.0.0.1:0"}}
keys:
  anonymous: loopback
  static:
    - {{name: voice, key: the-key-of-voice, tenant: acme, tags: {{team: voice}}}}
voices: {{narrator: {{near: nova, mid: nova, far: nova}}, guide: {{mid: alloy}}}}
limits:
  money: {{per: [], budget: 4 USD total, only: {{model: [thrifty]}}}}
models:
  in-turn: {{operation: chat, strategy: round-robin, targets: {ALL}}}
  kept: {{operation: chat, strategy: round-robin, targets: {ALL}}}
  by-weight:
    operation: chat
    strategy: weighted
    targets:
      - {{target: near/gpt-5.4-mini, weight: 3}}
      - {{target: mid/gpt-5.4-mini, weight: 1}}
      - {{target: far/gpt-5.4-mini, weight: 0}}
  quick: {{operation: chat, strategy: fastest, targets: [near/gpt-5.5, far/gpt-5.5]}}
  idle: {{operation: chat, strategy: least-busy, targets: {ALL}}}
  frugal: {{operation: chat, strategy: cheapest, targets: {ALL}}}
  loyal: {{operation: chat, strategy: sticky, targets: {ALL}}}
  grouped:
    operation: chat
    strategy: round-robin
    targets:
      - {{target: far/gpt-5.4-mini, group: 2}}
      - near/gpt-5.4-mini
      - mid/gpt-5.4-mini
  particular:
    operation: chat
    targets:
      - {{target: near/gpt-5.4-mini, when: {{headers: {{x-quality: [high, 'premium*']}}}}}}
      - {{target: mid/gpt-5.4-mini, when: {{tags: {{team: voice}}}}}}
      - {{target: far/gpt-5.4-mini, when: {{max_input_tokens: 1000}}}}
  thrifty:
    operation: chat
    targets:
      - {{target: mid/gpt-5.4-mini, when: {{budget_left: {{limit: money, min_percent: 50}}}}}}
      - near/gpt-5.4-mini
  roomy:
    operation: chat
    strategy: cheapest
    targets: [near/gpt-5.4, mid/gpt-5.4-mini]
  speak:
    operation: speech
    strategy: round-robin
    targets:
      - {{target: near/tts-1, when: {{language: [de]}}}}
      - mid/tts-1
      - far/tts-1
routes:
  - {{path: /v1/chat/completions, dialect: openai.chat}}
  - {{path: /kept, dialect: openai.chat, cache: {{ttl_s: 60}}}}
  - {{path: /v1/audio/speech, dialect: openai.speech}}
  - {{path: /tts/speak, dialect: native.tts}}
cache: {{max_bytes: 1000000}}
"""


def row(name: str, url: str) -> str:
    return f"""
  {name}:
    plugin: openai
    base_url: {url}
    credentials: {{api_key: {API_KEY}}}
    breaker: none
    models:
      gpt-5.4-mini: {{operation: chat, price: {{{PRICES[name]}}}}}
      gpt-5.5: {{operation: chat, price: {{usd_per_request: 0}}}}
      gpt-5.4: {{operation: chat, context_tokens: 100, price: {{usd_per_request: 0}}}}
      tts-1: {{operation: speech, formats: [{"mp3" if name == "far" else "mp3, wav"}], price: {{usd_per_mchar: 15}}}}
"""


@dataclass
class Setup:
    gateway: Process
    vendors: dict[str, OpenAIServer]
    http: aiohttp.ClientSession

    async def ask(self, model: str, text: str = "hello", **more: Any) -> tuple[int, dict[str, str]]:
        """Return the status, and the headers of the answer with their names in lower case."""
        headers, path = more.pop("headers", {}), more.pop("path", "/v1/chat/completions")
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        async with self.http.post(path, json=body, headers=headers) as answer:
            await answer.read()
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}

    async def served_by(self, model: str, text: str = "hello", **more: Any) -> str:
        status, headers = await self.ask(model, text, **more)
        assert status == 200
        return headers["x-gateway-provider"]

    async def line(self, request_id: str) -> dict[str, Any]:
        """Return what the log says of a request."""
        return await self.gateway.wait_for_log(lambda line: line.get("request_id") == request_id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setup]:
    """One gateway for all tests: each asks models of its own."""
    async with OpenAIServer(identity="a") as a, OpenAIServer(identity="b") as b, OpenAIServer(identity="c") as c:
        vendors = dict(zip(NAMES, (a, b, c), strict=True))
        providers = "version: 1\nproviders:" + "".join(row(name, vendors[name].base_url) for name in NAMES)
        async with (
            process(tmp_path_factory.mktemp("gateway"), providers, ROUTES) as gateway,
            aiohttp.ClientSession(gateway.url) as http,
        ):
            yield Setup(gateway, vendors, http)


@pytest.fixture
def setup(shared: Setup) -> Setup:
    for vendor in shared.vendors.values():
        vendor.reset()
    return shared


async def test_turns_and_groups_over_failures_and_a_reload(setup: Setup) -> None:
    assert [await setup.served_by("in-turn") for _ in range(4)] == ["near", "mid", "far", "near"]
    assert await setup.gateway.reload() == []
    assert await setup.served_by("in-turn") == "mid"  # turns outlive a reload
    setup.vendors["far"].faults.add(Fault("status", status=503))
    _, headers = await setup.ask("in-turn")
    assert (headers["x-gateway-provider"], headers["x-gateway-attempts"]) == ("near", "2")
    assert headers["x-gateway-strategy"] == "round-robin"
    line = await setup.line(headers["x-request-id"])
    assert line["order"] == [f"{name}/gpt-5.4-mini" for name in ("far", "near", "mid")]
    assert line["attempts"][0][0] == "far/gpt-5.4-mini"

    assert [await setup.served_by("grouped") for _ in range(4)] == ["near", "mid", "near", "mid"]
    for name in ("near", "mid"):
        setup.vendors[name].faults.add(Fault("status", status=500))
    _, headers = await setup.ask("grouped")
    assert (headers["x-gateway-provider"], headers["x-gateway-attempts"]) == ("far", "3")


async def test_weights_are_shares_and_one_of_nothing_is_a_fallback(setup: Setup) -> None:
    runs = 240
    answers = await asyncio.gather(*(setup.served_by("by-weight", str(number)) for number in range(runs)))
    counts = Counter(answers)
    assert counts["far"] == 0
    assert abs(counts["near"] / runs - 0.75) < 6 * (0.75 * 0.25 / runs) ** 0.5
    for name in ("near", "mid"):
        setup.vendors[name].faults.add(Fault("status", status=500))
    assert await setup.served_by("by-weight") == "far"


async def test_the_fastest_answers_once_both_are_known(setup: Setup) -> None:
    setup.vendors["far"].faults.add(Fault("slow_headers", delay_s=1.0, times=None))
    assert {await setup.served_by("quick") for _ in range(2)} == {"near", "far"}
    assert {await setup.served_by("quick") for _ in range(8)} == {"near"}
    setup.vendors["far"].faults.clear()
    setup.vendors["near"].faults.add(Fault("status", status=500, times=None))
    assert {await setup.served_by("quick") for _ in range(2)} == {"far"}  # a failure is the slowest of all


async def test_the_least_busy_is_whoever_has_the_fewest_streams(setup: Setup) -> None:
    for vendor in setup.vendors.values():
        vendor.faults.add(Fault("stall_mid_stream", after_events=3, delay_s=60.0, times=None))
    body = {"model": "idle", "stream": True, "messages": [{"role": "user", "content": "one two three"}]}
    streams = []

    async def begin() -> str:
        stream = await setup.http.post("/v1/chat/completions", json=body)
        streams.append(stream)
        await stream.content.readany()
        return str(stream.headers["x-gateway-provider"])

    assert sorted([await begin() for _ in range(6)]) == sorted(NAMES * 2)
    for stream in [stream for stream in streams if stream.headers["x-gateway-provider"] == "mid"]:
        stream.close()
    async with asyncio.timeout(10):
        while await in_flight(setup) > 4 + 1:  # the look at it is one
            await asyncio.sleep(0.02)
    assert [await begin() for _ in range(2)] == ["mid", "mid"]
    for stream in streams:
        stream.close()


async def in_flight(setup: Setup) -> float:
    async with setup.http.get("/metrics") as answer:
        text = await answer.text()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("gateway_requests_in_flight ")))


async def test_the_cheapest_depends_on_the_request_and_counts_what_it_costs(setup: Setup) -> None:
    status, headers = await setup.ask("frugal", "short", max_completion_tokens=20)
    assert (status, headers["x-gateway-provider"]) == (200, "far")
    _, headers = await setup.ask("frugal", "a long text " * 8_000, max_completion_tokens=20)
    assert (headers["x-gateway-provider"], headers["x-gateway-cost-usd"]) == ("near", "0.010000000")


async def test_a_session_stays_where_it_is_and_comes_back(setup: Setup) -> None:
    async def of(session: str) -> str:
        return await setup.served_by("loyal", headers={"x-gateway-session": session})

    homes = {str(number): await of(str(number)) for number in range(12)}
    assert len(set(homes.values())) > 1
    assert {session: await of(session) for session in homes} == homes
    away = next(session for session, name in homes.items() if name == "near")
    setup.vendors["near"].faults.add(Fault("status", status=503))
    assert await of(away) != "near"
    assert await of(away) == "near"
    assert await setup.gateway.reload() == []
    assert {session: await of(session) for session in homes} == homes
    assert len({await setup.served_by("loyal") for _ in range(4)}) == 1  # without a session by its key or address


async def test_conditions_let_through_whom_they_name_and_say_why_not(setup: Setup) -> None:
    high, voice = {"x-quality": "premium-2"}, {"authorization": "Bearer the-key-of-voice"}
    assert await setup.served_by("particular", headers=high) == "near"
    assert await setup.served_by("particular", headers=voice) == "mid"
    status, headers = await setup.ask("particular")
    assert (status, headers["x-gateway-provider"]) == (200, "far")
    assert (await setup.line(headers["x-request-id"]))["skipped"] == [
        ["near/gpt-5.4-mini", "is for requests whose x-quality is high or premium* only"],
        ["mid/gpt-5.4-mini", "is for keys with the tag team: voice only"],
    ]
    async with setup.http.post(
        "/v1/chat/completions",
        json={"model": "particular", "messages": [{"role": "user", "content": "word " * 5000}]},
    ) as answer:
        assert answer.status == 400
        message = (await answer.json())["error"]["message"]
    assert "far/gpt-5.4-mini is for at most 1000 tokens of input, this has 5" in message
    assert all(not vendor.refused for vendor in setup.vendors.values())


async def test_the_dear_one_is_asked_while_half_of_the_budget_is_left(setup: Setup) -> None:
    assert [await setup.served_by("thrifty") for _ in range(4)] == ["mid", "mid", "near", "near"]


async def test_what_does_not_fit_is_not_asked_be_it_the_cheapest(setup: Setup) -> None:
    assert await setup.served_by("roomy", "short", max_completion_tokens=20) == "near"
    _, headers = await setup.ask("roomy", "word " * 400, max_completion_tokens=20)
    assert headers["x-gateway-provider"] == "mid"
    ((name, reason),) = (await setup.line(headers["x-request-id"]))["skipped"]
    assert (name, reason.partition(";")[0]) == ("near/gpt-5.4", "holds 100 tokens")


async def test_speech_takes_turns_among_those_that_have_voice_format_and_language(setup: Setup) -> None:
    async def speak(**fields: Any) -> tuple[str, str]:
        body = {"model": "speak", "input": "one two", "voice": "narrator", "response_format": "mp3", **fields}
        async with setup.http.post("/v1/audio/speech", json=body) as answer:
            assert answer.status == 200, await answer.text()
            assert await answer.read()
            return answer.headers["x-gateway-provider"], answer.headers["x-request-id"]

    turns = [(await speak())[0] for _ in range(4)]
    assert set(turns) == {"mid", "far"}
    assert all(one != other for one, other in pairwise(turns))
    provider, request_id = await speak(response_format="wav")
    assert provider == "mid"
    assert (await setup.line(request_id))["skipped"] == [
        ["near/tts-1", "is for the language de only, which the request has to name"],
        ["far/tts-1", "has no format wav; it has mp3"],
    ]
    provider, request_id = await speak(voice="guide")
    assert provider == "mid"
    assert ["far/tts-1", "has no voice 'guide'"] in (await setup.line(request_id))["skipped"]
    body = {"model": "speak", "text": "eins zwei", "voice": "narrator", "language": "de-AT"}
    answers = set()
    for _ in range(3):
        async with setup.http.post("/tts/speak", json=body) as answer:
            assert answer.status == 200, await answer.text()
            answers.add(answer.headers["x-gateway-provider"])
    assert "near" in answers


async def test_an_answer_is_kept_whoever_had_his_turn_and_not_where_he_stood_in(setup: Setup) -> None:
    async def cached(model: str, text: str) -> str:
        return (await setup.ask(model, text, path="/kept"))[1]["x-gateway-cache"]

    assert [await cached("kept", "one") for _ in range(3)] == ["miss", "hit", "hit"]
    assert [await cached("kept", "two") for _ in range(2)] == ["miss", "hit"]
    setup.vendors["far"].faults.add(Fault("status", status=500))
    assert [await cached("kept", "three") for _ in range(3)] == ["miss", "miss", "hit"]
