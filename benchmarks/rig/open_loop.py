"""An open loop: requests begin when they are due, whether or not earlier ones were answered.

    python -m benchmarks.rig.open_loop --port 8001 --path /v1/chat/completions --body body.json --per-s 500 --for-s 5

A latency counts from the moment the request was meant to begin, not from when it was sent: while a server stands
still, those who would have come meanwhile wait too, and a closed loop leaves them out. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.rig import wire
from benchmarks.rig.stats import percentile

LAST_S = 30.0  # for what is still to be answered at the end


def schedule(per_s: float, for_s: float, seed: int) -> Iterator[float]:
    """Yield the moments in seconds, from 0 on, at which requests are due: at random, so many a second in the mean."""
    dice, due_s = random.Random(seed), 0.0
    while (due_s := due_s + dice.expovariate(per_s)) < for_s:
        yield due_s


@dataclass(slots=True)
class Tally:
    """Latencies from the moment a request was due, by kind of request."""

    latencies_s: dict[str, list[float]] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)  # between due and sent: what is the load's own, or waited for it
    failed: int = 0

    def answered(self, kind: str, due_s: float, now_s: float, *, is_good: bool) -> None:
        if is_good:
            self.latencies_s.setdefault(kind, []).append(now_s - due_s)
        else:
            self.failed += 1

    def report(self) -> dict[str, object]:
        """Return milliseconds at percentiles by kind, and how many failed."""
        return {
            "failed": self.failed,
            "late_p99_ms": percentile(self.late_s, 0.99) * 1000 if self.late_s else 0.0,
            **{
                kind: {
                    "count": len(found),
                    **{f"p{share * 100:g}_ms": percentile(found, share) * 1000 for share in (0.5, 0.9, 0.99, 0.999)},
                }
                for kind, found in self.latencies_s.items()
            },
        }


class Connection(asyncio.Protocol):
    """Carries one request at a time, and goes back to those that wait for one."""

    def __init__(self, loop: OpenLoop) -> None:
        self._loop = loop
        self._inbox = wire.Inbox()
        self._asked: tuple[str, float] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def close(self) -> None:
        assert self.transport is not None
        self.transport.close()

    def send(self, kind: str, due_s: float, request: bytes) -> None:
        assert self.transport is not None
        self._asked = (kind, due_s)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._inbox.feed(data) and self._asked is not None:
            (kind, due_s), self._asked = self._asked, None
            self._loop.answered(self, kind, due_s, is_good=self._inbox.head.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._asked is not None:
            (kind, due_s), self._asked = self._asked, None
            self._loop.answered(None, kind, due_s, is_good=False)
        self._loop.lost(self)


class OpenLoop:
    def __init__(self, port: int, requests: dict[str, bytes], big_share: float) -> None:
        self._port, self._requests, self._big_share = port, requests, big_share
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._dice = random.Random(7)
        self._open = 0
        self._all_answered = asyncio.Event()
        self.tally = Tally()

    async def run(self, due: Sequence[float], connections: int) -> None:
        """Send one request at each of these moments from now on, and wait for the answers."""
        for _ in range(connections):
            self._idle.append(await self._connect())
        clock, began_s = time.perf_counter, time.perf_counter() + 0.05
        ticked = asyncio.Event()
        # An interval timer keeps to microseconds, where the loop's own waiting rounds up to a millisecond.
        asyncio.get_running_loop().add_signal_handler(signal.SIGALRM, ticked.set)
        self._open = len(due)
        for moment in due:
            while (wait_s := began_s + moment - clock()) > 0:
                ticked.clear()
                signal.setitimer(signal.ITIMER_REAL, wait_s)
                await ticked.wait()
            self._begin(began_s + moment)
        async with asyncio.timeout(LAST_S):
            await self._all_answered.wait()
        for connection in tuple(self._connections):
            connection.close()

    def answered(self, connection: Connection | None, kind: str, due_s: float, *, is_good: bool) -> None:
        self.tally.answered(kind, due_s, time.perf_counter(), is_good=is_good)
        if connection is not None:
            self._idle.append(connection)
        self._open -= 1
        if not self._open:
            self._all_answered.set()

    def lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _begin(self, due_s: float) -> None:
        kind = "big" if self._big_share and self._dice.random() < self._big_share else "small"
        if self._idle:
            self._send(self._idle.pop(), kind, due_s)
            return
        task = asyncio.create_task(self._begin_anew(kind, due_s))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _begin_anew(self, kind: str, due_s: float) -> None:
        self._send(await self._connect(), kind, due_s)

    def _send(self, connection: Connection, kind: str, due_s: float) -> None:
        self.tally.late_s.append(time.perf_counter() - due_s)
        connection.send(kind, due_s, self._requests[kind])

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._port)
        self._connections.add(connection)
        return connection


def main() -> int:
    parser = argparse.ArgumentParser(description="ask when it is due, and count from then")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--body", type=Path, required=True, help="a file")
    parser.add_argument("--big-body", type=Path, help="a file that is sent instead, for --big-share of them")
    parser.add_argument("--big-share", type=float, default=0.0)
    parser.add_argument("--header", action="append", default=[], help="name: value")
    parser.add_argument("--per-s", type=float, required=True)
    parser.add_argument("--for-s", type=float, required=True)
    parser.add_argument("--connections", type=int, default=16, help="that are open from the start")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    headers = dict(header.split(": ", 1) for header in options.header)
    requests = {"small": wire.request(options.path, options.body.read_bytes(), headers)}
    if options.big_body is not None:
        requests["big"] = wire.request(options.path, options.big_body.read_bytes(), headers)
    gc.freeze()
    gc.disable()  # a collection would be somebody's latency
    loop = OpenLoop(options.port, requests, options.big_share)
    asyncio.run(loop.run(list(schedule(options.per_s, options.for_s, options.seed)), options.connections))
    print(json.dumps(loop.tally.report()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
