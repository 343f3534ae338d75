"""Access tokens of vendors that want a short-lived one: asked for when needed, shared, and renewed before they end.

A plugin only says how a token is asked for and how the answer is read (`AskToken` in gateway/plugin.py); the call goes
out here, under the provider's own timeouts. One request per provider is under way at a time, whoever waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from types import MappingProxyType

from gateway.errors import GatewayError, UpstreamRefusedUs, UpstreamUnavailable
from gateway.plugin import asks_token, read_all
from gateway.types import Provider, Target, UpstreamRequest, UpstreamResponse

Send = Callable[[UpstreamRequest, Target, float], Awaitable[UpstreamResponse]]

EARLY_S = 300.0  # before its end a token is renewed; clocks differ, and a call may last
CREDENTIAL = "access_token"  # under which a plugin's `sign` finds the token
MAX_ANSWER_BYTES = 262_144
_REFUSED = (400, 401, 403)  # of RFC 6749, 5.2: what is wrong is the operator's credentials


@dataclass(frozen=True, slots=True)
class _Held:
    value: str
    ends_s: float  # monotonic


class Tokens:
    """The tokens in use. `clock` counts seconds on for ever, `wall_clock` is the time that a signed request states."""

    def __init__(
        self,
        send: Send,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._send = send
        self._clock = clock
        self._wall_clock = wall_clock
        self._held: dict[bytes, _Held] = {}
        self._locks: dict[bytes, asyncio.Lock] = {}

    async def equip(self, target: Target, deadline_s: float) -> Target:
        """Return the target with a token among its credentials, where its vendor wants one.

        Raises UpstreamRefusedUs where the operator's credentials get none, and what `send` raises.
        """
        ask = asks_token(target.provider)
        if ask is None:
            return target
        key = _key(target.provider)
        async with self._locks.setdefault(key, asyncio.Lock()):
            held = self._held.get(key)
            if held is None or held.ends_s - EARLY_S <= self._clock():
                self._forget_old()
                held = self._held[key] = await self._fetch(target, deadline_s)
        credentials = MappingProxyType({**target.provider.credentials, CREDENTIAL: held.value})
        return replace(target, provider=replace(target.provider, credentials=credentials))

    def drop(self, target: Target) -> None:
        """Forget a token that the vendor did not accept: the next call asks for another."""
        self._held.pop(_key(target.provider), None)

    async def _fetch(self, target: Target, deadline_s: float) -> _Held:
        ask = asks_token(target.provider)
        assert ask is not None
        response = await self._send(ask.request(target.provider, self._wall_clock()), target, deadline_s)
        try:
            body = await _body(response)
        finally:
            await response.close()
        token = ask.read(body)
        return _Held(token.value, self._clock() + token.lasts_s)

    def _forget_old(self) -> None:
        now_s = self._clock()
        for key in [key for key, held in self._held.items() if held.ends_s <= now_s]:
            del self._held[key]


async def _body(response: UpstreamResponse) -> bytes:
    body = await read_all(response, MAX_ANSWER_BYTES)
    if 200 <= response.status < 300:
        return body
    what = f"asked for an access token, the vendor answered {response.status}"
    error: GatewayError
    if response.status in _REFUSED:
        error = UpstreamRefusedUs(f"{what}: it does not accept the gateway's credentials")
    else:
        error = UpstreamUnavailable(what)
    raise error


def _key(provider: Provider) -> bytes:
    """A digest of who asks with what: other credentials after a reload get another token."""
    digest = sha256(f"{provider.name}\0{provider.base_url}\0{dict(provider.options)!r}".encode())
    for name in sorted(provider.credentials):
        if name != CREDENTIAL:
            digest.update(f"\0{name}\0{provider.credentials[name]}".encode())
    return digest.digest()
