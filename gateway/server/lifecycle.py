"""The life of the process: start, reload on SIGHUP, stop on SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Callable, Coroutine, Sequence

from aiohttp import web

from gateway.config.model import Config, Server
from gateway.server.app import Gateway
from gateway.server.connection import Listener
from gateway.server.control import Control
from gateway.server.drain import Stop, drain
from gateway.server.follow import Follower
from gateway.server.line import Load
from gateway.server.link import Link
from gateway.server.notify import SILENT, Notifier
from gateway.server.reloader import Reloader, adopt
from gateway.server.restore import Restorer
from gateway.server.sockets import cannot_listen, url_of
from gateway.services import Services, open_services
from gateway.snapshot import build_snapshot
from gateway.telemetry import logs

LISTEN_BACKLOG = 1024  # connections that wait to be accepted, as under a burst of new clients
REDIS_S = 2.0  # for Redis to be there at a start, so that limits hold from the first request on
YOUNG_OBJECTS = 5_000  # before rubbish is looked for; at Python's 700, calls under way are walked every 16 requests
CUT_S = 0.1  # for a handler that is cancelled at the end of a drain to close what it holds

Announce = Callable[[Config, str, str | None], None]
Beside = Callable[[str], Coroutine[None, None, None]]


async def serve(
    load: Load,
    announce: Announce,
    control: Control | None = None,
    *,
    follow: Follower | None = None,
    beside: Beside | None = None,
    notifier: Notifier = SILENT,
    link: Link | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; a second one cuts what is under way. `announce` gets the configuration, the base
    URL and a first start's admin key once connections are accepted. `control` is the door for this machine's operator,
    `follow` reloads where files change, and `beside` runs with the base URL until it returns, which ends the serving,
    or until that ends. `link` is there in a worker, which does not call `load` at the start.

    Raises ConfigError where the first configuration is refused, LedgerAway where its ledger cannot be opened,
    CannotListen where its address cannot be listened on.
    """
    config = link.place.config if link is not None else await asyncio.to_thread(load)
    logs.set_up(config.server.log_level)
    services = open_services()
    if link is not None:
        link.shares(services)
    restorer = await open_ledger(config, services)
    gateway = Gateway(services, build_snapshot(config, services, link.place.number if link is not None else 1))
    adopt(gateway.snapshot, services)
    runner = make_runner(gateway)
    reloader = Reloader(gateway, load, restorer, notifier, link.load if link is not None else None)
    stop = Stop()
    tasks: list[asyncio.Task[None]] = [_task(_watchdog(notifier), "the watchdog's sign of life")]
    try:
        await runner.setup()
        await services.limiter.shared.settled(REDIS_S)
        sites = _sites(runner, config.server, link)
        if link is not None:
            await link.open(gateway, reloader.request, stop.ask)
            await link.may_listen()
        for site in sites:
            await _listen(site, config.server)
        gateway.url = base_url(runner)
        if control is not None:
            await control.open(gateway)
        _on_signals(stop, reloader.request if link is None else link.wanted)
        gc.set_threshold(YOUNG_OBJECTS)
        gc.freeze()  # a full collection would walk over everything that was loaded: 56 ms at 100,000 keys
        key = await first_key(services)
        announce(config, gateway.url, key)
        notifier.ready(f"configuration {gateway.snapshot.generation} serves")
        if link is not None:
            link.serving(key)
        if follow is not None:
            tasks.append(_task(follow.run(lambda: gateway.snapshot.config, reloader.request), "watching files"))
        if beside is not None:
            tasks.append(_task(_until_over(beside(gateway.url), stop), "the command beside"))
        await stop.is_wanted.wait()
        notifier.stopping()
        await _end(tasks)  # who calls this gateway first, then the calls
        if link is not None:
            if control is not None:
                await control.aclose()  # for the one that takes this one's place
            link.leaving()
        await drain(gateway, sites, runner.listener, stop)
    finally:
        await _end(tasks)
        if control is not None:
            await control.aclose()
        if link is not None:
            await link.aclose()
        await reloader.aclose()
        await runner.cleanup()
        await services.aclose()


async def open_ledger(config: Config, services: Services) -> Restorer | None:
    """Open the ledger that the configuration names, read its keys, let limits continue from it. Raises LedgerAway."""
    if not config.database_url:
        return None
    await services.ledger.start(config.database_url, config.retention_days)
    await services.keys.start(config.database_url)
    if services.ledger.recovered:
        logs.LOGGER.warning(
            "%d requests were under way when a process died; each is charged what was reserved for it",
            len(services.ledger.recovered),
        )
    restorer = Restorer(config, services)
    await restorer.begin()
    return restorer


async def first_key(services: Services) -> str | None:
    """Make the admin's key where no key was ever made and return it, to be shown once. Only once connections are
    accepted: a start that fails must not keep a key that nobody saw. Raises LedgerAway."""
    store = services.keys.store
    secret = await asyncio.to_thread(store.create_first, time.time()) if store is not None else None
    if secret is not None:
        await services.keys.refresh()
    return secret


def make_runner(gateway: Gateway) -> Runner:
    """Return what runs the gateway; `setup` it, then start a site on it."""
    return Runner(Listener(gateway.serve, gateway.snapshot.config.server.head_timeout_s))


def base_url(runner: Runner) -> str:
    """Return the URL of the first address that a started runner listens on, as it is reached from this machine."""
    return url_of(runner.addresses[0])


class Runner(web.ServerRunner):
    """aiohttp's runner of a listener."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener, shutdown_timeout=CUT_S)
        self.listener = listener


def _sites(runner: Runner, server: Server, link: Link | None) -> list[web.BaseSite]:
    if link is None:
        return [web.TCPSite(runner, server.host, server.port, backlog=LISTEN_BACKLOG)]
    return [web.SockSite(runner, each, backlog=LISTEN_BACKLOG) for each in link.place.sockets]


async def _listen(site: web.BaseSite, server: Server) -> None:
    try:
        await site.start()
    except OSError as error:
        raise cannot_listen(server, error) from error


async def _watchdog(notifier: Notifier) -> None:
    """Tell, as often as systemd wants to hear it, that the loop turns."""
    while notifier.watchdog_s is not None:
        notifier.live()
        await asyncio.sleep(notifier.watchdog_s)


async def _until_over(work: Coroutine[None, None, None], stop: Stop) -> None:
    try:
        await work
    finally:
        stop.ask(has_grace=False)


def _task(work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
    """Return a task of which the log tells where it fails: nobody waits for it before the end."""

    def tell(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logs.LOGGER.error("%s ended: %r", name, error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(tell)
    return task


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel what runs beside, and wait until it has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _on_signals(stop: Stop, reload: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.add_signal_handler(signal.SIGTERM, stop.ask)
    loop.add_signal_handler(signal.SIGINT, lambda: stop.ask(has_grace=False))  # somebody at a terminal waits for it
