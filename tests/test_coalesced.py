"""Identical calls in flight are one call of the vendor's: over real sockets, with the rows that are written of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.cached_house import CHAT, ROUTES, SPEECH, CachedHouse, Got, cached_house, question
from tests.harness import Inside
from tests.stores.entries import rows, sums_are_those_of_the_rows
from tests.vendors.faults import Fault

UNCACHED = ROUTES.replace("defaults: {cache: {ttl_s: 300}}", "defaults: {coalesce: true}")
DONE = b"data: [DONE]\n\n"


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)


def seats(house: CachedHouse) -> int:
    assert isinstance(house.gateway, Inside)
    return sum(len(flight._seats) for flight in house.gateway.services.flights.values())


@asynccontextmanager
async def streaming(house: CachedHouse, **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with house.http.post(house.gateway.url + CHAT, json=question(stream=True), headers=headers) as answer:
        yield answer


def kept(folder: Path, what: str) -> list[tuple[object, ...]]:
    url = f"sqlite:{folder / 'gateway.db'}"
    assert sums_are_those_of_the_rows(url)
    return rows(url, what)


@pytest.mark.parametrize("routes", [ROUTES, UNCACHED])
@pytest.mark.parametrize("path", [CHAT, SPEECH])
async def test_ten_at_once_are_one_call_that_one_of_them_pays(tmp_path: Path, routes: str, path: str) -> None:
    body = question() if path == CHAT else {"model": "speak", "input": "Good morning.", "voice": "nova"}
    async with cached_house(tmp_path, routes) as house:
        house.vendor.faults.add(Fault("slow_headers", delay_s=0.3))
        first = asyncio.ensure_future(house.post(path, body))
        await until(lambda: seats(house) == 1)
        others = [asyncio.ensure_future(house.post(path, body)) for _ in range(9)]
        await until(lambda: seats(house) == 10)
        got: list[Got] = await asyncio.gather(first, *others)
        assert house.vendor.request_count == 1
    assert {(one.status, one.body) for one in got} == {(200, got[0].body)}
    assert [one.cache for one in got] == ["miss" if routes == ROUTES else None] + ["coalesced"] * 9
    assert {one.headers.get("x-gateway-attempts") for one in got[1:]} == {"0"}
    assert {one.headers["x-gateway-provider"] for one in got} == {"openai"}
    found = kept(tmp_path, "status, outcome, cost_nano_usd > 0")
    assert sorted(found) == sorted([(200, "ok", 1), *[(200, "coalesced", 0)] * 9])


async def test_who_comes_while_it_streams_gets_it_from_the_beginning(tmp_path: Path) -> None:
    async with cached_house(tmp_path) as house:
        house.vendor.faults.add(Fault("stall_mid_stream", after_events=2, delay_s=0.5))
        async with streaming(house) as first:
            begun = await first.content.readuntil(b"\n\n")
            async with streaming(house) as late:
                assert late.headers["x-gateway-cache"] == "coalesced"
                assert await late.content.readuntil(b"\n\n") == begun  # while the vendor is silent
                assert house.vendor.request_count == 1
                rest = [await answer.content.read() for answer in (first, late)]
        assert rest[0] == rest[1]
        assert rest[0].endswith(DONE)


async def test_the_vendor_is_let_go_of_when_the_last_has_left_and_not_before(tmp_path: Path) -> None:
    async with cached_house(tmp_path) as house:
        house.vendor.faults.add(Fault("stall_mid_stream", after_events=2, delay_s=60))
        answers = []
        for _ in range(3):
            answer = await house.http.post(house.gateway.url + CHAT, json=question(stream=True))
            await answer.content.readuntil(b"\n\n")
            answers.append(answer)
        (record,) = await house.vendor.wait_for_requests(1)
        for left in (2, 1):
            answers.pop(0).close()  # who pays is the first to go
            await until(lambda left=left: seats(house) == left)  # type: ignore[misc]
            assert record.outcome == "pending"
        answers.pop().close()
        async with asyncio.timeout(10):
            await record.ended.wait()
        assert record.outcome == "client_closed"
        await until(lambda: house.gateway.gateway.in_flight == 0)  # type: ignore[union-attr]
    found = kept(tmp_path, "state, status, outcome, cost_nano_usd > 0")
    assert {(state, status) for state, status, *_ in found} == {("settled", 499)}
    assert len(found) == 3
    assert sum(bool(paid) for *_, paid in found) == 1  # what the vendor had begun is paid once


async def test_where_the_payer_leaves_another_pays_the_whole(tmp_path: Path) -> None:
    async with cached_house(tmp_path) as house:
        house.vendor.faults.add(Fault("stall_mid_stream", after_events=2, delay_s=0.5))
        first = await house.http.post(house.gateway.url + CHAT, json=question(stream=True))
        await first.content.readuntil(b"\n\n")
        async with streaming(house) as second:
            await second.content.readuntil(b"\n\n")
            first.close()
            await until(lambda: seats(house) == 1)
            assert (await second.content.read()).endswith(DONE)
        await house.chat("other", stream=True)
        plain = await house.chat(stream=True)
        assert plain.cache == "hit"  # what was shared to its end is kept
    found = kept(tmp_path, "status, outcome, cache, cost_nano_usd > 0, output_tokens > 0")
    assert found[:2] == [(499, "cancelled", "miss", 0, 0), (200, "ok", "coalesced", 1, 1)]


async def test_the_first_ones_failure_is_not_the_others(tmp_path: Path) -> None:
    hurried = ROUTES.replace("ttl_s: 300}", "ttl_s: 300}, failover: {attempts: 1, first_content_s: 0.5}")
    async with cached_house(tmp_path, hurried) as house:
        house.vendor.faults.add(Fault("slow_headers", delay_s=60))
        asked = [asyncio.ensure_future(house.chat()) for _ in range(6)]
        await until(lambda: seats(house) == 6)
        got = await asyncio.gather(*asked)
        assert house.vendor.request_count == 2  # the others asked once more, together
    assert sorted(one.status for one in got) == [200] * 5 + [504]
    found = kept(tmp_path, "status, outcome, cost_nano_usd > 0")
    assert sorted(found) == sorted([(504, "upstream_timeout", 1), (200, "ok", 1), *[(200, "coalesced", 0)] * 4])


async def test_other_tenants_do_not_join(tmp_path: Path) -> None:
    keys = "static: [{name: a, key: key-of-acme-0123456789, tenant: acme}, {name: b, key: key-of-other-0123456789, "
    routes = ROUTES.replace("static: [{", keys + "tenant: other}, {")
    async with cached_house(tmp_path, routes) as house:
        house.vendor.faults.add(Fault("slow_headers", delay_s=0.3, times=2))
        asked = [
            asyncio.ensure_future(house.chat(authorization=f"Bearer key-of-{tenant}-0123456789"))
            for tenant in ("acme", "other", "acme", "other")
        ]
        await until(lambda: seats(house) == 4)
        got = await asyncio.gather(*asked)
        assert house.vendor.request_count == 2
    assert sorted(str(one.cache) for one in got) == ["coalesced", "coalesced", "miss", "miss"]


async def test_a_route_may_have_a_cache_and_share_nothing_in_flight(tmp_path: Path) -> None:
    async with cached_house(tmp_path, ROUTES.replace("ttl_s: 300}", "ttl_s: 300}, coalesce: false")) as house:
        house.vendor.faults.add(Fault("slow_headers", delay_s=0.3, times=2))
        got = await asyncio.gather(house.chat(), house.chat())
        assert house.vendor.request_count == 2
    assert [one.cache for one in got] == ["miss", "miss"]
