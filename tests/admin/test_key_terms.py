"""Limits and tags of keys through the API: given, changed, in force at once, handed on within what is held."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.admin.house import WITH_LEDGER, House, open_house
from tests.admin.test_usage import settled

LIMITS = {"requests": "2/day", "budget": ["5 USD/day"], "concurrent": 5}


async def made(house: House, by: str = "boss", **more: Any) -> dict[str, Any]:
    status, answer = await house.ask("POST", "/admin/keys", by, {"name": "app", **more})
    assert status == 201, answer
    return answer


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_a_keys_limit_is_in_force_at_once(house: House, most: int) -> None:
    key = await made(house, limits={"requests": f"{most}/day"})
    statuses = [(await house.chat(key["key"]))[0] for _ in range(3)]
    assert statuses == [200] * most + [429] * (3 - most)
    _, _, refused = await house.chat(key["key"])
    if most < 3:
        assert f"the limit 'key' for 'key={key['id']}'" in refused["error"]["message"]
    assert (await house.chat("web"))[0] == 200


async def test_limits_and_tags_are_told_and_changed_and_taken_away(house: House) -> None:
    key = await made(house, limits=LIMITS, tags={"team": "voice"})
    assert key["limits"] == {"requests": "2/day", "concurrent": 5, "budget": "5 USD/day"}
    assert key["tags"] == {"team": "voice"}
    path = f"/admin/keys/{key['id']}"
    status, changed = await house.ask("PATCH", path, "boss", {"tags": {"team": "text"}})
    assert (status, changed["limits"], changed["tags"]) == (200, key["limits"], {"team": "text"})
    status, changed = await house.ask("PATCH", path, "boss", {"limits": {}, "tags": {}})
    assert (status, changed["limits"], changed["tags"]) == (200, {}, {})
    assert (await house.ask("GET", path, "watcher"))[1] == changed
    assert [(await house.chat(key["key"]))[0] for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"requests": "2/day", "budget": "5 USD/day", "concurrent": 5}, None),
        ({"requests": "1/day", "budget": "4 USD/day", "concurrent": 4, "tokens": "9/day"}, None),
        ({"requests": "3/day", "budget": "5 USD/day", "concurrent": 5}, "limits.requests"),
        ({"requests": "2/day", "budget": "6 USD/day", "concurrent": 5}, "limits.budget"),
        ({"requests": "2/day", "budget": "5 USD/day", "concurrent": 6}, "limits.concurrent"),
        (None, "limits.requests"),
    ],
)
async def test_a_limited_admin_mints_within_its_limits(
    house: House, limits: dict[str, Any] | None, field: str | None
) -> None:
    minter = await made(house, role="admin", limits=LIMITS)
    body = {"name": "made", "tags": {"any": "thing"}} | ({} if limits is None else {"limits": limits})
    status, answer = await house.ask("POST", "/admin/keys", minter["key"], body)
    if field is None:
        assert status == 201
        patch = {"limits": {**LIMITS, "requests": "3/day"}}
        status, answer = await house.ask("PATCH", f"/admin/keys/{answer['id']}", minter["key"], patch)
        field = "limits.requests"
    assert (status, answer["error"]["param"]) == (403, field)
    assert field in answer["error"]["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"limits": {"requests": "sixty"}}, "'limits.requests' is 'sixty', which is not a rate; write 60/minute"),
        ({"limits": {"reqests": "1/day"}}, "'limits.reqests' is not known (did you mean 'requests'?)"),
        ({"limits": {"requests": 60}}, "'limits.requests' must be text or a list"),
        ({"limits": {"concurrent": -1}}, "'limits.concurrent' must be at least 0"),
        ({"limits": {"alert_percents": [80]}}, "'limits' limits nothing"),
        ({"limits": None}, "'limits' must be an object"),
        ({"tags": {"a b": "x"}}, "'tags.a b' is no name of a tag"),
        ({"tags": {"a": 1}}, "'tags.a' must be text"),
        ({"tags": {"a": "x" * 257}}, "'tags.a' has 257 characters; 256 are the most"),
        ({"tags": {f"t{number}": "" for number in range(17)}}, "'tags' has 17 tags; 16 are the most"),
    ],
)
async def test_faulty_terms_are_refused_by_their_field(house: House, body: dict[str, Any], said: str) -> None:
    for method, path in (("POST", "/admin/keys"), ("PATCH", f"/admin/keys/{house.keys['web'].id}")):
        status, answer = await house.ask(method, path, "boss", {"name": "x", **body})
        assert (status, said in answer["error"]["message"]) == (400, True), answer


async def test_what_a_key_has_left_of_its_own_limits_is_told(house: House) -> None:
    key = await made(house, limits=LIMITS)
    await house.chat(key["key"])
    status, answer = await house.ask("GET", f"/admin/limits?key={key['id']}", "watcher")
    assert status == 200
    [limit] = answer["limits"]
    assert (limit["limit"], limit["subject"]) == ("key", f"key={key['id']}")
    left = {meter["unit"]: meter["left"] for meter in limit["meters"]}
    assert (left["requests"], left["concurrent"]) == (1, 5)
    assert (await house.ask("GET", f"/admin/limits?key={key['id']}", "rival"))[0] == 404
    assert (await house.ask("GET", "/admin/limits", "watcher"))[1]["limits"] == []


async def test_a_requests_row_has_the_tags_of_its_key_when_it_began(house: House) -> None:
    tags = {f"tag-{number}": "ö" * 256 for number in range(16)}  # as much as there may be
    key = await made(house, tags=tags)
    _, headers, _ = await house.chat(key["key"])
    await house.ask("PATCH", f"/admin/keys/{key['id']}", "boss", {"tags": {}})
    _, later, _ = await house.chat(key["key"], messages=[{"role": "user", "content": "again"}])
    for request, expected in ((headers, tags), (later, {})):
        _, answer = await settled(house, request["x-request-id"], "watcher")
        assert answer["requests"][0]["tags"] == expected


async def test_a_scoped_key_is_shown_the_models_that_it_may_use(house: House) -> None:
    async def names(**scopes: list[str]) -> set[str]:
        key = await made(house, scopes=scopes)
        status, answer = await house.ask("GET", "/v1/models", key["key"])
        assert status == 200
        return {model["id"] for model in answer["data"]}

    everything = await names()
    assert {"chat", "speak", "sandbox/chat"} <= everything
    assert await names(models=["ch*"]) == {"chat"}
    assert await names(models=["chat", "sandbox/*"]) == {name for name in everything if name[:7] in ("chat", "sandbox")}
    assert await names(operations=["speech"]) == {"speak", "sandbox/speech"}
    assert await names(providers=["sandbox"]) == everything
    assert await names(providers=["other"]) == set()
    key = await made(house, scopes={"models": ["chat"]})
    found = await asyncio.gather(*(house.ask("GET", f"/v1/models/{name}", key["key"]) for name in ("chat", "speak")))
    assert [status for status, _ in found] == [200, 404]
    assert "speak'" in found[1][1]["error"]["message"]


async def test_a_key_for_some_providers_is_shown_their_voices(tmp_path: Path) -> None:
    routes = WITH_LEDGER.replace("routes:", "routes:\n  - {path: /v1/audio/voices, dialect: openai.voices}")
    async with open_house(tmp_path, routes) as house:
        for providers, has_some in ((["sandbox"], True), (["other"], False)):
            key = await made(house, scopes={"providers": providers})
            status, answer = await house.ask("GET", "/v1/audio/voices", key["key"])
            assert (status, bool(answer["voices"])) == (200, has_some), answer
