"""Every endpoint of the table, with every kind of key that may not use it; and what a key may hand on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.access import RANKS, excess
from gateway.admin.routes import ROUTES, AdminRoute
from gateway.stores.keys.store import StoredKey
from gateway.stores.keys.terms import NOTHING, limits_of, write_limits, write_tags
from gateway.types import Client, KeyRole, Scopes
from tests.admin.house import WITH_LEDGER, House, open_house

each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
ROLES: tuple[KeyRole, ...] = ("user", "operator", "admin")


@each_route
async def test_no_wrong_expired_and_revoked_keys_are_refused(route: AdminRoute, house: House) -> None:
    """From loopback too, where `keys.anonymous: loopback` serves clients without a key."""
    await house.make("late", "*", "admin", expires_at=time.time() - 1)
    revoked = await house.make("gone", "*", "admin")
    await asyncio.to_thread(house.store.revoke, revoked, time.time())
    await house.gateway.services.keys.refresh()
    for key in (None, "gw_" + "0" * 49, "late", "gone", house.secrets["root"][:-1], house.secrets["root"] + "x"):
        status, answer = await house.use(route, key)
        assert (status, answer["error"]["code"]) == (401, "invalid_api_key"), key
    assert "expired" in (await house.use(route, "late"))[1]["error"]["message"]


@each_route
async def test_a_key_in_the_query_is_none(route: AdminRoute, house: House) -> None:
    path = route.path.format(id=house.keys["web"].id, name="sandbox")
    status, answer = await house.ask(route.method, f"{path}?key={house.secrets['root']}")
    assert (status, answer["error"]["code"]) == (401, "invalid_api_key")


@each_route
@pytest.mark.parametrize("role", ROLES)
async def test_a_role_below_the_routes_is_refused_and_one_at_it_is_not(
    route: AdminRoute, role: KeyRole, house: House
) -> None:
    await house.make("some", "*", role)
    status, answer = await house.use(route, "some")
    if RANKS[role] < RANKS[route.role]:
        assert (status, answer["error"]["code"]) == (403, "permission_denied")
    elif route.path == "/admin/requests/{id}":
        assert (status, answer["error"]["code"]) == (404, "not_found")  # that id is no request's
    else:
        assert status == route.status, answer


# What another tenant's admin gets where a route names something of acme's; the rest must hold nothing of it.
OF_ANOTHER = {
    "GET /admin/keys/{id}": 404,
    "PATCH /admin/keys/{id}": 404,
    "DELETE /admin/keys/{id}": 404,
    "POST /admin/keys/{id}/rotate": 404,
    "GET /admin/requests/{id}": 404,
    "PUT /admin/providers/{name}/state": 403,
    "POST /admin/breakers/reset": 403,
    "POST /admin/explain": 403,
    "GET /admin/config/diff": 403,
    "POST /admin/config/reload": 403,
    "POST /admin/config/rollback": 403,
    "GET /admin/config/history": 403,
    "GET /admin/cache": 403,
    "PUT /admin/log": 403,
}


@each_route
async def test_another_tenants_admin_sees_and_changes_nothing(route: AdminRoute, house: House) -> None:
    await house.chat("web")
    web = house.keys["web"]
    status, answer = await house.use(route, "rival")
    assert status == OF_ANOTHER.get(route.name, route.status), answer
    if status < 300:
        assert "acme" not in str(answer)
        assert web.id not in str(answer)
    assert house.store.show(web.id) == web
    assert house.gateway.services.switches.state("sandbox") == "enabled"


@each_route
async def test_a_key_for_other_routes_is_refused(route: AdminRoute, house: House) -> None:
    await house.make("clients", "*", "admin", Scopes(routes=("/v1/*",)))
    status, answer = await house.use(route, "clients")
    assert (status, answer["error"]["code"]) == (403, "permission_denied")


async def test_every_header_that_carries_a_key_elsewhere_does_here(house: House) -> None:
    secret = house.secrets["root"]
    for name, value in (("x-api-key", secret), ("api-key", secret), ("x-goog-api-key", secret), ("xi-api-key", secret)):
        assert (await house.ask("GET", "/admin/keys", headers={name: value}))[0] == 200
    assert (await house.ask("GET", "/admin/keys", headers={"authorization": f"Basic {secret}"}))[0] == 401


async def test_what_is_not_there_is_told_to_known_keys_only(house: House) -> None:
    assert (await house.ask("GET", "/admin/nothing"))[0] == 401
    assert (await house.ask("GET", "/admin/nothing", "watcher"))[0] == 404
    assert (await house.ask("PUT", "/admin/keys", "root"))[0] == 405


async def test_a_401_names_its_scheme_and_no_answer_may_be_kept(house: House) -> None:
    async with house.client.get("/admin/keys") as answer:
        assert answer.headers["www-authenticate"] == "Bearer"
    headers = {"x-api-key": house.secrets["root"]}
    async with house.client.get("/admin/keys", headers=headers) as answer:
        assert answer.headers["cache-control"] == "no-store"
    async with house.client.head("/admin/keys", headers=headers) as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_a_key_of_the_files_may_have_a_role(tmp_path: Path) -> None:
    static = (
        "keys: {anonymous: loopback, static: [{name: ops, tenant: '*', key: ops-secret-0123456789, role: operator},"
        " {name: plain, key: plain-secret-0123456789}]}"
    )
    async with open_house(tmp_path, WITH_LEDGER.replace("keys: {anonymous: loopback}", static)) as house:
        assert (await house.ask("GET", "/admin/keys", "ops-secret-0123456789"))[0] == 200
        assert (await house.ask("POST", "/admin/keys", "ops-secret-0123456789", {"name": "x"}))[0] == 403
        assert (await house.ask("GET", "/admin/keys", "plain-secret-0123456789"))[0] == 403


# ---------------------------------------------------------------- what a key may hand on

PATTERNS = st.lists(st.sampled_from(["a", "b", "*"]), max_size=3).map(tuple)
SCOPES = st.builds(Scopes, PATTERNS, PATTERNS, PATTERNS, PATTERNS)
EXPIRIES = st.none() | st.floats(1, 3)
TENANTS = st.sampled_from(["acme", "other", "*"])


def asked(role: KeyRole, tenant: str, scopes: Scopes, expires_at: float | None) -> StoredKey:
    return StoredKey("", "made", tenant, b"", scopes, 0.0, expires_at, role=role)


@given(st.sampled_from(ROLES), TENANTS, SCOPES, EXPIRIES, st.sampled_from(ROLES), TENANTS, SCOPES, EXPIRIES)
def test_a_key_is_handed_on_only_where_all_of_it_is_held(
    role: KeyRole, tenant: str, scopes: Scopes, ends: float | None,
    new_role: KeyRole, new_tenant: str, new_scopes: Scopes, new_ends: float | None,
) -> None:  # fmt: skip
    minter = Client("minter", tenant, scopes=scopes, expires_at=ends, role=role)
    field = excess(minter, asked(new_role, new_tenant, new_scopes, new_ends))
    parts = [(getattr(scopes, part), getattr(new_scopes, part)) for part in Scopes.__slots__]
    is_held = (
        ROLES.index(new_role) <= ROLES.index(role)
        and (tenant in ("*", new_tenant))
        and all(not mine or (wanted and all(one in mine for one in wanted)) for mine, wanted in parts)
        and (ends is None or (new_ends is not None and new_ends <= ends))
    )
    assert (field is None) is is_held


@given(st.sampled_from(ROLES), TENANTS, SCOPES, EXPIRIES)
def test_a_key_may_hand_on_what_it_is(role: KeyRole, tenant: str, scopes: Scopes, ends: float | None) -> None:
    minter = Client("minter", tenant, scopes=scopes, expires_at=ends, role=role)
    assert excess(minter, asked(role, tenant, scopes, ends)) is None


MINE = {
    "requests": ["60/minute", "1000/day"],
    "audio_seconds": "10/hour",
    "budget": "5 USD/day",
    "concurrent": 5,
    "while_away": "local_share",
}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, None),
        ({"requests": ["59/minute", "999/day"], "tokens": "1/hour"}, None),
        ({"requests": ["61/minute", "1000/day"]}, "limits.requests"),
        ({"requests": ["60/minute", "1001/day"]}, "limits.requests"),
        ({"requests": ["60/minute"]}, "limits.requests"),
        ({"requests": ["60/minute", "1000/hour"]}, "limits.requests"),  # another window is another limit
        ({"audio_seconds": "9/hour"}, None),
        ({"audio_seconds": "11/hour"}, "limits.audio_seconds"),
        ({"audio_seconds": []}, "limits.audio_seconds"),
        ({"budget": "4.999999999 USD/day"}, None),
        ({"budget": "5.000000001 USD/day"}, "limits.budget"),
        ({"budget": "1 USD/month"}, "limits.budget"),
        ({"budget": ["5 USD/day", "900 USD/month"]}, None),
        ({"concurrent": 4}, None),
        ({"concurrent": 6}, "limits.concurrent"),
        ({"concurrent": None}, "limits.concurrent"),
        ({"while_away": "closed"}, None),
        ({"while_away": "open"}, "limits.while_away"),
    ],
)
def test_who_is_limited_hands_on_at_most_as_much_of_each(changes: dict[str, Any], field: str | None) -> None:
    minter = Client("minter", "acme", role="admin", limits=limits_of(write_limits(MINE)))
    wanted = replace(asked("user", "acme", Scopes(), None), limits=write_limits({**MINE, **changes}))
    assert excess(minter, wanted) == field


def test_limits_are_free_for_who_has_none_and_needed_from_who_has_some() -> None:
    limited = replace(asked("user", "acme", Scopes(), None), limits=write_limits({"requests": "9/day"}))
    free = replace(limited, limits=NOTHING, tags=write_tags({"any": "thing"}))
    assert excess(Client("minter", "acme", role="admin"), limited) is None
    assert excess(Client("minter", "acme", role="admin"), free) is None
    minter = Client("minter", "acme", role="admin", limits=limits_of(limited.limits))
    assert excess(minter, free) == "limits.requests"
