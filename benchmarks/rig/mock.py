"""A mock of a vendor, as lean as a Python process can be: `python -m benchmarks.rig.mock --help`. Prints its port.

It answers chats whole after `--delay-ms`, chats with `"stream":true` as events at a rate, each in a segment of its own,
speech as audio of a size, and anything else like a chat; `--faults N` lets one in N requests meet each fault.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import socket
import struct
from collections.abc import Callable
from typing import ClassVar

from benchmarks.rig import wire

PHASES = 20  # streams have their turns in so many groups, which spreads the work over the time between two events
AUDIO_PIECE_BYTES = 65_536
STALL_S = 2.0  # longer than the gateway waits for a first byte here


class Beat:
    """Gives every stream its next event `per_s` times a second, a phase of them after the other."""

    def __init__(self, per_s: float) -> None:
        self._phases: list[set[Mock]] = [set() for _ in range(PHASES)]
        self._every_s = 1 / per_s / PHASES
        self._next = 0
        self._due_s = 0.0

    def start(self) -> None:
        self._due_s = asyncio.get_running_loop().time()
        self._tick()

    def join(self, stream: Mock) -> Callable[[], None]:
        """Take a stream in; returns what lets it go."""
        smallest = min(self._phases, key=len)
        smallest.add(stream)
        return lambda: smallest.discard(stream)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        for stream in tuple(self._phases[self._next]):
            stream.send_event()
        self._next = (self._next + 1) % PHASES
        self._due_s = max(self._due_s + self._every_s, loop.time() - 0.1)  # late ones are not made up for in one go
        loop.call_at(self._due_s, self._tick)


class Mock(asyncio.Protocol):
    options: ClassVar[argparse.Namespace]
    beat: ClassVar[Beat]
    dice: ClassVar[random.Random] = random.Random(1)  # faults in a row would be an outage, which opens the breaker
    whole: ClassVar[bytes] = wire.answer(wire.ANSWER.encode())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._inbox = wire.Inbox()
        self._start = b""
        self._sent = 0
        self._leave: Callable[[], None] | None = None
        self._audio_left = 0
        self._may_write = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._audio_left = 0
        if self._leave is not None:
            self._leave()
            self._leave = None

    def data_received(self, data: bytes) -> None:
        self._start = data if len(data) > 2048 else (self._start + data)[-2048:]
        for _ in range(self._inbox.feed(data)):
            self._answer()

    def _answer(self) -> None:
        if self.options.faults and (fault := self.dice.randrange(self.options.faults)) < len(FAULTS):
            FAULTS[fault](self)
        elif b"/audio/speech" in self._inbox.head:
            self._speak()
        elif self._start.rstrip().endswith(b'"stream":true}') or b'"stream":true' in self._start:
            self._stream()
        elif self.options.delay_ms:
            asyncio.get_running_loop().call_later(self.options.delay_ms / 1000, self._transport.write, self.whole)
        else:
            self._transport.write(self.whole)
        self._start = b""

    # ------------------------------------------------------------ a stream

    def _stream(self) -> None:
        self._transport.write(wire.STREAM_HEAD + wire.chunk(wire.event(0)))
        self._sent = 1
        self._leave = self.beat.join(self)

    def send_event(self) -> None:
        if self._sent < self.options.events:
            self._transport.write(wire.chunk(wire.event(self._sent)))
            self._sent += 1
            return
        self._transport.write(wire.chunk(wire.FINISH) + wire.chunk(wire.DONE) + b"0\r\n\r\n")
        if self._leave is not None:
            self._leave()
            self._leave = None

    # ------------------------------------------------------------ speech

    def _speak(self) -> None:
        self._audio_left = self.options.audio_bytes
        head = f"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: {self._audio_left}\r\n\r\n"
        self._transport.write(head.encode())
        self._more_audio()

    def _more_audio(self) -> None:
        while self._audio_left and self._may_write:
            piece = AUDIO[: self._audio_left]
            self._audio_left -= len(piece)
            self._transport.write(piece)

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        self._more_audio()

    # ------------------------------------------------------------ faults

    def _fail(self) -> None:
        body = b'{"error":{"message":"it broke","type":"server_error"}}'
        self._transport.write(wire.answer(body, status="500 Internal Server Error"))

    def _refuse(self) -> None:
        body = b'{"error":{"message":"too many","type":"rate_limit_error"}}'
        self._transport.write(wire.answer(body, status="429 Too Many Requests", more="retry-after: 0\r\n"))

    def _overloaded(self) -> None:
        self._transport.write(wire.answer(b"<html>busy</html>", "text/html", "503 Service Unavailable"))

    def _cut(self) -> None:
        self._transport.write(self.whole[: len(self.whole) // 2])
        self._transport.close()

    def _reset(self) -> None:
        found = self._transport.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _garble(self) -> None:
        self._transport.write(wire.answer(b'{"id": "chatcmpl-1", "choices": [{'))

    def _stall(self) -> None:
        asyncio.get_running_loop().call_later(STALL_S, self._transport.close)


FAULTS: tuple[Callable[[Mock], None], ...] = (
    Mock._fail, Mock._refuse, Mock._overloaded, Mock._cut, Mock._reset, Mock._garble, Mock._stall,
)  # fmt: skip
AUDIO = b"\xff\xf3\x44\xc4" * (AUDIO_PIECE_BYTES // 4)  # begins as MP3 does


async def serve(options: argparse.Namespace) -> None:
    Mock.options, Mock.beat = options, Beat(options.per_s)
    Mock.beat.start()
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", 0, backlog=8192)
    gc.freeze()
    gc.disable()  # a collection would be somebody's latency
    print(f"mock on {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--delay-ms", type=float, default=0.0, help="before a whole answer")
    parser.add_argument("--events", type=int, default=100, help="of a stream")
    parser.add_argument("--per-s", type=float, default=50.0, help="events a second of each stream")
    parser.add_argument("--audio-bytes", type=int, default=1_000_000, help="of an answer to speech")
    parser.add_argument("--faults", type=int, default=0, help="one in so many requests meets each fault; 0: none")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
