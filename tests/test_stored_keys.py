"""Pain 29: a key made or revoked by a command is in force in the running gateway within a second."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness import ROOT, ROUTES, inside

UNTIL = ROUTES.replace("anonymous: loopback", "anonymous: until_keys") + "stores: {database_url: 'sqlite:gateway.db'}\n"


async def gateway_keys(folder: Path, *arguments: str) -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "keys", *arguments, "--config", str(folder),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, complaint = await child.communicate()
    return child.returncode or 0, said.decode().strip() or complaint.decode()


async def status(client: aiohttp.ClientSession, key: str = "", model: str = "chat") -> int:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    async with client.post("/v1/chat/completions", json=body, headers=headers) as answer:
        await answer.read()
        return answer.status


@pytest.mark.slow
async def test_a_key_is_in_force_within_a_second_of_the_command(tmp_path: Path, url: str) -> None:
    async with (
        inside(tmp_path, routes=UNTIL.replace("sqlite:gateway.db", url)) as gateway,
        aiohttp.ClientSession(gateway.url) as client,
    ):
        assert await status(client) == 200  # as long as there is no key
        code, secret = await gateway_keys(tmp_path, "create", "web", "--model", "ch*", "--operation", "chat")
        assert code == 0
        await asyncio.sleep(1)
        assert await status(client, secret) == 200
        assert await status(client) == 401
        assert await status(client, secret[:-1]) == 401
        assert await status(client, secret, model="sandbox/chat") == 403
        code, other = await gateway_keys(tmp_path, "rotate", "web")
        await asyncio.sleep(1)
        assert [await status(client, secret), await status(client, other)] == [401, 200]
        code, said = await gateway_keys(tmp_path, "revoke", "web")
        assert "is revoked" in said
        await asyncio.sleep(1)
        assert await status(client, other) == 401
        [listed] = json.loads((await gateway_keys(tmp_path, "list", "--json"))[1])
        assert (listed["name"], listed["state"], listed["scopes"]["models"]) == ("web", "revoked", ["ch*"])
        assert secret not in json.dumps(listed)
        assert "nobody" in (await gateway_keys(tmp_path, "show", "nobody"))[1]
        assert (await gateway_keys(tmp_path, "create", "x", "--expires", "soon"))[0] == 64
