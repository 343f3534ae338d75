"""Other configurations while it serves: read again, compared, and gone back to. One at a time, and none half."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from prometheus_async.aio import time as timed

from gateway.admin.process import Applied, Facts, How, Outcome
from gateway.config.difference import differences
from gateway.config.model import Config
from gateway.errors import ConfigError, InvalidRequest, NotFound, Problem
from gateway.server.app import Gateway
from gateway.server.background import giving_way
from gateway.server.line import Load
from gateway.server.notify import SILENT, Notifier
from gateway.server.restore import Restorer
from gateway.services import Services
from gateway.snapshot import Snapshot, build_snapshot
from gateway.stores.ledger import LedgerAway
from gateway.telemetry import logs

MAX_HISTORY = 4  # configurations that are kept, the one that serves among them; the default files take 0.5 MB each
MAX_CHANGES = 50  # that are kept and told of one reload; a log line for each would be a storm


class Reloader:
    """Loads, checks and builds beside what serves, then swaps one reference. One at a time; a request for another
    while one runs makes it run once more."""

    def __init__(
        self,
        gateway: Gateway,
        load: Load,
        restorer: Restorer | None,
        notifier: Notifier = SILENT,
        load_together: Load | None = None,
    ) -> None:
        """`load_together` is there in a worker: it returns what all workers have loaded, for all to serve by."""
        self._gateway = gateway
        self._load = load
        self._load_together = load_together
        self._restorer = restorer
        self._notifier = notifier
        self._task: asyncio.Task[None] | None = None
        self._is_wanted = False
        self._waiting: list[asyncio.Future[Outcome]] = []
        self._turn = asyncio.Lock()
        snapshot = gateway.snapshot
        self._number = int(snapshot.generation.partition("-")[0])
        self._kept = [(Applied(snapshot.generation, time.time(), "start", (), True), snapshot.config)]
        gateway.admin.process = self

    def request(self) -> None:
        """Reload soon; the log says what came of it."""
        self._is_wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="reload")

    async def reload(self) -> Outcome:
        """Reload, and return what came of one that began after this was called."""
        waiting: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self.request()
        return await waiting

    async def compare(self) -> Outcome:
        """Return what a reload would change, or why it would be refused."""
        gateway = self._gateway
        before = gateway.snapshot
        try:
            _, changes = await asyncio.to_thread(_read, self._load, before.config)
        except ConfigError as error:
            return Outcome(before.generation, problems=error.problems)
        return Outcome(before.generation, changes)

    async def rollback(self, generation: str) -> Outcome:
        """Serve by a configuration of the history: that one, or "": the one before. Raises NotFound, and
        InvalidRequest in a worker: the others would serve on by the new one."""
        if self._load_together is not None:
            raise InvalidRequest(
                "with several workers (server.workers) a configuration is gone back to by its files: put them back, "
                "and reload"
            )
        async with self._turn:
            place = self._place_of(generation)
            config = self._kept[place][1]
            changes = await asyncio.to_thread(_changes, self._gateway.snapshot.config, config)
            await self._apply(config, "rollback", changes, place)
            return Outcome(self._gateway.snapshot.generation, changes)

    def history(self) -> Sequence[Applied]:
        return [applied for applied, _ in self._kept]

    def facts(self) -> Facts:
        gateway = self._gateway
        pid = os.getpid() if self._load_together is None else os.getppid()  # that of the supervisor, to send signals to
        return Facts(pid, gateway.url, gateway.services.started_at, gateway.in_flight, gateway.is_draining)

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for waiting in self._waiting:
            waiting.cancel()

    async def _run(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            waiting, self._waiting = self._waiting, []
            try:
                async with self._turn:
                    outcome = await self._try()
            except BaseException:
                self._waiting += waiting
                raise
            for one in waiting:
                if not one.done():
                    one.set_result(outcome)

    async def _try(self) -> Outcome:
        """Reload, or say in the log and in what is returned why not."""
        metrics = self._gateway.services.metrics
        self._notifier.reloading()
        try:
            return await timed(metrics.reload_duration)(self._reload)()
        except ConfigError as error:
            problems = error.problems
            for problem in problems:
                logs.LOGGER.error("reload refused: %s", problem)
            logs.LOGGER.error("configuration %s serves on", self._gateway.snapshot.generation)
        except Exception:  # a fault of ours in a reload must not end what serves
            logs.LOGGER.exception("reload failed inside the gateway; the old configuration serves on")
            problems = (Problem("", 0, 0, "the gateway has a fault; its log has the details"),)
        finally:
            self._notifier.ready(f"configuration {self._gateway.snapshot.generation} serves")
        metrics.reloads.labels("refused").inc()
        metrics.is_config_current.set(0)
        return Outcome(self._gateway.snapshot.generation, problems=problems)

    async def _reload(self) -> Outcome:
        before = self._gateway.snapshot.config
        with giving_way():
            config, changes = await asyncio.to_thread(_read, self._load_together or self._load, before)
        await self._apply(config, "reload", changes, self._current + (config.digest != before.digest))
        return Outcome(self._gateway.snapshot.generation, changes)

    async def _apply(self, config: Config, how: How, changes: tuple[str, ...], place: int) -> None:
        """Serve by a configuration, and keep it at `place` of the history."""
        gateway = self._gateway
        with giving_way():
            snapshot = await asyncio.to_thread(build_snapshot, config, gateway.services, self._number + 1)
        self._number += 1
        await self._restore(config)
        before, now = gateway.snapshot.config.server, config.server
        gateway.snapshot = snapshot
        adopt(snapshot, gateway.services)
        self._keep(snapshot, how, changes, place)
        gateway.services.upstream.retain(config.providers.values())
        gateway.services.metrics.reloads.labels("applied").inc()
        logs.set_up(config.server.log_level)
        logs.LOGGER.info("%s applied: configuration %s serves", how, snapshot.generation)
        if changes:
            logs.LOGGER.info("changed: %s", "; ".join(changes))
        if (before.host, before.port) != (now.host, now.port):
            logs.LOGGER.warning("server.listen is now %s:%s from the next start on", now.host, now.port)

    async def _restore(self, config: Config) -> None:
        """Let new limits begin with what was used; where the ledger is away, with nothing."""
        if self._restorer is None:
            return
        try:
            await self._restorer.follow(config)
        except LedgerAway as error:
            logs.LOGGER.warning("limits that are new begin with nothing used: %s", error)

    # ---------------------------------------------------------------- the history

    @property
    def _current(self) -> int:
        return next(place for place, (applied, _) in enumerate(self._kept) if applied.is_current)

    def _keep(self, snapshot: Snapshot, how: How, changes: tuple[str, ...], place: int) -> None:
        """Make `place` the current one. What was rolled back from ends where a reload goes another way."""
        if how == "reload":
            if place < len(self._kept):  # the same once more
                how, changes = self._kept[place][0].how, self._kept[place][0].changes
            del self._kept[place:]
        now = (Applied(snapshot.generation, time.time(), how, changes, True), snapshot.config)
        others = [(replace(applied, is_current=False), config) for applied, config in self._kept]
        self._kept = [*others[:place], now, *others[place + 1 :]]
        while len(self._kept) > MAX_HISTORY:
            del self._kept[0]

    def _place_of(self, generation: str) -> int:
        if not generation:
            if self._current == 0:
                raise NotFound("there is nothing to go back to: this process served by no other configuration before")
            return self._current - 1
        for place, (applied, _) in enumerate(self._kept):
            if applied.generation == generation:
                return place
        known = ", ".join(applied.generation for applied, _ in self._kept)
        raise NotFound(f"configuration {generation!r} is not in the history of this process, which has {known}")


def _read(load: Load, before: Config) -> tuple[Config, tuple[str, ...]]:
    """Return what the files say, and what is other in it. Blocks."""
    config = load()
    return config, _changes(before, config)


def _changes(old: Config, new: Config) -> tuple[str, ...]:
    found = differences(old, new)
    return (*found[:MAX_CHANGES], f"and {len(found) - MAX_CHANGES} more") if len(found) > MAX_CHANGES else tuple(found)


def adopt(snapshot: Snapshot, services: Services) -> None:
    """Let what outlives a reload know the limits, addresses, issuers and targets of the new configuration."""
    services.cache.use(snapshot.config.cache_stores)
    services.webhook.url = snapshot.config.webhook
    services.limiter.shared.use(snapshot.config.redis_url)
    services.slots.use(snapshot.config)
    services.issuers.use(snapshot.config.keys.issuers)
    services.breakers.use(snapshot.config.targets())
    services.seen.keep(snapshot.config.providers)
    services.metrics.measures.use(snapshot.config)
    services.tracing.use(snapshot.config.telemetry.traces, snapshot.config.providers)
    services.prober.use(snapshot.config.providers.values())
    services.upstream.warm(snapshot.config.providers.values())
    services.metrics.generation.set(int(snapshot.generation.partition("-")[0]))
    services.metrics.is_config_current.set(1)
