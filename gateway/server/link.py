"""A worker's line to its supervisor: reloads that all workers make together, everybody's metrics, switches for all.

One line of JSON a message, both ways. The messages are told by their `is`:

    to the supervisor    ready · serving first_key · leaving · wanted · prepared round digest problems
                         applied round generation · gather id · dump id families · switch provider state
    to a worker          go · reload round · apply round · abort round problems · refused problems · dump id
                         gathered id dumps · switch provider state
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway import json
from gateway.config.model import Config
from gateway.errors import ConfigError, Overloaded, Problem
from gateway.server.app import Gateway
from gateway.server.line import Load, Message, plain
from gateway.services import Services
from gateway.stores.slots import Share
from gateway.telemetry import merge
from gateway.telemetry.logs import LOGGER

MAX_LINE_BYTES = 64 * 1024 * 1024  # the metrics of all workers in one line
APPLY_S = 10.0  # to build what was loaded; the supervisor hears what serves then
GATHER_S = 5.0  # the supervisor answers after a second, with or without a worker that is busy


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker is started with."""

    channel: socket.socket
    sockets: list[socket.socket]  # to listen on
    config: Config
    number: int  # of the configuration
    share: Share


class Link:
    """Call `open` once in the loop. When the supervisor is gone, `on_gone` is called."""

    def __init__(self, place: Place, load: Load) -> None:
        self.place = place
        self._load = load
        self._ids = itertools.count()
        self._gathering: dict[int, asyncio.Future[list[merge.Dump]]] = {}
        self._round: int | None = None  # a round that no load has joined
        self._joining: asyncio.Future[int] | None = None
        self._verdict: asyncio.Future[list[Problem]] | None = None
        self._loaded: Config | None = None
        self._aborted: tuple[int, list[Problem]] = (0, [])  # the last round that ended so, and why
        self._may_listen = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def shares(self, services: Services) -> None:
        """Let limits know that there are others beside this worker. Before a configuration is adopted."""
        services.slots.share = self.place.share
        services.limiter.shared.living = self.place.share.count  # until Redis says how many there are in all

    async def open(self, gateway: Gateway, request_reload: Callable[[], None], on_gone: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._gateway = gateway
        self._request_reload = request_reload
        self._on_gone = on_gone
        reader, self._writer = await asyncio.open_connection(sock=self.place.channel, limit=MAX_LINE_BYTES)
        services = gateway.services
        services.gather = self._gather
        services.switches.on_change = lambda name, state: self._send("switch", provider=name, state=state)
        self._start(self._read(reader))

    async def aclose(self) -> None:
        """Let a load that waits for the others give up."""
        self._is_closed = True
        for waiting in (self._joining, self._verdict):
            if waiting is not None and not waiting.done():
                waiting.set_exception(_stopping())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def may_listen(self) -> None:
        """Wait until the supervisor has this worker take part in reloads. One that is too old by then is killed."""
        self._send("ready")
        await self._may_listen.wait()

    def serving(self, first_key: str | None) -> None:
        self._send("serving", first_key=first_key)

    def leaving(self) -> None:
        """Another has to take this worker's place; it takes no new connections any more in a moment."""
        self._send("leaving")

    def wanted(self) -> None:
        """Ask for a reload of all workers."""
        self._send("wanted")

    def load(self) -> Config:
        """Return the configuration that all workers have loaded and will serve by. Raises ConfigError where one of
        them could not, or found other files than the others. Blocks: not for the loop's thread."""
        number = asyncio.run_coroutine_threadsafe(self._join(), self._loop).result()
        problems: list[Problem] = []
        config: Config | None = None
        try:
            config = self._load()
        except ConfigError as error:
            problems = list(error.problems)
        refused = asyncio.run_coroutine_threadsafe(self._prepared(number, config, problems), self._loop).result()
        if refused or config is None:
            raise ConfigError(refused or problems)
        return config

    async def _join(self) -> int:
        """Return the round that is under way, else ask for one."""
        if self._is_closed:
            raise _stopping()
        if self._round is not None:
            number, self._round = self._round, None
            return number
        self._joining = self._loop.create_future()
        self.wanted()
        return await self._joining

    async def _prepared(self, number: int, config: Config | None, problems: list[Problem]) -> list[Problem]:
        """Tell what came of loading, and return why it must not be applied; []: it is."""
        if self._is_closed:
            raise _stopping()
        if self._aborted[0] == number:  # while this worker was loading
            return self._aborted[1]
        self._verdict = self._loop.create_future()
        self._loaded = config
        digest = config.digest if config is not None else None
        self._send("prepared", round=number, digest=digest, problems=[plain(each) for each in problems])
        return await self._verdict

    async def _gather(self) -> list[merge.Dump]:
        """Return the metrics of all workers. Raises Overloaded where they do not come."""
        number = next(self._ids)
        self._gathering[number] = self._loop.create_future()
        self._send("gather", id=number)
        try:
            async with asyncio.timeout(GATHER_S):
                return await self._gathering[number]
        except TimeoutError as error:
            raise Overloaded("the metrics of the other workers did not come in time", retry_after_s=1.0) from error
        finally:
            del self._gathering[number]

    # ---------------------------------------------------------------- what comes in

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await _line(reader):
            self._take(json.loads(line))
        if not self._is_closed:
            LOGGER.error("the supervisor is gone: this worker stops")
            self._may_listen.set()
            for waiting in (self._joining, self._verdict):
                if waiting is not None and not waiting.done():
                    waiting.set_exception(_stopping())
            self._on_gone()

    def _take(self, message: Message) -> None:
        match message["is"]:
            case "go":
                self._may_listen.set()
            case "reload":
                if self._joining is not None and not self._joining.done():
                    self._joining.set_result(message["round"])
                else:
                    self._round = message["round"]
                    self._request_reload()
            case "apply":
                self._decide([])
                self._start(self._applied(message["round"]))
            case "abort":
                self._aborted = message["round"], [Problem(*each) for each in message["problems"]]
                self._decide(self._aborted[1])
            case "refused":
                self._refused([Problem(*each) for each in message["problems"]])
            case "dump":
                self._start(self._dump(message["id"]))
            case "gathered":
                waiting = self._gathering.get(message["id"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(message["dumps"])
            case "switch":
                self._gateway.services.switches.follow(message["provider"], message["state"])

    def _refused(self, problems: list[Problem]) -> None:
        """The supervisor could not load: no round begins."""
        if self._joining is not None and not self._joining.done():
            self._joining.set_exception(ConfigError(problems))
            return
        self._gateway.services.metrics.reloads.labels("refused").inc()
        self._gateway.services.metrics.is_config_current.set(0)

    def _decide(self, problems: list[Problem]) -> None:
        if self._verdict is not None and not self._verdict.done():
            self._verdict.set_result(problems)

    async def _applied(self, number: int) -> None:
        until_s = self._loop.time() + APPLY_S
        while self._gateway.snapshot.config is not self._loaded and self._loop.time() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self._send("applied", round=number, generation=self._gateway.snapshot.generation)

    async def _dump(self, number: int) -> None:
        self._gateway.services.metrics.states.look()
        families = await asyncio.to_thread(merge.dump, self._gateway.services.metrics.registry)
        self._send("dump", id=number, families=families)

    def _send(self, kind: str, **content: Any) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"is": kind, **content}) + b"\n")

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work, name="line to the supervisor")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Return the next line, b"" where there are no more."""
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


def _stopping() -> ConfigError:
    return ConfigError([Problem("", 0, 0, "the gateway is stopping")])
