"""A gateway with a ledger, two tenants and keys of every role, as the tests of the admin API use it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from gateway.admin.routes import AdminRoute
from gateway.stores.keys.store import KeyStore, StoredKey
from gateway.types import KeyRole, Scopes
from tests.harness import ROUTES, SANDBOX, Inside, inside

WITH_LEDGER = ROUTES + "stores: {database_url: 'sqlite:gateway.db'}\n"
BODIES: dict[str, dict[str, Any]] = {
    "": {},
    "NewKey": {"name": "made"},
    "KeyChange": {"name": "renamed"},
    "StateChange": {"state": "draining"},
    "BreakerReset": {"target": "sandbox/chat"},
    "Rollback": {},
    "Question": {"method": "POST", "path": "/v1/chat/completions"},
    "LogLevelChange": {"level": "debug"},
}


@dataclass
class House:
    folder: Path
    gateway: Inside
    client: aiohttp.ClientSession
    secrets: dict[str, str] = field(default_factory=dict)
    keys: dict[str, StoredKey] = field(default_factory=dict)

    @property
    def store(self) -> KeyStore:
        store = self.gateway.services.keys.store
        assert store is not None
        return store

    async def make(
        self,
        name: str,
        tenant: str,
        role: KeyRole = "user",
        scopes: Scopes = Scopes(),  # noqa: B008  # frozen
        expires_at: float | None = None,
    ) -> str:
        """Make a key in the store and return its id."""
        made = await asyncio.to_thread(self.store.create, name, tenant, scopes, expires_at, time.time(), role)
        self.keys[name], self.secrets[name] = made
        await self.gateway.services.keys.refresh()
        return made[0].id

    async def ask(
        self, method: str, path: str, key: str | None = None, body: Any = None, **more: Any
    ) -> tuple[int, dict[str, Any]]:
        """Return status and answer; `key` is the name of one that was made, or a secret."""
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["authorization"] = f"Bearer {self.secrets.get(key, key)}"
        async with self.client.request(method, path, json=body, headers=headers, **more) as answer:
            return answer.status, await answer.json()

    async def use(self, route: AdminRoute, key: str | None, **values: str) -> tuple[int, dict[str, Any]]:
        """Ask for a route of the table with a body that it takes."""
        if route.path == "/admin/config/rollback":  # to have something to go back to
            process = self.gateway.gateway.admin.process
            assert process is not None
            with (self.folder / "routes.yaml").open("a") as routes:
                routes.write("# edited\n")
            assert (await process.reload()).problems == ()
        path = route.path.format(**({"id": self.keys["web"].id, "name": "sandbox"} | values))
        return await self.ask(route.method, path, key, BODIES[route.body] if route.body else None)

    async def chat(self, key: str | None = None, **body: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
        headers = {"authorization": f"Bearer {self.secrets.get(key, key)}"} if key is not None else {}
        asked = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], **body}
        async with self.client.post("/v1/chat/completions", json=asked, headers=headers) as answer:
            return answer.status, {name.lower(): text for name, text in answer.headers.items()}, await answer.json()


@asynccontextmanager
async def open_house(folder: Path, routes: str = WITH_LEDGER, providers: str = SANDBOX) -> AsyncIterator[House]:
    async with inside(folder, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as client:
        house = House(folder, gateway, client)
        if gateway.services.keys.store is not None:
            await house.make("root", "*", "admin")
            await house.make("boss", "acme", "admin")
            await house.make("watcher", "acme", "operator")
            await house.make("web", "acme")
            await house.make("rival", "other", "admin")
        yield house
