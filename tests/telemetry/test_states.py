"""How the gateway stands, as metrics: a model that nobody serves, stores that are away, and what is not in use."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from tests.harness import ROUTES, SANDBOX, Inside, inside

LEDGER = ROUTES + "stores: {database_url: 'sqlite:gateway.db'}\n"


async def told(gateway: Inside, *names: str) -> dict[str, str]:
    """Return the samples of these families, by their name with labels."""
    async with aiohttp.ClientSession(gateway.url) as client, client.get("/metrics") as answer:
        assert answer.status == 200
        lines = [line for line in (await answer.text()).splitlines() if line.startswith(names)]
        return dict(line.rsplit(" ", 1) for line in lines)


async def test_a_model_is_unserved_while_none_of_its_targets_may_be_asked(tmp_path: Path) -> None:
    names = [f'gateway_model_served{{model="{model}"}}' for model in ("chat", "speak", "transcribe", "embed")]
    async with inside(tmp_path, SANDBOX, ROUTES) as gateway:
        assert await told(gateway, "gateway_model_served") == dict.fromkeys(names, "1.0")
        gateway.services.switches.set("sandbox", "disabled")
        assert await told(gateway, "gateway_model_served") == dict.fromkeys(names, "0.0")
        gateway.services.switches.set("sandbox", "enabled")
        target = gateway.gateway.snapshot.config.models[0].targets[0]
        breaker = gateway.services.breakers.find(target)
        assert breaker is not None
        breaker.state, breaker.until_s = "open", gateway.services.breakers.now_s() + 60
        assert (await told(gateway, "gateway_model_served"))[names[0]] == "0.0"


async def test_stores_are_told_of_where_they_are_in_use(tmp_path: Path) -> None:
    stores = ("gateway_ledger", "gateway_redis")
    async with inside(tmp_path, SANDBOX, ROUTES) as gateway:
        assert await told(gateway, *stores) == {}
    away = LEDGER.replace("stores: {", "stores: {redis_url: 'redis://127.0.0.1:1/0', ")
    async with inside(tmp_path, SANDBOX, away) as gateway:
        assert await told(gateway, *stores) == {
            "gateway_ledger_up": "1.0",
            "gateway_ledger_waiting_rows": "0.0",
            "gateway_redis_up": "0.0",
        }
