"""Asks vendors whether they are there, beside the calls, where providers.yaml says so (`probe`)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable

from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.stores.breakers import Breakers, Failure
from gateway.types import Model, ProbePolicy, Provider, Target, UpstreamRequest
from gateway.upstream.attempt import MISREAD, with_headers
from gateway.upstream.send import Upstream

LOGGER = logging.getLogger("gateway")

JITTER = 0.1  # up to a tenth of an interval is left out, so that replicas do not ask together
TOO_MANY = 429

Count = Callable[[str, str], None]  # a provider, and what a probe of it came to


class Prober:
    """One task for each provider that is probed; they outlive a reload where nothing about the provider changed."""

    def __init__(self, upstream: Upstream, breakers: Breakers, count: Count) -> None:
        self._upstream = upstream
        self._breakers = breakers
        self._count = count
        self._tasks: dict[str, tuple[Provider, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def use(self, providers: Iterable[Provider]) -> None:
        """Probe those of these providers that say so and are on, and no others."""
        wanted = {one.name: one for one in providers if one.probe is not None and one.off_reason is None}
        for name, (provider, task) in list(self._tasks.items()):
            if name not in wanted or not _is_same(wanted[name], provider):
                del self._tasks[name]
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
                task.cancel()
        for name, provider in wanted.items():
            if name not in self._tasks:
                self._tasks[name] = (provider, asyncio.create_task(self._follow(provider), name=f"probe of {name}"))

    async def aclose(self) -> None:
        self.use(())
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _follow(self, provider: Provider) -> None:
        policy = provider.probe
        assert policy is not None
        while True:
            await asyncio.sleep(policy.every_s * (1 - JITTER * random.random()))
            if not self._breakers.wants_probe(provider, policy):
                continue
            try:
                status = await self._status(provider, policy)
            except UpstreamError as error:
                failure: Failure | None = Failure(error.code)
            except MISREAD:
                LOGGER.exception("provider %s is probed no more: its plugin cannot sign the request", provider.name)
                return
            else:
                failure = Failure(UpstreamUnavailable.code) if status >= 500 else None
                if status == TOO_MANY:  # it is there and wants to be left alone
                    self._count(provider.name, "busy")
                    continue
            self._count(provider.name, "ok" if failure is None else failure.code)
            self._breakers.probed(provider, failure)

    async def _status(self, provider: Provider, policy: ProbePolicy) -> int:
        """Return the status that the vendor answers with. Raises UpstreamError where there is none."""
        target = Target(provider, Model(policy.path, "proxy"))
        request = with_headers(UpstreamRequest("GET", provider.base_url + policy.path, {"accept": "*/*"}), provider)
        until_s = asyncio.get_running_loop().time() + policy.timeout_s
        try:
            async with asyncio.timeout_at(until_s):
                request = provider.plugin.sign(request, await self._upstream.tokens.equip(target, until_s))
                response = await self._upstream.send(request, target, until_s)
        except TimeoutError as error:
            raise UpstreamTimeout(f"{provider.name} did not answer a probe within {policy.timeout_s:g} s") from error
        await response.close()
        return response.status


def _is_same(one: Provider, other: Provider) -> bool:
    """Whether a probe of the one is a probe of the other."""
    return all(
        getattr(one, part) == getattr(other, part)
        for part in ("probe", "base_url", "credentials", "headers", "options", "timeouts", "proxy")
    ) and type(one.plugin) is type(other.plugin)
