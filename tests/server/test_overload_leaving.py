"""A client that hangs up while it waits leaves the queue at once, costs nothing, and is counted as one that left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.harness import Inside, inside
from tests.server.test_leaving import quiet
from tests.stores.entries import asked, rows
from tests.test_openai_client import VENDOR, VENDOR_ROUTES
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

PATH, UPLOAD = "/v1/chat/completions", "/v1/audio/transcriptions"
ROOM = "{concurrent: 1, queue: {max: 3, max_wait_s: 60}}"
LIMITED = (
    VENDOR_ROUTES + "stores: {database_url: 'sqlite:gateway.db'}\n"
    "limits: {all: {per: [], concurrent: 5, budget: 100 USD total, tokens: 100000000/day}}\n"
)
FORM = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n'


def chat(size: int) -> bytes:
    return orjson.dumps({"model": "chat", "messages": [{"role": "user", "content": "a" * size}]})


BODIES = {
    "small": (PATH, "application/json", chat(10)),
    "large": (PATH, "application/json", chat(4_000_000)),  # more than buffers on the way hold
    "upload": (UPLOAD, "multipart/form-data; boundary=x", FORM + b"RIFF" * 1_000_000 + b"\r\n--x--\r\n"),
}


@asynccontextmanager
async def busy(folder: Path, *, server: bool) -> AsyncIterator[tuple[Inside, OpenAIServer, Any, asyncio.Task[int]]]:
    """Yield a gateway where one call runs that is all that may: of the gateway itself, or of the provider."""
    providers, routes = VENDOR.replace("{{", "{").replace("}}", "}"), LIMITED
    if server:
        routes = routes.replace('"127.0.0.1:0"', f'"127.0.0.1:0", {ROOM[1:-1]}')
    else:
        providers = providers.replace("plugin: openai", f"plugin: openai\n    limits: {ROOM}")
    async with OpenAIServer() as vendor:
        providers = providers.replace("{base_url}", vendor.base_url).replace("{key}", API_KEY)
        vendor.faults.add(Fault("slow_headers", delay_s=60, times=1))
        async with (
            inside(folder, providers, routes) as gateway,
            aiohttp.ClientSession(gateway.url) as client,
        ):

            async def ask() -> int:
                async with client.post(PATH, data=chat(10), headers={"content-type": "application/json"}) as answer:
                    return answer.status

            first = asyncio.create_task(ask())
            await vendor.wait_for_requests(1)
            (slots,) = gateway.services.slots.limited()
            assert (slots.running, slots.waiting) == (1, 0)
            try:
                yield gateway, vendor, slots, first
            finally:
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)


async def until(condition: Any) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.002)


async def send(gateway: Inside, what: str, request_id: str, *, missing: int = 0) -> asyncio.StreamWriter:
    """Send a request; of its body the last bytes may be missing."""
    path, kind, body = BODIES[what]
    host, port = gateway.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nx-request-id: {request_id}\r\ncontent-type: {kind}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[: len(body) - missing])
    return writer


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("what", BODIES)
async def test_who_leaves_the_gateways_queue_is_gone_at_once(tmp_path: Path, what: str, missing: int) -> None:
    async with busy(tmp_path, server=True) as (gateway, vendor, slots, first):
        writer = await send(gateway, what, "the-one-that-left", missing=missing)
        await until(lambda: slots.waiting == 1)
        await asyncio.sleep(0.05)  # for what is sent to come as far as it can
        writer.transport.abort()
        await until(lambda: gateway.gateway.in_flight == 1)
        assert (slots.running, slots.waiting, sum(slots.waits)) == (1, 0, 1)
        assert slots.refused == {"full": 0, "displaced": 0, "too_long": 0, "deadline": 0}
        told = gateway.services.metrics.registry.get_sample_value
        assert told("gateway_requests_total", {"route": f"POST {BODIES[what][0]}", "status": "499"}) == 1
        await gateway.services.ledger.flush()
        assert rows(f"sqlite:{tmp_path / 'gateway.db'}", "state, status") == [("open", 0)]  # that of the first alone
        assert gateway.services.limiter.local.held > 0  # by the first
        first.cancel()
        await quiet(gateway)
        assert (slots.running, gateway.services.limiter.local.held, len(vendor.requests)) == (0, 0, 1)


@pytest.mark.parametrize("what", ["small", "large"])
async def test_who_leaves_a_providers_queue_is_gone_at_once_and_costs_nothing(tmp_path: Path, what: str) -> None:
    url = f"sqlite:{tmp_path / 'gateway.db'}"
    async with busy(tmp_path, server=False) as (gateway, vendor, slots, first):
        held = gateway.services.limiter.local.held
        writer = await send(gateway, what, "the-one-that-left")
        await until(lambda: slots.waiting == 1)
        assert gateway.services.limiter.local.held > held
        writer.transport.abort()
        await until(lambda: gateway.gateway.in_flight == 1)
        assert (slots.running, slots.waiting, sum(slots.waits)) == (1, 0, 1)
        assert gateway.services.limiter.local.held == held
        await gateway.services.ledger.flush()
        statement = (
            "SELECT state, status, outcome, cost_nano_usd, input_tokens, is_estimated "
            "FROM requests WHERE request_id = 'the-one-that-left'"
        )
        ((state, status, outcome, cost, tokens, is_estimated),) = await asyncio.to_thread(asked, url, statement)
        assert (state, status, outcome) == ("settled", 499, "cancelled")
        assert (cost or 0, tokens, bool(is_estimated)) == (0, 0, False)
        first.cancel()
        await quiet(gateway)
        assert (slots.running, gateway.services.limiter.local.held, len(vendor.requests)) == (0, 0, 1)


async def test_the_place_of_one_who_left_is_the_next_ones(tmp_path: Path) -> None:
    async with busy(tmp_path, server=True) as (gateway, _, slots, first):
        writers = [await send(gateway, "large", f"request-{number}") for number in range(3)]
        await until(lambda: slots.waiting == 3)
        for number in range(20):
            left = writers.pop(0)
            left.transport.abort()
            await until(lambda: slots.waiting == 2)
            writers.append(await send(gateway, "large", f"request-{number + 3}"))
            await until(lambda: slots.waiting == 3)
        assert slots.refused["full"] == 0
        for writer in writers:
            writer.transport.abort()
        first.cancel()
        await quiet(gateway)
        assert (slots.running, slots.waiting) == (0, 0)


async def test_a_body_that_cannot_be_taken_is_refused_before_its_turn(tmp_path: Path) -> None:
    async with busy(tmp_path, server=True) as (gateway, _, slots, _), aiohttp.ClientSession(gateway.url) as client:
        form = aiohttp.FormData({"file": "no such thing"})
        for data, kind in ((b"a", "text/plain"), (form, None)):
            headers = {"content-type": kind} if kind else {}
            async with client.post(UPLOAD, data=data, headers=headers) as answer:
                assert answer.status in (400, 413)
            assert (slots.running, slots.waiting) == (1, 0)
