"""The configuration is shown without what is secret, and what every answer holds is what its schema says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gateway.admin.routes import ROUTES, AdminRoute
from gateway.admin.schemas import COMPONENTS
from gateway.shape import compile_shape
from tests.admin.house import WITH_LEDGER, House, open_house
from tests.harness import SANDBOX

CANARIES = ("canary-static-key-01", "canary-credential", "canary-header", "canary-redis", "canary-option")
MIDDLEWARE = """
class Mine:
    async def __call__(self, call, handler):
        return await handler(call)
def MIDDLEWARE(options):
    return Mine()
"""
LINK = "dialect: openai.chat, middlewares: [{name: mine, after: auth, options: {words: [canary-option], is_on: true}}]}"
PROVIDERS = (
    SANDBOX
    + """
  vendor:
    plugin: openai
    base_url: https://vendor.test/v1
    credentials: {api_key: canary-credential}
    headers: {x-secret: canary-header}
    models: {chat: {operation: chat}}
"""
)
STATIC = "keys: {anonymous: loopback, static: [{name: ops, tenant: '*', key: canary-static-key-01, role: admin}]}"


async def test_what_failover_does_is_shown(tmp_path: Path) -> None:
    failover = "{hold: all, hedge: {after_ms: p95}, context_window: {fast*: chat}}"
    routes = WITH_LEDGER.replace(
        "dialect: openai.chat}", f"dialect: openai.chat, timeouts: {{idle_s: 3}}, failover: {failover}}}", 1
    )
    async with open_house(tmp_path, routes, PROVIDERS) as house:
        (shown, *_) = (await house.ask("GET", "/admin/config", "root"))[1]["routes"]
    assert shown["timeouts"]["idle_s"] == 3
    assert shown["timeouts"]["total_s"] is None
    assert shown["failover"]["fallbacks"] == {"context_window": {"fast*": "chat"}}
    assert shown["failover"]["hold"]["is_all"] is True
    assert shown["failover"]["hedge"] == {"after_s": None, "max_percent": 5.0}


async def test_the_masked_configuration_holds_no_secret(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text(MIDDLEWARE)
    routes = WITH_LEDGER.replace("keys: {anonymous: loopback}", STATIC).replace("dialect: openai.chat}", LINK)
    routes = routes.replace("stores: {", "stores: {redis_url: 'redis://:canary-redis@127.0.0.1:1/0', ")
    async with open_house(tmp_path, routes, PROVIDERS) as house:
        for path in ("/admin/config", "/admin/providers", "/openapi.json"):
            async with house.client.get(path, headers={"x-api-key": "canary-static-key-01"}) as answer:
                text = await answer.text()
                assert answer.status == 200
            for canary in CANARIES:
                assert canary not in text
            assert hashlib.sha256(b"canary-static-key-01").hexdigest() not in text
        config = (await house.ask("GET", "/admin/config", "root"))[1]
        assert config["generation"] == house.gateway.gateway.snapshot.generation
        vendor = config["providers"]["vendor"]
        assert (vendor["base_url"], vendor["headers"]) == ("https://vendor.test/v1", {"x-secret": "(hidden)"})
        assert list(vendor["credentials"].values()) == ["(hidden)"]
        (link,) = config["routes"][0]["middlewares"]
        assert link["options"] == {"words": ["(hidden)"], "is_on": True}
        assert config["keys"]["static"][0]["name"] == "ops"
        assert (await house.ask("GET", "/admin/config", "boss"))[1]["keys"]["static"] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_an_answer_is_what_its_schema_says(route: AdminRoute, house: House) -> None:
    _, headers, _ = await house.chat("web")
    is_request = route.path == "/admin/requests/{id}"
    status, answer = await house.use(route, "root", **({"id": headers["x-request-id"]} if is_request else {}))
    assert status == route.status, answer
    schema = {**COMPONENTS[route.answer], "components": {"schemas": dict(COMPONENTS)}}
    assert compile_shape(schema).faults(answer) == []
    _, refused = await house.use(route, None)
    assert compile_shape(COMPONENTS["Error"]).faults(refused) == []
