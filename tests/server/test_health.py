"""Health says what traffic met with: a vendor that fails is told, one that is not asked is not judged."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.server import health as module
from gateway.telemetry.system import System
from tests.given import Clock
from tests.harness import ROUTES, Inside, inside
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

PROVIDERS = """
version: 1
breaker: {{consecutive: {consecutive}, open_s: {open_s}, max_open_s: 600}}
providers:
  vendor:
    plugin: openai
    base_url: "{url}"
    credentials: {{api_key: "{key}"}}
    models: {{gpt-4o-mini: {{operation: chat}}}}
  spare:
    plugin: sandbox
    models: {{chat: {{operation: chat}}}}
  unset: {{plugin: openai, base_url: "http://127.0.0.1:9/v1", models: {{m: {{operation: chat}}}}}}
"""
BASE = ROUTES.split("models:")[0]
CHAT_ROUTE = "routes: [{path: /v1/chat/completions, dialect: openai.chat}]\n"
BOTH = f"{BASE}models: {{chat: {{operation: chat, targets: [vendor/gpt-4o-mini, spare/chat]}}}}\n{CHAT_ROUTE}"
ALONE = f"{BASE}models: {{chat: {{operation: chat, targets: [vendor/gpt-4o-mini]}}}}\n" + CHAT_ROUTE.replace(
    "openai.chat", "openai.chat, failover: none"
)


@dataclass
class Ward:
    gateway: Inside
    vendor: OpenAIServer
    client: aiohttp.ClientSession

    async def chat(self) -> int:
        body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
        async with self.client.post(f"{self.gateway.url}/v1/chat/completions", json=body) as answer:
            await answer.read()
            return answer.status

    async def health(self, path: str = "/health/") -> tuple[int, dict[str, Any]]:
        async with self.client.get(self.gateway.url + path) as answer:
            return answer.status, await answer.json()

    def fail(self, times: int) -> None:
        self.vendor.faults.add(Fault("status", status=503, times=times))


@asynccontextmanager
async def ward(folder: Path, routes: str = BOTH, *, consecutive: int = 2, open_s: float = 600) -> AsyncIterator[Ward]:
    async with OpenAIServer() as vendor, aiohttp.ClientSession() as client:
        providers = PROVIDERS.format(url=vendor.base_url, key=API_KEY, consecutive=consecutive, open_s=open_s)
        async with inside(folder, providers, routes) as gateway:
            yield Ward(gateway, vendor, client)


async def test_before_any_traffic_nobody_is_judged_and_nobody_was_called(tmp_path: Path) -> None:
    """Pain 24."""
    async with ward(tmp_path) as house:
        status, found = await house.health()
        assert (status, found["status"], found["unserved_models"]) == (200, "ok", [])
        assert found["providers"]["vendor"] == {"status": "on"}
        assert found["providers"]["unset"]["status"] == "off"
        assert "api_key" in found["providers"]["unset"]["reason"]
        assert (await house.health("/health/ready")) == (200, {"status": "ok"})
        assert house.vendor.request_count == 0


async def test_a_vendor_that_fails_is_told_while_another_serves(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        assert await house.chat() == 200
        assert (await house.health())[1]["providers"]["vendor"] == {"status": "on", "health": "ok"}
        house.fail(2)
        assert [await house.chat() for _ in range(2)] == [200, 200]
        status, found = await house.health()
        assert (status, found["status"]) == (200, "degraded")
        assert found["providers"]["vendor"]["health"] == "failing"
        assert found["providers"]["spare"]["health"] == "ok"
        assert (await house.health("/health/ready"))[0] == 200


async def test_where_nobody_can_serve_it_is_not_ready_until_a_call_may_find_out(tmp_path: Path) -> None:
    async with ward(tmp_path, ALONE) as house:
        house.fail(2)
        assert [await house.chat() for _ in range(2)] == [503, 503]
        for path in ("/health/", "/health/ready", "/health/detailed"):
            status, found = await house.health(path)
            assert (status, found["status"]) == (503, "failing"), path
            assert found["reason"] == "no model has a target that can be asked now"
        assert (await house.health())[1]["unserved_models"] == ["chat"]
        assert await house.health("/health/live") == (200, {"status": "ok"})
        (breaker,) = [one for name, one in house.gateway.services.breakers.all().items() if name.startswith("vendor")]
        now_s = house.gateway.services.breakers.now_s()
        breaker.until_s = now_s + 600
        assert (await house.health("/health/ready"))[0] == 503
        breaker.until_s = now_s  # its time is over: a balancer has to send a call again, or it would never be known
        assert (await house.health("/health/ready"))[0] == 200


async def test_a_vendor_that_is_back_is_well_again(tmp_path: Path) -> None:
    async with ward(tmp_path, ALONE, consecutive=10) as house:
        house.fail(3)
        healths = []
        for _ in range(4):
            await house.chat()
            healths.append((await house.health())[1]["providers"]["vendor"]["health"])
        assert healths == ["degraded", "degraded", "failing", "ok"]


async def test_who_asks_amiss_says_nothing_of_a_vendor(tmp_path: Path) -> None:
    async with ward(tmp_path, ALONE) as house:
        house.vendor.faults.add(Fault("status", status=400, times=5))
        for _ in range(5):
            assert await house.chat() == 400
        found = (await house.health())[1]
        assert (found["status"], found["providers"]["vendor"]) == ("ok", {"status": "on", "health": "ok"})


async def test_a_provider_that_an_admin_took_out_serves_no_model(tmp_path: Path) -> None:
    async with ward(tmp_path, ALONE) as house:
        house.gateway.services.switches.set("vendor", "disabled")
        status, found = await house.health()
        assert (status, found["unserved_models"]) == (503, ["chat"])
        house.gateway.services.switches.set("vendor", "enabled")
        assert (await house.health())[0] == 200


@pytest.mark.parametrize(("waiting", "status"), [(9, 200), (10, 503), (11, 503)])
async def test_a_ledger_without_room_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: int, status: int
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 10)
    async with ward(tmp_path, BOTH + "stores: {database_url: 'sqlite:gateway.db'}\n") as house:
        monkeypatch.setattr(type(house.gateway.services.ledger), "waiting", property(lambda self: waiting))
        assert (await house.health("/health/ready"))[0] == status
        monkeypatch.undo()


async def test_a_stop_is_told_at_once(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        house.gateway.gateway.is_draining = True
        assert await house.health("/health/ready") == (503, {"status": "stopping"})
        status, found = await house.health()
        assert (status, found["status"]) == (503, "stopping")
        assert (await house.health("/health/live"))[0] == 200


async def test_the_details_say_what_it_is_judged_by(tmp_path: Path) -> None:
    async with ward(tmp_path, BOTH + "stores: {database_url: 'sqlite:gateway.db'}\n", consecutive=10) as house:
        house.fail(1)
        assert [await house.chat() for _ in range(3)] == [200] * 3
        status, found = await house.health("/health/detailed")
    assert status == 200
    assert found["statistics"] == {"total": 3, "enabled": 2, "primary": 1, "fallback": 1}
    vendor = found["traffic"]["vendor"]
    assert (vendor["attempts"], vendor["failed"], vendor["failures_in_a_row"]) == (3, 1, 0)
    assert vendor["last_failure"] == "upstream_unavailable"
    assert 0 < vendor["first_content_ms"]["p50"] <= vendor["duration_ms"]["p95"]
    assert found["timings"]["calls"] == 3
    assert 0 < found["timings"]["overhead_ms"]["p50"] <= found["timings"]["duration_ms"]["p50"]
    assert found["stores"]["ledger"]["status"] == "ok"
    assert found["stores"]["redis"] == {"status": "off"}
    assert found["stores"]["cache"]["max_bytes"] > 0
    system = found["system"]
    assert system["pid"] == os.getpid()
    assert system["memory_bytes"] > 10_000_000
    assert system["open_files"] > 2
    assert system["machine"]["cpus"] == os.cpu_count()
    assert system["machine"]["memory_available_bytes"] < system["machine"]["memory_bytes"]


async def test_a_ledger_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.database.sqlite.BUSY_TIMEOUT_S", 0.01)
    path = tmp_path / "ledger.db"
    async with ward(tmp_path, BOTH + f"stores: {{database_url: 'sqlite:{path}'}}\n") as house:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await house.chat() == 200
            async with asyncio.timeout(10):
                while (await house.health("/health/detailed"))[1]["stores"]["ledger"]["status"] != "away":
                    await asyncio.sleep(0.01)
            status, found = await house.health("/health/detailed")
        assert (status, found["status"], found["stores"]["ledger"]["status"]) == (200, "degraded", "away")


async def test_figures_of_the_system_are_read_once_a_second_however_often_they_are_asked_for() -> None:
    clock = Clock()
    system = System(clock)
    reads = 0
    read = system._read

    def counted() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        return read()

    system._read = counted  # type: ignore[method-assign]
    found = await asyncio.gather(*(system.figures() for _ in range(20)))
    assert (reads, len({id(figures) for figures in found})) == (1, 1)
    clock.now_s += 0.999
    await system.figures()
    assert reads == 1
    clock.now_s += 0.001
    await system.figures()
    assert reads == 2
