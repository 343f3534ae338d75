"""Clients of streams: each asks for one after the other, and looks whether every event came, once and in its order.

    python -m benchmarks.rig.stream_loop --port 8001 --path /v1/chat/completions --streams 500 --events 100 --for-s 5

Prints `opened` once every stream had its first event, then JSON: events, streams, milliseconds to the first event, and
streams that were not as the vendor sent them. With --hold-s it opens them and then only keeps them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from dataclasses import dataclass, field

from benchmarks.rig import wire
from benchmarks.rig.stats import percentile


@dataclass(slots=True)
class Seen:
    first_s: list[float] = field(default_factory=list)
    events: int = 0
    chunks: int = 0
    whole: int = 0  # streams that came to their end
    wrong: int = 0
    why: str = ""

    def stream(self, answer: bytes, events: int) -> None:
        """Take down a whole answer, and whether it is what the mock sent."""
        self.whole += 1
        head, _, body = answer.partition(b"\r\n\r\n")
        text, chunks = unchunked(body)
        self.chunks += chunks
        expected = b"".join(wire.event(number) for number in range(events)) + wire.FINISH + wire.DONE
        if not head.startswith(b"HTTP/1.1 200") or text != expected:
            self.wrong += 1
            self.why = self.why or (head[:60] + b" ... " + text[:200]).decode(errors="replace")


def unchunked(body: bytes) -> tuple[bytes, int]:
    """Return a body without its chunks' frames, and how many chunks there were."""
    parts, at = [], 0
    while at < len(body):
        line = body.index(b"\r\n", at)
        size = int(body[at:line], 16)
        if not size:
            break
        parts.append(body[line + 2 : line + 2 + size])
        at = line + 4 + size
    return b"".join(parts), len(parts)


class Client(asyncio.Protocol):
    def __init__(self, request: bytes, events: int, seen: Seen, ready: asyncio.Semaphore) -> None:
        self._request, self._events, self._seen, self._ready = request, events, seen, ready
        self._parts: list[bytes] = []
        self._has_begun = False
        self.may_go_on = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._asked_s = time.perf_counter()
        self._is_first = True
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        count = data.count(b"data: ")
        if self._is_first and count:
            self._is_first = False
            self._seen.first_s.append(time.perf_counter() - self._asked_s)
            if not self._has_begun:
                self._has_begun = True
                self._ready.release()
        self._seen.events += count
        self._parts.append(data)
        if data.endswith(b"0\r\n\r\n"):
            self._seen.stream(b"".join(self._parts), self._events)
            self._parts.clear()
            if self.may_go_on:
                self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.may_go_on:
            self._seen.wrong += 1
            self._seen.why = self._seen.why or f"the connection ended: {exc} {b''.join(self._parts)[:200]!r}"
            self._ready.release()


async def run(options: argparse.Namespace, request: bytes) -> Seen:
    seen, ready, clients = Seen(), asyncio.Semaphore(0), []
    loop = asyncio.get_running_loop()
    for _ in range(options.streams):
        _, client = await loop.create_connection(
            lambda: Client(request, options.events, seen, ready), "127.0.0.1", options.port
        )
        clients.append(client)
        await asyncio.sleep(options.over_s / options.streams)
    for _ in clients:
        await ready.acquire()
    print(f"opened, {seen.wrong} lost: {seen.why}", flush=True)
    if options.hold_s:
        await asyncio.sleep(options.hold_s)
    else:
        await asyncio.sleep(options.settle_s)
        fresh = Seen()
        began_s = time.perf_counter()
        before = seen.events
        seen.first_s.clear()
        print("measuring", flush=True)
        await asyncio.sleep(options.for_s)
        fresh.events, fresh.first_s = seen.events - before, list(seen.first_s)
        took_s = time.perf_counter() - began_s
        print(json.dumps(report(fresh, seen, took_s)), flush=True)
    for client in clients:
        client.may_go_on = False
    return seen


def report(measured: Seen, all_of_it: Seen, took_s: float) -> dict[str, object]:
    firsts = measured.first_s or [0.0]
    return {
        "events": measured.events,
        "took_s": took_s,
        "first_p50_ms": percentile(firsts, 0.5) * 1000,
        "first_p99_ms": percentile(firsts, 0.99) * 1000,
        "streams": all_of_it.whole,
        "wrong": all_of_it.wrong,
        "why": all_of_it.why,
        "chunks": all_of_it.chunks,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="ask for streams, and look at every event")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--header", action="append", default=[], help="name: value")
    parser.add_argument("--streams", type=int, default=500, help="at once")
    parser.add_argument("--events", type=int, default=100, help="that the mock sends on each")
    parser.add_argument("--over-s", type=float, default=1.0, help="in which they begin; as long as a stream: evenly")
    parser.add_argument("--settle-s", type=float, default=1.0, help="before it counts")
    parser.add_argument("--for-s", type=float, default=5.0)
    parser.add_argument("--hold-s", type=float, default=0.0)
    options = parser.parse_args()
    headers = dict(header.split(": ", 1) for header in options.header)
    gc.disable()
    asyncio.run(run(options, wire.request(options.path, wire.STREAMED.encode(), headers)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
