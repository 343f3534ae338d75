"""The life of the process: start, reload on SIGHUP, stop on SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web
from prometheus_async.aio import time as timed

from gateway.config.model import Config, Server
from gateway.errors import ConfigError
from gateway.server.app import Gateway
from gateway.server.connection import Listener
from gateway.services import Services, open_services
from gateway.snapshot import Snapshot, build_snapshot
from gateway.telemetry import logs

LISTEN_BACKLOG = 1024  # connections that wait to be accepted, as under a burst of new clients
POLL_S = 0.05  # how often a drain looks whether the last request is over

Load = Callable[[], Config]
Announce = Callable[[Snapshot, str], None]


async def serve(load: Load, announce: Announce) -> None:
    """Serve until SIGTERM or SIGINT. `announce` gets the snapshot and the base URL once connections are accepted.

    Raises ConfigError where the first configuration is refused, CannotListen where its address cannot be listened on.
    """
    config = await asyncio.to_thread(load)
    logs.set_up(config.server.log_level)
    services = open_services()
    gateway = Gateway(services, build_snapshot(config, services, 1))
    adopt(gateway.snapshot, services)
    runner = make_runner(gateway)
    reloader = Reloader(gateway, load)
    stop = asyncio.Event()
    try:
        await runner.setup()
        site = web.TCPSite(runner, config.server.host, config.server.port, backlog=LISTEN_BACKLOG)
        await _listen(site, config.server)
        _on_signals(stop, reloader)
        gc.freeze()  # a full collection would walk over everything that was loaded: 56 ms at 100,000 keys
        announce(gateway.snapshot, base_url(runner))
        await stop.wait()
        await _drain(gateway, site)
    finally:
        await reloader.aclose()
        await runner.cleanup()
        await services.aclose()


class CannotListen(Exception):
    """The address of the configuration is taken, or none of this machine's."""


class Reloader:
    """Loads, checks and builds beside what serves, then swaps one reference. One at a time; a request for another
    while one runs makes it run once more."""

    def __init__(self, gateway: Gateway, load: Load) -> None:
        self._gateway = gateway
        self._load = load
        self._task: asyncio.Task[None] | None = None
        self._is_wanted = False
        self._number = 1

    def request(self) -> None:
        self._is_wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="reload")

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            metrics = self._gateway.services.metrics
            try:
                await timed(metrics.reload_duration)(self._reload)()
            except ConfigError as error:
                metrics.reloads.labels("refused").inc()
                metrics.is_config_current.set(0)
                for problem in error.problems:
                    logs.LOGGER.error("reload refused: %s", problem)
                logs.LOGGER.error("configuration %s serves on", self._gateway.snapshot.generation)
            except Exception:  # a fault of ours in a reload must not end what serves
                metrics.reloads.labels("refused").inc()
                metrics.is_config_current.set(0)
                logs.LOGGER.exception("reload failed inside the gateway; the old configuration serves on")

    async def _reload(self) -> None:
        gateway = self._gateway
        config = await asyncio.to_thread(self._load)
        snapshot = build_snapshot(config, gateway.services, self._number + 1)
        self._number += 1
        before = gateway.snapshot.config.server
        now = config.server
        gateway.snapshot = snapshot
        adopt(snapshot, gateway.services)
        gateway.services.upstream.retain(config.providers.values())
        gateway.services.metrics.reloads.labels("applied").inc()
        logs.set_up(config.server.log_level)
        logs.LOGGER.info("reload applied: configuration %s serves", snapshot.generation)
        if (before.host, before.port) != (now.host, now.port):
            logs.LOGGER.warning("server.listen is now %s:%s from the next start on", now.host, now.port)


def make_runner(gateway: Gateway) -> web.AppRunner:
    """Return what runs the gateway's application; `setup` it, then start a site on it."""
    return _Runner(gateway.make_app(), gateway.snapshot.config.server.head_timeout_s)


def base_url(runner: web.AppRunner) -> str:
    """Return the URL of the first address that a started runner listens on, as it is reached from this machine."""
    host, port = runner.addresses[0][:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


class _Runner(web.AppRunner):
    """aiohttp's runner with connections of ours."""

    def __init__(self, app: web.Application, head_timeout_s: float) -> None:
        super().__init__(app, handle_signals=False, shutdown_timeout=1.0)
        self._head_timeout_s = head_timeout_s

    async def _make_server(self) -> web.Server:
        return Listener(await super()._make_server(), self._head_timeout_s)


def adopt(snapshot: Snapshot, services: Services) -> None:
    """Let what outlives a reload know the limits of the new configuration."""
    services.cache.max_bytes = snapshot.config.cache_max_bytes
    services.shared_rates.use(snapshot.config.redis_url)
    services.metrics.generation.set(int(snapshot.generation.partition("-")[0]))
    services.metrics.is_config_current.set(1)


async def _listen(site: web.TCPSite, server: Server) -> None:
    try:
        await site.start()
    except OSError as error:
        is_named = isinstance(error, socket.gaierror) or error.errno is None
        reason = (error.strerror or str(error)) if is_named else os.strerror(error.errno or 0)
        raise CannotListen(
            f"cannot listen on {server.host}:{server.port}: {reason.lower()}; "
            "end what listens there, or give another server.listen (GATEWAY_LISTEN)"
        ) from error


def _on_signals(stop: asyncio.Event, reloader: Reloader) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reloader.request)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)


async def _drain(gateway: Gateway, site: web.TCPSite) -> None:
    """Stop accepting and let requests finish, each answer closing its connection, for at most shutdown_s."""
    loop = asyncio.get_running_loop()
    gateway.is_draining = True
    limit_s = gateway.snapshot.config.server.shutdown_s
    logs.LOGGER.info("stopping: %d requests in flight have %g s to finish", gateway.in_flight, limit_s)
    until_s = loop.time() + limit_s
    await site.stop()
    while gateway.in_flight and loop.time() < until_s:  # noqa: ASYNC110  # a count, not an event: it may rise again
        await asyncio.sleep(POLL_S)
