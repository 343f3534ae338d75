"""Pains 15 and 17: every request has one row, whatever becomes of it, and budgets continue from what the rows say."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
import pytest

from gateway.stores.ledger import usage
from tests.harness import ROOT, ROUTES, SANDBOX, inside, process
from tests.stores.entries import rows

LEDGER = ROUTES + "stores: {database_url: 'sqlite:gateway.db'}\ncache: {max_bytes: 1000000}\n"
CACHED = LEDGER.replace("dialect: openai.chat}", "dialect: openai.chat, cache: {ttl_s: 60}}")
TIGHT = LEDGER.replace("dialect: openai.chat}", "dialect: openai.chat, quota: {budget: 0.01 USD/day}}")

WHAT = "state, operation, provider || '/' || model, status, outcome, cache"


def chat(text: str = "hello", **more: object) -> dict[str, object]:
    return {"model": "chat", "messages": [{"role": "user", "content": text}], **more}


def costs_kept(url: str) -> list[int]:
    kept = [cost for (cost,) in rows(url, "cost_nano_usd")]
    assert all(isinstance(cost, int) for cost in kept)
    return [int(str(cost)) for cost in kept]


async def test_every_operation_has_one_row_and_the_sums_are_those_of_the_answers(tmp_path: Path) -> None:
    async with inside(tmp_path, SANDBOX, CACHED) as gateway, aiohttp.ClientSession(gateway.url) as client:
        costs = []
        for endpoint, body in (
            ("/v1/chat/completions", chat()),
            ("/v1/chat/completions", chat()),  # from the cache
            ("/v1/chat/completions", chat("again", stream=True)),
            ("/v1/audio/speech", {"model": "speak", "voice": "alloy", "input": "good morning"}),
            ("/v1/embeddings", {"model": "embed", "input": "a text"}),
        ):
            async with client.post(endpoint, json=body) as answer:
                assert answer.status == 200
                costs.append(answer.headers.get("x-gateway-cost-usd"))
                await answer.read()
        async with client.get("/v1/models") as listed:
            await listed.read()  # costs nothing, and has no row
    kept_at = f"sqlite:{tmp_path / 'gateway.db'}"
    assert rows(kept_at, WHAT) == [
        ("settled", "chat", "sandbox/chat", 200, "ok", "miss"),
        ("settled", "chat", "sandbox/chat", 200, "cached", "hit"),
        ("settled", "chat", "sandbox/chat", 200, "ok", "miss"),
        ("settled", "speech", "sandbox/speech", 200, "ok", "off"),
        ("settled", "embeddings", "sandbox/embeddings", 200, "ok", "off"),
    ]
    kept = costs_kept(kept_at)
    told = [None if cost is None else round(float(cost) * 1e9) for cost in costs]
    assert told == [kept[0], 0, None, None, kept[4]]  # what is streamed has its head before its cost is known
    assert kept[1] == 0
    assert sum(line.sums["cost_nano_usd"] for line in usage(kept_at, "key", "")) == sum(kept)


async def test_a_client_that_leaves_has_its_row_too(tmp_path: Path) -> None:
    slow = SANDBOX.replace("operation: chat,", "operation: chat, options: {first_delay_s: 20},")
    async with inside(tmp_path, slow, LEDGER) as gateway, aiohttp.ClientSession(gateway.url) as client:
        with pytest.raises(asyncio.TimeoutError):
            await client.post("/v1/chat/completions", json=chat(), timeout=aiohttp.ClientTimeout(total=0.5))
        async with asyncio.timeout(5):
            while gateway.gateway.in_flight:
                await asyncio.sleep(0.01)
    assert rows(f"sqlite:{tmp_path / 'gateway.db'}", "state, status, outcome") == [("settled", 499, "cancelled")]


async def test_what_is_refused_has_no_row(tmp_path: Path) -> None:
    routes = LEDGER.replace("dialect: openai.chat}", "dialect: openai.chat, quota: {requests: [1/hour]}}")
    async with inside(tmp_path, SANDBOX, routes) as gateway, aiohttp.ClientSession(gateway.url) as client:
        seen = []
        for body in (chat(), chat(), {"model": "chat"}, chat(model="nobody")):
            async with client.post("/v1/chat/completions", json=body) as answer:
                seen.append(answer.status)
    assert seen == [200, 429, 400, 404]
    assert len(rows(f"sqlite:{tmp_path / 'gateway.db'}")) == 1


async def test_a_budget_continues_after_a_kill(tmp_path: Path, url: str) -> None:
    """Half of the budget is spent before the kill, and the other half alone is there after it."""
    dear = SANDBOX.replace("input_usd_per_mtok: 1, output_usd_per_mtok: 2", "usd_per_request: 0.003")
    tight = TIGHT.replace("sqlite:gateway.db", url)

    async def granted(at: str) -> int:
        count = 0
        async with aiohttp.ClientSession(at) as client:
            for number in range(6):
                async with client.post("/v1/chat/completions", json=chat(str(number))) as answer:
                    assert answer.status in (200, 402)
                    count += answer.status == 200
                    if count == 2:
                        return count
        return count

    async with process(tmp_path, dear, tight) as gateway:
        assert await granted(gateway.url) == 2
        await asyncio.sleep(0.2)
        gateway.process.kill()
        await gateway.process.wait()
    async with process(tmp_path, dear, tight) as gateway:
        assert await granted(gateway.url) == 1
        await asyncio.sleep(0.2)
    assert costs_kept(url) == [3_000_000] * 3


async def test_usage_prints_the_sums_in_every_form(tmp_path: Path) -> None:
    async with inside(tmp_path, SANDBOX, LEDGER) as gateway, aiohttp.ClientSession(gateway.url) as client:
        async with client.post("/v1/chat/completions", json=chat()) as answer:
            assert answer.status == 200

    async def printed(*options: str) -> tuple[int, str]:
        command = (sys.executable, "-m", "gateway", "usage", str(tmp_path), *options)
        child = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await child.communicate()
        return child.returncode or 0, said.decode()

    [line] = json.loads((await printed("--by", "model", "--format", "json"))[1])
    assert line["model"] == "sandbox/chat"
    assert line["requests"] == 1
    assert float(line["cost_usd"]) > 0
    assert f"sandbox/chat,1,0,{line['input_tokens']}," in (await printed("--by", "model", "--format", "csv"))[1]
    assert "ip:127.0.0.1" in (await printed("--since", "7d"))[1]
    code, said = await printed("--since", "yesterday")
    assert (code, "write 2026-11-25, or 7d" in said) == (64, True)


async def test_a_ledger_that_cannot_be_opened_stops_the_start_and_says_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_text("notes of mine" * 500)
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    (tmp_path / "routes.yaml").write_text(LEDGER)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "run", str(tmp_path),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await child.communicate()
    assert child.returncode == 69
    assert b"gateway.db cannot be opened" in said
    assert b"stores.database_url" in said
