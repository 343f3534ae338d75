"""The keys that one issuer publishes, fetched beside the requests. The last good ones are kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway import json
from gateway.config.model import Issuer
from gateway.errors import GatewayError, UpstreamMalformed, UpstreamUnavailable
from gateway.issuers.address import is_fetchable, is_https
from gateway.plugin import read_all
from gateway.types import UpstreamRequest, UpstreamResponse

LOGGER = logging.getLogger("gateway")

Send = Callable[[UpstreamRequest], Awaitable[UpstreamResponse]]
K = TypeVar("K")

MAX_DOCUMENT_BYTES = 65_536  # a set of ten keys with certificates has 20,000
TOTAL_S = 10.0  # of one look: the discovery document and the keys
DISCOVERY_PATH = "/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0, section 4


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an issuer is asked."""

    refresh_s: float = 300.0
    retry_s: float = 10.0  # after a look that failed
    apart_s: float = 10.0  # between looks that tokens cause: anybody can send an unknown key's name


class KeySet(Generic[K]):
    """`read` makes keys of a document, or raises ValueError. `on_change` is called when other keys are in force."""

    def __init__(
        self,
        issuer: Issuer,
        send: Send,
        read: Callable[[Any], tuple[K, ...]],
        on_change: Callable[[], None],
        pace: Pace,
    ) -> None:
        self.keys: tuple[K, ...] | None = None  # None: none were ever fetched
        self.pace = pace
        self._issuer = issuer
        self._send = send
        self._read = read
        self._on_change = on_change
        self._document: Any = None
        self._is_good: bool | None = None  # None: nothing was tried yet
        self._asked = asyncio.Event()
        self._asked_s = float("-inf")
        self._task = asyncio.create_task(self._follow(), name=f"keys of {issuer.name}")

    def request(self) -> None:
        """Have the keys fetched soon; returns at once."""
        self._asked.set()

    def stop(self) -> asyncio.Task[None]:
        """End it; who awaits the task sees that it ended."""
        self._task.cancel()
        return self._task

    async def _follow(self) -> None:
        while True:
            await self._refresh()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pace.refresh_s if self._is_good else self.pace.retry_s):
                    await self._asked.wait()
            if self._asked.is_set():
                now_s = asyncio.get_running_loop().time
                await asyncio.sleep(self._asked_s + self.pace.apart_s - now_s())
                self._asked_s = now_s()
                self._asked.clear()

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(TOTAL_S):
                document = await self._fetch(await self._find_address())
            keys = self._read(document)
        except (GatewayError, ValueError, TimeoutError, OSError) as error:
            if self._is_good is not False:
                reason = f"no answer within {TOTAL_S:g} s" if isinstance(error, TimeoutError) else error
                rest = "those that are known serve on" if self.keys is not None else "its tokens are answered with 503"
                LOGGER.error("the keys of issuer %r cannot be fetched: %s; %s", self._issuer.name, reason, rest)
            self._is_good = False
            return
        if self._is_good is False:
            LOGGER.warning("the keys of issuer %r are fetched again", self._issuer.name)
        self._is_good = True
        if document != self._document:
            self._document, self.keys = document, keys
            self._on_change()

    async def _find_address(self) -> str:
        issuer = self._issuer
        if issuer.jwks_url:
            return issuer.jwks_url
        document = await self._fetch(issuer.url.rstrip("/") + DISCOVERY_PATH)
        if not isinstance(document, dict) or document.get("issuer") != issuer.url:
            raise UpstreamMalformed("its discovery document is another issuer's")
        address = document.get("jwks_uri")
        # Only an issuer on this machine may point to this machine.
        is_allowed = is_https if is_https(issuer.url) else is_fetchable
        if not isinstance(address, str) or not is_allowed(address):
            raise UpstreamMalformed("the jwks_uri of its discovery document is no https address")
        return address

    async def _fetch(self, url: str) -> Any:
        response = await self._send(UpstreamRequest("GET", url, {"accept": "application/json"}, b""))
        try:
            if response.status != 200:
                raise UpstreamUnavailable(f"{url} answered {response.status}")
            body = await read_all(response, MAX_DOCUMENT_BYTES)
        finally:
            await response.close()
        try:
            return json.loads(body)
        except ValueError as error:
            raise UpstreamMalformed(f"what {url} answers is no JSON") from error
