"""Pains 12 to 17 through the whole gateway: limits hold under concurrency, nothing leaks, and the rows say the same."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.config.files import Files
from gateway.config.load import read
from gateway.stores.ledger import usage
from tests.harness import ROUTES, SANDBOX, inside, process
from tests.stores.entries import rows

LEDGER = "stores: {database_url: 'sqlite:gateway.db'}\n"
CHAT_ROW = "chat: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}"
SECOND = SANDBOX.partition("providers:\n")[2].replace("  sandbox:", "  second:")
TWO = SANDBOX + SECOND


def routes(limits: str, more: str = "") -> str:
    return f"{ROUTES}limits:\n{limits}\n{more}"


def chat(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": "chat", "messages": [{"role": "user", "content": text}], **more}


async def post(
    client: aiohttp.ClientSession, body: dict[str, Any], path: str = "/v1/chat/completions"
) -> aiohttp.ClientResponse:
    async with client.post(path, json=body) as answer:
        await answer.read()
        return answer


@pytest.mark.parametrize("most", [0, 1, 5, 40])
async def test_exactly_as_many_are_admitted_streams_and_failures_among_them(tmp_path: Path, most: int) -> None:
    chat_row = "chat: {operation: chat, price: {usd_per_request: 1}}"
    bad_row = "bad: {operation: chat, options: {fault: cut}, price: {usd_per_request: 1}}"
    providers = SANDBOX.replace(CHAT_ROW, f"{chat_row}\n      {bad_row}")
    limits = f"  all: {{per: [], budget: {most} USD total, only: {{operation: [chat]}}}}"
    async with (
        inside(tmp_path, providers, routes(limits, LEDGER)) as gateway,
        aiohttp.ClientSession(gateway.url) as client,
    ):

        async def one(number: int) -> int:
            body = chat(str(number), stream=number % 3 == 0)
            if number % 7 == 0:
                body["model"] = "sandbox/bad"
            try:
                return (await post(client, body)).status
            except (aiohttp.ClientError, ConnectionError):
                return 200  # a stream that was cut after it began

        statuses = await asyncio.gather(*(one(number) for number in range(120)))
        assert gateway.services.limiter.local.held == 0
    refused = statuses.count(402)
    admitted = len(rows(f"sqlite:{tmp_path}/gateway.db"))
    assert admitted + refused == 120
    spent = sum(line.sums["cost_nano_usd"] for line in usage(f"sqlite:{tmp_path}/gateway.db", "key", ""))
    assert spent <= most * 10**9
    assert spent == most * 10**9 or refused == 0  # what failed without use gave its money back


async def test_clients_that_leave_at_any_moment_leave_nothing_behind(tmp_path: Path) -> None:
    """Pain 14, 15: nothing in flight, nothing held, one row each."""
    options = "options: {tokens_per_s: 200, first_delay_s: 0.02}"
    slow = SANDBOX.replace("chat: {operation: chat,", f"chat: {{operation: chat, {options},")
    limits = "  all: {concurrent: 1000, budget: 100 USD/day, tokens: 10000000/hour}"
    chance = random.Random(7)
    async with inside(tmp_path, slow, routes(limits, LEDGER)) as gateway:
        async with aiohttp.ClientSession(gateway.url) as client:

            async def one(number: int) -> None:
                try:
                    async with client.post(
                        "/v1/chat/completions",
                        json=chat(f"say {number} " * 20, stream=number % 2 == 0),
                        timeout=aiohttp.ClientTimeout(total=chance.uniform(0.001, 0.3)),
                    ) as answer:
                        await answer.read()
                except (TimeoutError, aiohttp.ClientError):
                    pass

            for start in range(0, 200, 25):
                await asyncio.gather(*(one(number) for number in range(start, start + 25)))
        async with asyncio.timeout(5):
            while gateway.gateway.in_flight or gateway.services.limiter.local.held:
                await asyncio.sleep(0.01)
    path = f"sqlite:{tmp_path}/gateway.db"
    found = rows(path, "state, request_id, cost_nano_usd")
    assert {state for state, _, _ in found} == {"settled"}
    assert len({request for _, request, _ in found}) == len(found)
    [line] = usage(path, "tenant", "")
    assert line.sums["cost_nano_usd"] == sum(int(str(cost)) for _, _, cost in found)


async def test_answers_tell_what_is_left_of_each_unit(tmp_path: Path) -> None:
    limits = "  units: {requests: 5/minute, tokens: 9000/hour, characters: 100/day, concurrent: 3, budget: 1 USD/day}"
    async with inside(tmp_path, SANDBOX, routes(limits)) as gateway, aiohttp.ClientSession(gateway.url) as client:
        told = (await post(client, chat(max_tokens=1_000))).headers
        assert told["x-ratelimit-remaining-requests"] == "4"
        assert 7_900 < int(told["x-ratelimit-remaining-tokens"]) < 8_000
        assert 0.99 < float(told["x-gateway-budget-left-usd"]) < 1
        later = (await post(client, chat(max_tokens=1))).headers
        assert int(later["x-ratelimit-remaining-tokens"]) > 8_900  # what came out was less than what could have
        speech = {"model": "speak", "voice": "alloy", "input": "x" * 60, "response_format": "wav"}
        spoken = await post(client, speech, "/v1/audio/speech")
        assert spoken.headers["x-ratelimit-remaining-characters"] == "40"
        refused = await post(client, speech, "/v1/audio/speech")
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) > 1
        async with client.post("/v1/audio/speech", json={**speech, "input": "x" * 101}) as answer:
            assert "make it smaller" in (await answer.json())["error"]["message"]


async def test_beyond_a_budget_the_cheaper_model_answers(tmp_path: Path) -> None:
    dear = "chat: {operation: chat, price: {usd_per_request: 0.4}}"
    cheap = "small: {operation: chat, price: {usd_per_request: 0.001}}"
    providers = SANDBOX.replace(CHAT_ROW, f"{dear}\n      {cheap}")
    limits = "  money: {per: [tenant], budget: 1 USD/day, at_budget: {degrade: {chat: small}}}"
    config = routes(limits).replace("models:\n", "models:\n  small: {operation: chat, targets: [sandbox/small]}\n")
    async with inside(tmp_path, providers, config) as gateway, aiohttp.ClientSession(gateway.url) as client:
        answers = [(await post(client, chat(str(number)))) for number in range(4)]
        assert [answer.status for answer in answers] == [200] * 4
        assert [answer.headers["x-gateway-model"] for answer in answers] == ["chat", "chat", "small", "small"]
        assert answers[2].headers["x-gateway-degraded"] == "chat -> small"
        assert (await post(client, chat(model="sandbox/chat"))).status == 402  # for which nothing cheaper is named


async def test_beyond_a_providers_limit_the_next_target_answers(tmp_path: Path) -> None:
    limits = "  one vendor: {per: [provider], only: {provider: [sandbox]}, requests: 2/hour}"
    config = routes(limits).replace("targets: [sandbox/chat]", "targets: [sandbox/chat, second/chat]")
    async with inside(tmp_path, TWO, config) as gateway, aiohttp.ClientSession(gateway.url) as client:
        answers = [await post(client, chat(str(number))) for number in range(4)]
        assert [answer.headers["x-gateway-provider"] for answer in answers] == [
            "sandbox",
            "sandbox",
            "second",
            "second",
        ]
        alone = await post(client, chat(model="sandbox/chat"))
        assert alone.status == 429


async def test_limits_continue_after_a_restart(tmp_path: Path) -> None:
    limits = "  hour: {per: [tenant], requests: 3/hour}\n  key: {only: {model: [cha*]}, tokens: 100000/day}"
    async with process(tmp_path, SANDBOX, routes(limits, LEDGER)) as gateway:
        async with aiohttp.ClientSession(gateway.url) as client:
            assert [(await post(client, chat(str(n)))).status for n in range(2)] == [200, 200]
            await asyncio.sleep(0.2)
        gateway.process.kill()
        await gateway.process.wait()
    async with (
        process(tmp_path, SANDBOX, routes(limits, LEDGER)) as gateway,
        aiohttp.ClientSession(gateway.url) as client,
    ):
        answers = [await post(client, chat(str(n))) for n in range(2)]
        assert [answer.status for answer in answers] == [200, 429]


async def test_a_threshold_is_posted_once_to_the_webhook(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    has_come = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        seen.append(await request.json())
        if len(seen) == 2:
            has_come.set()
        return web.Response(status=500 if len(seen) == 1 else 204)  # the first is tried again

    app = web.Application()
    app.router.add_post("/budget", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    providers = SANDBOX.replace("input_usd_per_mtok: 1, output_usd_per_mtok: 2", "usd_per_request: 0.3")
    limits = (
        f"  money: {{budget: 1 USD/day, alert_percents: [50]}}\nalerts: {{webhook: 'http://127.0.0.1:{port}/budget'}}"
    )
    try:
        async with inside(tmp_path, providers, routes(limits)) as gateway, aiohttp.ClientSession(gateway.url) as client:
            for number in range(3):
                await post(client, chat(str(number)))
            async with asyncio.timeout(10):
                await has_come.wait()
            assert seen[0] == seen[1]
            assert (seen[0]["limit"], seen[0]["percent"], seen[0]["spent_usd"]) == ("money", 50, 0.6)
            async with client.get("/metrics") as answer:
                assert 'gateway_budget_alerts_total{limit="money",percent="50"} 1.0' in await answer.text()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("limit", "complaint"),
    [
        ("{budget: -1 USD/day}", "is not a budget"),
        ("{requests: 5/0 minutes}", "admits nothing"),
        ("{requests: 0/minute}", "admits nothing"),
        ("{}", "limits nothing"),
        ("{per: [tenat], requests: 1/minute}", "tenat"),
        ("{budget: 1 USD/day, at_budget: {degrade: {chat: nobody}}}", "model 'nobody' is not in models"),
        ("{requests: 1/minute, at_budget: {degrade: {chat: embed}}}", "no meaning without a budget"),
        ("{concurrent: -1}", "concurrent"),
        ("{concurent: 1}", "did you mean"),
    ],
)
async def test_a_limit_that_makes_no_sense_is_named_with_its_line(tmp_path: Path, limit: str, complaint: str) -> None:
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    text = routes(f"  mine: {limit}")
    (tmp_path / "routes.yaml").write_text(text)
    problems = read(Files(tmp_path / "routes.yaml", tmp_path / "providers.yaml"), {}).problems
    line = text.split("\n").index(f"  mine: {limit}") + 1
    assert [problem.line for problem in problems] == [line]
    assert complaint in problems[0].message
