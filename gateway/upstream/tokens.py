"""Short-lived credentials: had when they are needed, shared, and renewed before they end.

Of an access token a plugin says how it is asked for and how the answer is read (`AskToken` in gateway/plugin.py); the
call goes out here. Credentials that lie on this machine, or with whoever runs it, a plugin finds itself, in a thread
(`find_credentials`). Both go by the provider's timeouts, and once at a time for a provider, whoever waits for it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType

from gateway.errors import GatewayError, UpstreamRefusedUs, UpstreamTimeout, UpstreamUnavailable
from gateway.plugin import Found, asks_token, finds_credentials, read_all
from gateway.types import Provider, Target, UpstreamRequest, UpstreamResponse

Send = Callable[[UpstreamRequest, Target, float], Awaitable[UpstreamResponse]]

EARLY_S = 300.0  # before its end a token is renewed; clocks differ, and a call may last; a short one at half its time
CREDENTIAL = "access_token"  # under which a plugin's `sign` finds the token
MAX_ANSWER_BYTES = 262_144
_REFUSED = (400, 401, 403)  # of RFC 6749, 5.2: what is wrong is the operator's credentials


@dataclass(frozen=True, slots=True)
class _Held:
    credentials: Mapping[str, str] = field(repr=False)
    renew_s: float  # monotonic
    ends_s: float  # monotonic


class Tokens:
    """The credentials in use. `clock` counts seconds on for ever, `wall_clock` is what a signed request states."""

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
        self._searches: dict[bytes, asyncio.Task[Found]] = {}

    async def equip(self, target: Target, deadline_s: float) -> Target:
        """Return the target with the token or what else was found among its credentials, where its vendor wants that.

        Raises UpstreamRefusedUs where there is none to be had, and what `send` raises.
        """
        find = finds_credentials(target.provider)
        if find is None and asks_token(target.provider) is None:
            return target
        key = _key(target.provider)
        async with self._locks.setdefault(key, asyncio.Lock()):
            held = self._held.get(key)
            if held is None or held.renew_s <= self._clock():
                self._forget_old()
                if find is None:
                    held = await self._fetch(target, deadline_s)
                else:
                    held = await self._find(key, find, target, deadline_s)
                self._held[key] = held
        credentials = MappingProxyType({**target.provider.credentials, **held.credentials})
        return replace(target, provider=replace(target.provider, credentials=credentials))

    def drop(self, target: Target) -> None:
        """Forget what the vendor did not accept: the next call asks for another."""
        if self._held:
            self._held.pop(_key(target.provider), None)

    async def aclose(self) -> None:
        """Wait for no search any longer; a thread that is in one ends by itself."""
        searches = list(self._searches.values())
        for search in searches:
            search.cancel()
        await asyncio.gather(*searches, return_exceptions=True)

    async def _fetch(self, target: Target, deadline_s: float) -> _Held:
        ask = asks_token(target.provider)
        assert ask is not None
        response = await self._send(ask.request(target.provider, self._wall_clock()), target, deadline_s)
        try:
            body = await _body(response)
        finally:
            await response.close()
        token = ask.read(body)
        return self._holding({CREDENTIAL: token.value}, token.lasts_s)

    async def _find(self, key: bytes, find: Callable[[Provider], Found], target: Target, deadline_s: float) -> _Held:
        """Run `find` in a thread. A thread cannot be cancelled: who comes after a timeout waits for the same one."""
        search = self._searches.get(key)
        if search is None:
            search = self._searches[key] = asyncio.create_task(asyncio.to_thread(find, target.provider))
            search.add_done_callback(lambda done: self._end_search(key, done))
        patience_s = target.timeouts.first_byte_s
        try:
            async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + patience_s, deadline_s)):
                found = await asyncio.shield(search)
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"credentials were not found within {patience_s:g} s (timeouts.first_byte_s), or the deadline passed"
            ) from error
        return self._holding(found.credentials, math.inf if found.lasts_s is None else found.lasts_s)

    def _end_search(self, key: bytes, search: asyncio.Task[Found]) -> None:
        del self._searches[key]
        if not search.cancelled():
            search.exception()  # has been seen, also where nobody waited for it any longer

    def _holding(self, credentials: Mapping[str, str], lasts_s: float) -> _Held:
        now_s = self._clock()
        return _Held(credentials, now_s + max(lasts_s - EARLY_S, lasts_s / 2), now_s + lasts_s)

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
