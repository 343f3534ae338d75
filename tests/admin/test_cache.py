"""Kept answers are counted, and purged by key, tenant and route; a tenant's admin reaches his own alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.services import Services
from tests.admin.house import WITH_LEDGER, House, open_house

CACHED = WITH_LEDGER.replace("dialect: openai.chat}", "dialect: openai.chat, cache: {ttl_s: 300}}").replace(
    "dialect: openai.embeddings, model: embed}", "dialect: openai.embeddings, model: embed, cache: {ttl_s: 300}}"
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    routes = CACHED + "cache: {max_bytes: 1000000, disk: {folder: cache}}\n"
    async with open_house(tmp_path, routes) as opened:
        await opened.make("guest", "other")
        await opened.gateway.services.cache.ready()
        yield opened


async def chat(house: House, key: str) -> tuple[str, str]:
    _, headers, _ = await house.chat(key)
    return headers["x-gateway-cache"], headers["x-gateway-cache-key"]


async def embed(house: House, key: str) -> str:
    headers = {"authorization": f"Bearer {house.secrets[key]}"}
    async with house.client.post("/v1/embeddings", json={"input": "hello"}, headers=headers) as answer:
        assert answer.status == 200
        return answer.headers["x-gateway-cache"]


async def filled(house: House) -> str:
    """Have answers kept of two tenants and two routes; return the key of the first."""
    _, key = await chat(house, "web")
    await chat(house, "guest")
    await embed(house, "web")
    assert len(house.gateway.services.cache.memory) == 3
    return key


async def left(house: House) -> list[str]:
    found = {"acme chat": (await chat(house, "web"))[0], "other chat": (await chat(house, "guest"))[0]}
    found["acme embeddings"] = await embed(house, "web")
    return [name for name, result in found.items() if result == "hit"]


ALL = ["acme chat", "other chat", "acme embeddings"]


@pytest.mark.parametrize(
    ("by", "query", "expected"),
    [
        ("root", {}, []),
        ("root", {"cache_key": "the first"}, ["other chat", "acme embeddings"]),
        ("root", {"cache_key": "0" * 64}, ALL),
        ("root", {"tenant": "acme"}, ["other chat"]),
        ("root", {"route": "POST /v1/embeddings"}, ["acme chat", "other chat"]),
        ("root", {"route": "POST /v1/embeddings", "tenant": "other"}, ALL),
        ("boss", {}, ["other chat"]),
        ("boss", {"tenant": "acme", "route": "POST /v1/chat/completions"}, ["other chat", "acme embeddings"]),
        ("rival", {"cache_key": "the first"}, ALL),  # it is not his
    ],
)
async def test_what_agrees_is_purged(house: House, by: str, query: dict[str, str], expected: list[str]) -> None:
    first = await filled(house)
    query = {name: first if value == "the first" else value for name, value in query.items()}
    status, answer = await house.ask("DELETE", "/admin/cache", by, params=query)
    assert (status, answer) == (200, {"memory": 3 - len(expected), "disk": 0, "redis": None})
    assert await left(house) == expected


@pytest.mark.parametrize(
    ("by", "query", "status"),
    [
        ("boss", {"tenant": "other"}, 403),
        ("watcher", {}, 403),
        ("root", {"cache_key": "0" * 63}, 400),
        ("root", {"cache_key": "0" * 65}, 400),
        ("root", {"cache-key": "0" * 64}, 400),
    ],
)
async def test_what_may_not_be_or_is_mistaken_purges_nothing(
    house: House, by: str, query: dict[str, str], status: int
) -> None:
    await filled(house)
    assert (await house.ask("DELETE", "/admin/cache", by, params=query))[0] == status
    assert await left(house) == ALL


async def test_what_is_kept_is_counted(house: House) -> None:
    await filled(house)
    assert (await chat(house, "web"))[0] == "hit"
    async with house.client.post(
        "/v1/audio/speech",
        json={"input": "hello", "voice": "nova"},
        headers={"authorization": f"Bearer {house.secrets['web']}"},
    ) as answer:
        assert answer.status == 200
        await answer.read()
    status, answer_ = await house.ask("GET", "/admin/cache", "root")
    assert status == 200
    memory = answer_["memory"]
    assert (memory["entries"], memory["hits"], memory["evictions"], memory["max_bytes"]) == (3, 1, 0, 1_000_000)
    assert 0 < memory["size_bytes"] < 100_000
    assert answer_["disk"] == {"entries": 0, "size_bytes": 0, "max_bytes": 1_073_741_824, "evictions": 0, "hits": 0}
    assert answer_["redis"] is None


async def test_a_tenants_operator_is_not_told_of_all_tenants(house: House) -> None:
    assert (await house.ask("GET", "/admin/cache", "watcher"))[0] == 403


async def test_a_redis_that_is_away_is_said(tmp_path: Path) -> None:
    routes = (
        CACHED.replace("sqlite:gateway.db'", "sqlite:gateway.db', redis_url: 'redis://127.0.0.1:1/0'")
        + "cache: {redis: true}\n"
    )
    async with open_house(tmp_path, routes) as house:
        services: Services = house.gateway.services
        await services.cache.ready()
        await chat(house, "web")
        status, answer = await house.ask("DELETE", "/admin/cache", "root")
        assert (status, answer["error"]["code"]) == (503, "store_unavailable")
        assert "redis is away" in answer["error"]["message"]
        assert len(services.cache.memory) == 0
        async with asyncio.timeout(10):
            while not services.cache.shared.failures:
                await asyncio.sleep(0.01)
        assert (await house.ask("GET", "/admin/cache", "root"))[1]["redis"]["is_here"] is False
