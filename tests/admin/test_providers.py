"""A provider that is taken out is asked no more, and is again when it is taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.admin.house import WITH_LEDGER, House, open_house
from tests.harness import SANDBOX

TWO = SANDBOX + "  spare: {plugin: sandbox, models: {chat: {operation: chat}}}\n"
BOTH = WITH_LEDGER.replace("targets: [sandbox/chat]", "targets: [sandbox/chat, spare/chat]")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, BOTH, TWO) as opened:
        yield opened


async def set_state(house: House, name: str, state: str) -> None:
    status, answer = await house.ask("PUT", f"/admin/providers/{name}/state", "root", {"state": state})
    assert (status, answer["name"], answer["state"]) == (200, name, state)


async def served_by(house: House, **body: str) -> str:
    status, headers, answer = await house.chat("web", **body)
    return headers["x-gateway-provider"] if status == 200 else answer["error"]["message"]


async def test_calls_go_to_the_next_target_and_back(house: House) -> None:
    assert await served_by(house) == "sandbox"
    for state in ("draining", "disabled"):
        await set_state(house, "sandbox", state)
        assert await served_by(house) == "spare"
        async with house.client.get("/health/") as answer:
            health = (await answer.json())["providers"]
        assert health["sandbox"] == {"status": state, "reason": "by an admin"}
        assert health["spare"] == {"status": "on", "health": "ok"}
        await set_state(house, "sandbox", "enabled")
        assert await served_by(house) == "sandbox"


async def test_one_that_drains_takes_the_calls_that_name_it_and_one_that_is_disabled_none(house: House) -> None:
    await set_state(house, "sandbox", "draining")
    assert await served_by(house, provider="sandbox") == "sandbox"
    assert await served_by(house, model="sandbox/chat") == "sandbox"
    await set_state(house, "sandbox", "disabled")
    assert "sandbox/chat is disabled by an admin" in await served_by(house, provider="sandbox")


async def test_where_nobody_is_left_a_client_is_told_to_come_back(house: House) -> None:
    for name in ("sandbox", "spare"):
        await set_state(house, name, "disabled")
    status, _, answer = await house.chat("web")
    assert (status, answer["error"]["code"]) == (503, "upstream_unavailable")
    assert "sandbox/chat is disabled by an admin; spare/chat is disabled" in answer["error"]["message"]


async def test_a_faulty_change_changes_nothing(house: House) -> None:
    for name, body, status in (
        ("sandbx", {"state": "disabled"}, 404),
        ("sandbox", {"state": "off"}, 400),
        ("sandbox", {"stat": "disabled"}, 400),
    ):
        assert (await house.ask("PUT", f"/admin/providers/{name}/state", "root", body))[0] == status
    assert "did you mean 'sandbox'" in str(
        await house.ask("PUT", "/admin/providers/sandbx/state", "root", {"state": "disabled"})
    )
    listed = (await house.ask("GET", "/admin/providers", "watcher"))[1]["providers"]
    assert {one["name"]: one["state"] for one in listed} == {"sandbox": "enabled", "spare": "enabled"}


async def test_the_strategy_of_a_model_and_what_it_goes_by_are_shown(tmp_path: Path) -> None:
    targets = (
        "targets: [{target: sandbox/chat, when: {headers: {x-a: secret-pattern}}}, {target: spare/chat, group: 2}]"
    )
    shadow = "shadow: {target: spare/chat, percent: 0.5}"
    routes = WITH_LEDGER.replace("targets: [sandbox/chat]", f"strategy: fastest, {targets}, {shadow}")
    async with open_house(tmp_path, routes, TWO) as house:

        async def standing() -> dict[str, tuple[int | None, float | None]]:
            listed = (await house.ask("GET", "/admin/providers", "root"))[1]["providers"]
            rows = {f"{one['name']}/{row['name']}": row for one in listed for row in one["models"]}
            return {name: (row["in_flight"], row["first_content_s"]) for name, row in rows.items() if "chat" in name}

        assert await standing() == {"sandbox/chat": (None, None), "spare/chat": (None, None)}
        assert await served_by(house) == "spare"
        known = await standing()
        assert known["sandbox/chat"] == (None, None)
        count, seconds = known["spare/chat"]
        assert count == 0
        assert seconds is not None
        assert 0 < seconds < 10
        shown = (await house.ask("GET", "/admin/config", "root"))[1]
    models = {model["name"]: model for model in shown["models"]}
    assert models["chat"]["strategy"] == "fastest"
    assert models["chat"]["places"] == [
        {"target": "sandbox/chat", "weight": 1.0, "group": 1, "conditional": True},
        {"target": "spare/chat", "weight": 1.0, "group": 2, "conditional": False},
    ]
    assert models["chat"]["shadow"] == {"target": "spare/chat", "percent": 0.5, "in_flight": 10}
    assert models["speak"]["strategy"] == "priority"
    assert "secret-pattern" not in str(shown)
