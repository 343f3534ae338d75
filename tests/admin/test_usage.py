"""What was used, by the ledger; single requests by the id of their answer; limits and what is left of them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.admin.house import WITH_LEDGER, House, open_house

LIMITED = WITH_LEDGER.replace(
    "{path: /v1/chat/completions, dialect: openai.chat}",
    "{path: /v1/chat/completions, dialect: openai.chat, quota: {requests: [5/minute], budget: 1 USD/day}}",
)


async def settled(house: House, request_id: str, key: str) -> tuple[int, dict[str, Any]]:
    """The row of a request is settled some milliseconds after its answer."""
    async with asyncio.timeout(5):
        while True:
            status, answer = await house.ask("GET", f"/admin/requests/{request_id}", key)
            if status == 200 and answer["requests"][0]["state"] == "settled":
                return status, answer
            await asyncio.sleep(0.02)


async def test_a_request_is_found_by_the_id_of_its_answer(house: House) -> None:
    _, headers, _ = await house.chat("web")
    status, answer = await settled(house, headers["x-request-id"], "watcher")
    assert status == 200
    (row,) = answer["requests"]
    assert (row["key"], row["tenant"], row["provider"], row["status"]) == (house.keys["web"].id, "acme", "sandbox", 200)
    assert row["cost_usd"] == headers["x-gateway-cost-usd"]
    assert row["attempts"][0]["target"] == "sandbox/chat"
    assert (await house.ask("GET", f"/admin/requests/{headers['x-request-id']}", "rival"))[0] == 404
    assert (await house.ask("GET", f"/admin/requests/{headers['x-request-id']}", "root"))[0] == 200


async def test_usage_is_summed_by_what_is_asked_for_and_of_ones_own_tenant(house: House) -> None:
    for key in ("web", "web"):
        await house.chat(key)
    _, headers, _ = await house.chat("rival")
    await settled(house, headers["x-request-id"], "root")
    status, answer = await house.ask("GET", "/admin/usage", "watcher")
    (row,) = answer["usage"]
    assert (status, answer["by"], row["name"], row["requests"]) == (200, "key", house.keys["web"].id, 2)
    assert row["cost_usd"] == f"0.{row['cost_nano_usd']:09d}"
    rows = (await house.ask("GET", "/admin/usage?by=tenant&since=1d", "root"))[1]["usage"]
    assert {row["name"]: row["requests"] for row in rows} == {"acme": 2, "other": 1}
    assert (await house.ask("GET", "/admin/usage?by=day&since=2999-01-01", "root"))[1]["usage"] == []


@pytest.mark.parametrize(
    "query", ["by=color", "by=1;DROP", "since=soon", "since=2026-02-30", "since=2026-W01-1", "sinc=7d"]
)
async def test_a_faulty_question_is_refused(query: str, house: House) -> None:
    status, answer = await house.ask("GET", f"/admin/usage?{query}", "watcher")
    assert (status, answer["error"]["param"]) == (400, query.partition("=")[0])


async def test_limits_are_told_and_what_a_key_has_left_of_them(tmp_path: Path) -> None:
    async with open_house(tmp_path, LIMITED) as house:
        web = house.keys["web"].id
        (rule,) = (await house.ask("GET", "/admin/limits", "watcher"))[1]["limits"]
        assert rule["routes"] == ["POST /v1/chat/completions"]
        assert [meter["left"] for meter in rule["meters"]] == [None, None]
        _, headers, _ = await house.chat("web")
        for _ in range(2):  # to look takes nothing
            (rule,) = (await house.ask("GET", f"/admin/limits?key={web}", "watcher"))[1]["limits"]
            requests, money = rule["meters"]
            assert (rule["subject"], requests["unit"]) == (f"key={web}", "requests")
            assert (requests["limit"], requests["left"]) == (5, 4)
            assert (money["unit"], money["limit"]) == ("usd", "1.000000000")
            assert Decimal(money["left"]) == 1 - Decimal(headers["x-gateway-cost-usd"])
        for key, who, status in ((web, "rival", 404), ("nobody", "root", 404), ("ip:127.0.0.1", "root", 200)):
            assert (await house.ask("GET", f"/admin/limits?key={key}", who))[0] == status
