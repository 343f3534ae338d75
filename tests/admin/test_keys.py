"""Keys through the API: made, listed, changed, rotated, revoked; in force at once in the process that was asked."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.api import MAX_BODY_BYTES
from gateway.types import Scopes
from tests.admin.house import WITH_LEDGER, House, open_house
from tests.harness import ROUTES


async def test_a_key_is_made_shown_once_and_in_force_at_once(house: House) -> None:
    body = {"name": "app", "scopes": {"models": ["chat"]}, "expires_at": "2999-01-31T18:00:00+01:00"}
    status, made = await house.ask("POST", "/admin/keys", "boss", body)
    assert status == 201
    assert (made["tenant"], made["role"], made["state"]) == ("acme", "user", "valid")
    assert (made["scopes"], made["expires_at"]) == ({"models": ["chat"]}, "2999-01-31T17:00:00Z")
    assert (await house.chat(made["key"]))[0] == 200
    assert (await house.chat(made["key"], model="sandbox/chat"))[0] == 403
    status, shown = await house.ask("GET", f"/admin/keys/{made['id']}", "watcher")
    assert (status, shown) == (200, {name: value for name, value in made.items() if name != "key"})
    assert made["key"] not in json.dumps((await house.ask("GET", "/admin/keys", "watcher"))[1])


async def test_a_rotated_keys_old_secret_ends_and_a_revoked_key_ends(house: House) -> None:
    web = house.keys["web"].id
    status, rotated = await house.ask("POST", f"/admin/keys/{web}/rotate", "boss")
    assert (status, rotated["id"]) == (200, web)
    assert [(await house.chat(key))[0] for key in ("web", rotated["key"])] == [401, 200]
    status, revoked = await house.ask("DELETE", f"/admin/keys/{web}", "boss")
    assert (status, revoked["state"]) == (200, "revoked")
    assert (await house.chat(rotated["key"]))[0] == 401
    assert (await house.ask("DELETE", f"/admin/keys/{web}", "boss"))[1] == revoked
    for method, path, body in (("POST", "/rotate", None), ("PATCH", "", {"name": "again"})):
        status, answer = await house.ask(method, f"/admin/keys/{web}{path}", "boss", body)
        assert (status, "revoked for good" in answer["error"]["message"]) == (400, True)


async def test_a_change_changes_what_it_names_alone(house: House) -> None:
    web = f"/admin/keys/{house.keys['web'].id}"
    await house.ask("PATCH", web, "boss", {"scopes": {"operations": ["chat"]}})
    status, changed = await house.ask("PATCH", web, "boss", {"name": "site", "expires_at": "2999-01-01"})
    assert (status, changed["name"], changed["scopes"]) == (200, "site", {"operations": ["chat"]})
    assert (await house.chat("web"))[0] == 200
    ended = datetime.fromtimestamp(time.time() - 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    await house.ask("PATCH", web, "boss", {"expires_at": ended})
    assert (await house.chat("web"))[0] == 401
    assert (await house.ask("PATCH", web, "boss", {"expires_at": None}))[1]["state"] == "valid"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"tenant": "other"}, "tenant"),
        ({"tenant": "*"}, "tenant"),
        ({"scopes": {"models": ["chat"], "routes": ["/admin/*"]}, "expires_at": "2998-01-01"}, None),
        ({"scopes": {"models": ["chat"], "routes": ["/admin/*"]}}, "expires_at"),
        ({"scopes": {"models": ["chat"], "routes": ["/admin/*"]}, "expires_at": "2999-01-02"}, "expires_at"),
        ({"scopes": {"models": ["*"], "routes": ["/admin/*"]}}, "scopes.models"),
        ({"scopes": {"models": [], "routes": ["/admin/*"]}}, "scopes.models"),
        ({"scopes": {"models": ["chat"]}}, "scopes.routes"),
        ({}, "scopes.routes"),
    ],
)
async def test_a_key_hands_on_what_it_holds_alone(more: dict[str, Any], field: str | None, house: House) -> None:
    ends = datetime(2999, 1, 1, tzinfo=UTC).timestamp()
    await house.make("narrow", "acme", "admin", Scopes(routes=("/admin/*",), models=("chat",)), ends)
    status, answer = await house.ask("POST", "/admin/keys", "narrow", {"name": "made", **more})
    if field is None:
        assert status == 201
    else:
        assert (status, answer["error"]["param"]) == (403, field)


async def test_a_narrow_admin_cannot_take_over_a_broader_key(house: House) -> None:
    """Who gets a key's new secret can do what the key can, and who widens a key hands on what it did not hold."""
    await house.make("narrow", "acme", "admin", Scopes(routes=("/admin/*",)))
    boss = f"/admin/keys/{house.keys['boss'].id}"
    assert (await house.ask("POST", f"{boss}/rotate", "narrow"))[0] == 403
    assert (await house.ask("PATCH", boss, "narrow", {"name": "x"}))[0] == 403
    assert (await house.ask("PATCH", boss, "narrow", {"scopes": {"routes": ["/admin/keys"]}}))[0] == 403
    assert (await house.ask("GET", "/admin/keys", "boss"))[0] == 200


async def test_every_tenants_admin_makes_keys_for_any(house: House) -> None:
    status, made = await house.ask("POST", "/admin/keys", "root", {"name": "x", "tenant": "new", "role": "admin"})
    assert (status, made["tenant"], made["role"]) == (201, "new", "admin")
    assert (await house.ask("GET", "/admin/keys", made["key"]))[1]["keys"] == [
        {name: value for name, value in made.items() if name != "key"}
    ]


async def test_a_list_goes_on_where_it_ended(house: House) -> None:
    whole = (await house.ask("GET", "/admin/keys", "root"))[1]
    assert (len(whole["keys"]), whole["next"]) == (5, None)
    seen: list[Any] = []
    after: str | None = ""
    for length in (2, 2, 1):
        page = (await house.ask("GET", f"/admin/keys?limit=2&after={after}", "root"))[1]
        assert len(page["keys"]) == length
        seen, after = seen + page["keys"], page["next"]
    assert (seen, after) == (whole["keys"], None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"nmae": "x", "name": "y"}', "'nmae' is not known (did you mean 'name'?)"),
        (b'{"name": "x", "scopes": {"model": []}}', "'scopes.model' is not known (did you mean 'models'?)"),
        (b"{}", "'name' is required"),
        (b'{"name": ""}', "'name' must match"),
        (b'{"name": "a\\nb"}', "'name' must match"),
        (b'{"name": "x", "role": "owner"}', "'role' must be one of user, operator, admin"),
        (b'{"name": "x", "scopes": {"operations": ["sing"]}}', "'scopes.operations[0]' must be one of"),
        (b'{"name": "x", "expires_at": "soon"}', "'expires_at' is no date"),
        (b'{"name": "x", "expires_at": "2020-01-01"}', "'expires_at' is over already"),
        (b'{"name": "x", "expires_at": 4102444800}', "'expires_at' must be text or null"),
        (b"[]", "it must be an object, not a list"),
        (b"", "the body is no JSON"),
        (b'{"name": ', "the body is no JSON"),
        (b"\xff", "the body is no JSON"),
    ],
)
async def test_a_faulty_body_is_refused_by_its_field(body: bytes, said: str, house: House) -> None:
    headers = {"x-api-key": house.secrets["boss"]}
    async with house.client.post("/admin/keys", data=body, headers=headers) as answer:
        error = (await answer.json())["error"]
        assert (answer.status, said in error["message"]) == (400, True), error


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=" + "9" * 30, "limt=2", "key=gw_x"])
async def test_a_faulty_query_is_refused(query: str, house: House) -> None:
    status, answer = await house.ask("GET", f"/admin/keys?{query}", "boss")
    assert (status, answer["error"]["param"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY_BYTES, 201), (MAX_BODY_BYTES + 1, 413)])
async def test_a_body_has_a_limit(size: int, status: int, house: House) -> None:
    body = b'{"name": "x"}'.ljust(size)
    async with house.client.post("/admin/keys", data=body, headers={"x-api-key": house.secrets["boss"]}) as answer:
        assert answer.status == status
    async with house.client.post("/admin/keys", data=body, headers={"x-api-key": house.secrets["watcher"]}) as answer:
        assert answer.status == 403  # before the body is read


@pytest.mark.parametrize("wanted", ["nobody", "web", "x' OR '1'='1", "a;DROP TABLE keys"])
async def test_a_key_is_found_by_its_id_alone(wanted: str, house: House) -> None:
    for method, tail, body in (("GET", "", None), ("DELETE", "", None), ("POST", "/rotate", None)):
        status, answer = await house.ask(method, f"/admin/keys/{wanted}{tail}", "root", body)
        assert (status, answer["error"]["code"]) == (404, "not_found")
    assert len((await house.ask("GET", "/admin/keys", "root"))[1]["keys"]) == 5


async def test_without_a_store_the_remedy_is_told(tmp_path: Path) -> None:
    static = "keys: {static: [{name: ops, tenant: '*', key: ops-secret-0123456789, role: admin}]}"
    async with open_house(tmp_path, ROUTES.replace("keys: {anonymous: loopback}", static)) as house:
        for path in ("/admin/keys", "/admin/usage"):
            status, answer = await house.ask("GET", path, "ops-secret-0123456789")
            assert (status, "stores.database_url" in answer["error"]["message"]) == (404, True)
        assert (await house.ask("GET", "/admin/limits?key=ops", "ops-secret-0123456789"))[0] == 200


async def test_a_store_that_is_away_is_a_503_and_names_no_file(tmp_path: Path) -> None:
    async with open_house(tmp_path, WITH_LEDGER) as house:
        (tmp_path / "gateway.db").rename(tmp_path / "elsewhere.db")
        status, answer = await house.ask("GET", "/admin/keys", "boss")
        assert (status, answer["error"]["code"]) == (503, "store_unavailable")
        assert str(tmp_path) not in str(answer)
