"""A first start makes an admin's key and shows it once; it ends no time without keys."""

from __future__ import annotations

import re
import time
from pathlib import Path

import aiohttp
import pytest

from gateway.server.lifecycle import first_key
from tests.harness import ROUTES, Process, inside, process

UNTIL = ROUTES.replace("anonymous: loopback", "anonymous: until_keys") + "stores: {database_url: 'sqlite:gateway.db'}\n"
KEY = re.compile(r"\bgw_[0-9A-Za-z]{49}\b")
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


async def status(client: aiohttp.ClientSession, key: str = "", path: str = "/v1/chat/completions") -> int:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    method, body = ("GET", None) if path.startswith("/admin") else ("POST", CHAT)
    async with client.request(method, path, json=body, headers=headers) as answer:
        await answer.read()
        return answer.status


async def logged(gateway: Process) -> str:
    await gateway.stop()
    return str(gateway.log)


@pytest.mark.slow
async def test_it_is_printed_once_over_two_starts(tmp_path: Path) -> None:
    async with process(tmp_path, routes=UNTIL) as gateway:
        (key,) = KEY.findall(gateway.banner)
        async with aiohttp.ClientSession(gateway.url) as client:
            assert await status(client, key, "/admin/keys") == 200
            assert await status(client) == 200  # keyless still
            assert await status(client, "not-needed-on-this-machine") == 200
        assert key not in await logged(gateway)
    async with process(tmp_path, routes=UNTIL) as gateway:
        assert not KEY.search(gateway.banner)
        async with aiohttp.ClientSession(gateway.url) as client:
            assert await status(client, key, "/admin/keys") == 200
        assert key not in await logged(gateway)
    assert all(key.encode() not in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())


async def test_it_ends_no_time_without_keys_and_the_next_key_does(tmp_path: Path) -> None:
    async with inside(tmp_path, routes=UNTIL) as gateway, aiohttp.ClientSession(gateway.url) as client:
        first = await first_key(gateway.services)
        assert first is not None
        assert await first_key(gateway.services) is None
        assert [await status(client), await status(client, first), await status(client, "other")] == [200, 200, 200]
        assert await status(client, path="/admin/keys") == 401
        async with client.post(
            "/admin/keys", json={"name": "web", "tenant": "acme"}, headers={"x-api-key": first}
        ) as answer:
            web = await answer.json()
        assert [await status(client), await status(client, web["key"]), await status(client, "other")] == [
            401,
            200,
            401,
        ]
        async with client.delete(f"/admin/keys/{web['id']}", headers={"x-api-key": first}):
            pass
        assert [await status(client), await status(client, web["key"])] == [401, 401]  # the door stays closed


async def test_a_key_of_the_first_kind_is_known_before_there_are_others(tmp_path: Path) -> None:
    """What it may do and until when counts, though the time without keys goes on."""
    async with inside(tmp_path, routes=UNTIL) as gateway, aiohttp.ClientSession(gateway.url) as client:
        first = await first_key(gateway.services)
        assert first is not None
        store = gateway.services.keys.store
        assert store is not None
        _, keys = store.since(0)
        async with client.patch(
            f"/admin/keys/{keys[0].id}", json={"scopes": {"models": ["other"]}}, headers={"x-api-key": first}
        ):
            pass
        assert [await status(client, first), await status(client)] == [403, 200]
        store.revoke(keys[0].id, time.time())
        await gateway.services.keys.refresh()
        assert await status(client, first, "/admin/keys") == 401
        assert await first_key(gateway.services) is None  # a revoked one was a key too
