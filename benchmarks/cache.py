"""Measure how many more requests a second a cache answers than the path without one.

    python benchmarks/cache.py       also a part of `make bench`; exits 1 where the promise is not kept

A gateway of its own process, in front of a vendor on this machine that answers at once, is asked the same over and over
on routes that differ in the cache alone: a whole chat, a stream of a hundred pieces, speech. They are measured in turns
in one run, since machines are noisy, and the middle of the ratios counts. A second is one of the gateway's processor
time: it is what bounds the throughput, and neither the vendor's nor the client's work is in it. The promise is for the
three in equal parts: for a small whole chat most of a hit is reading and writing HTTP, which the path without a cache
does as well. With a vendor that takes its time, as all do, the cache wins by far more.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 5
REQUESTS = 800  # of each kind in a round
CONNECTIONS = 16
PROMISED_RATIO = 2.5
START_S = 30.0
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).parents[1]

PROVIDERS = """
version: 1
providers:
  near:
    plugin: openai
    base_url: http://127.0.0.1:{port}/v1
    credentials: {{api_key: sk-bench}}
    models:
      chat: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}}
      speech: {{operation: speech, price: {{usd_per_mchar: 15}}}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", log_level: error}
keys: {static: [{name: bench, key: bench-0123456789abcdef}]}
models:
  chat: {operation: chat, targets: [near/chat]}
  speak: {operation: speech, targets: [near/speech]}
routes:
  - {path: /cached/chat, dialect: openai.chat, cache: {ttl_s: 86400}}
  - {path: /cached/speech, dialect: openai.speech, cache: {ttl_s: 86400}}
  - {path: /plain/chat, dialect: openai.chat}
  - {path: /plain/speech, dialect: openai.speech}
"""
SAID = b"word " * 200
CHAT = b'{"model":"chat","messages":[{"role":"user","content":"%b"}]' % SAID
ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"chat","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":210,"completion_tokens":200,"total_tokens":410}}' % SAID
)
_PIECE = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000000,"model":"chat",'
    b'"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
)
_LAST = _PIECE.replace(b'{"content":"word "},"finish_reason":null', b'{},"finish_reason":"stop"')
PIECES = (*[_PIECE] * 100, _LAST, b"data: [DONE]\n\n")
AUDIO = (b"\xff\xf3\x44\xc4" * 1024,) * 24  # 96 kB that begin as MP3 does


@dataclass(frozen=True, slots=True)
class Kind:
    path: str
    body: bytes
    content_type: bytes
    pieces: tuple[bytes, ...]  # of the vendor's answer, each sent by itself


KINDS: Mapping[str, Kind] = {
    "a chat of 1 kB": Kind("chat", CHAT + b"}", b"application/json", (ANSWER,)),
    "a stream of 100 pieces": Kind("chat", CHAT + b',"stream":true}', b"text/event-stream", PIECES),
    "speech of 96 kB": Kind(
        "speech", b'{"model":"speak","voice":"nova","input":"%b"}' % SAID[:600], b"audio/mpeg", AUDIO
    ),
}


@dataclass(frozen=True, slots=True)
class Gateway:
    pid: int
    port: int

    def processor_s(self) -> float:
        """Return what all its threads have used since it began; proc(5), fields 14 and 15."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S


class Vendor(asyncio.Protocol):
    """Answers each request at once, piece by piece. A request here is a head, and a body as long as the head says."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0 or len(self._data) < end + 4 + (length_of(self._data[:end]) or 0):
            return
        request, self._data = self._data, b""
        name = "speech of 96 kB" if b"/audio/speech" in request[:60] else "a chat of 1 kB"
        kind = KINDS["a stream of 100 pieces" if b'"stream":true' in request else name]
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % kind.content_type
        self._send([head, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in kind.pieces), b"0\r\n\r\n"])

    def _send(self, pieces: list[bytes]) -> None:
        self._transport.write(pieces[0])
        if len(pieces) > 1:
            asyncio.get_running_loop().call_soon(self._send, pieces[1:])


def length_of(head: bytes) -> int | None:
    lines = head.lower().split(b"\r\n")
    return next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), None)


async def serve_vendor() -> None:
    """Print the port, and serve until killed."""
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def ask(port: int, path: str, body: bytes, count: int) -> None:
    """Ask one after the other on one connection, and read each answer to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_048_576)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer bench-0123456789abcdef\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    try:
        for _ in range(count):
            writer.write(head.encode() + body)
            answered = await reader.readuntil(b"\r\n\r\n")
            if not answered.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"it answers {answered!r}")
            size = length_of(answered)
            if size is None:
                await reader.readuntil(b"\r\n0\r\n\r\n")
            else:
                await reader.readexactly(size)
    finally:
        writer.close()


async def rate(gateway: Gateway, path: str, body: bytes, requests: int) -> float:
    """Return requests a second of the gateway's processor time."""
    each = max(1, requests // CONNECTIONS)
    before = gateway.processor_s()
    await asyncio.gather(*(ask(gateway.port, path, body, each) for _ in range(CONNECTIONS)))
    return each * CONNECTIONS / max(gateway.processor_s() - before, TICK_S)


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        yield started
    finally:
        started.terminate()
        await started.wait()


async def line_with(process: asyncio.subprocess.Process, text: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(START_S):
        while line := (await process.stdout.readline()).decode():
            if text in line:
                return line
    raise RuntimeError(f"a process ended without saying {text!r}")


async def measure(folder: Path, rounds: int, requests: int) -> list[dict[str, tuple[float, float]]]:
    """Return of each round and kind the requests a second with the cache, and without."""
    async with child("-m", "benchmarks.cache", "vendor") as vendor:
        (folder / "providers.yaml").write_text(PROVIDERS.format(port=int(await line_with(vendor, ""))))
        (folder / "routes.yaml").write_text(ROUTES)
        async with child("-m", "gateway", "run", str(folder)) as running:
            address = (await line_with(running, "serves at")).split("serves at ")[1].split()[0]
            gateway = Gateway(running.pid, int(address.rsplit(":", 1)[1]))
            found = []
            for _ in range(rounds + 1):
                found.append(
                    {
                        name: (
                            await rate(gateway, f"/cached/{kind.path}", kind.body, requests),
                            await rate(gateway, f"/plain/{kind.path}", kind.body, requests),
                        )
                        for name, kind in KINDS.items()
                    }
                )
    return found[1:]  # the first is for warming up


def in_equal_parts(rates: list[float]) -> float:
    """Return requests a second of as many of each kind."""
    return len(rates) / sum(1 / each for each in rates)


def main(rounds: int = ROUNDS, requests: int = REQUESTS) -> int:
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        found = asyncio.run(measure(Path(folder), rounds, requests))
    for name in KINDS:
        cached, plain = (statistics.median(one[name][which] for one in found) for which in (0, 1))
        ratio = statistics.median(one[name][0] / one[name][1] for one in found)
        print(f"{name + ': hits/s, uncached/s, ratio':<48}{cached:>8.0f}{plain:>8.0f}{ratio:>8.2f}")
    mixes = [[in_equal_parts([rates[which] for rates in one.values()]) for which in (0, 1)] for one in found]
    ratio = statistics.median(cached / plain for cached, plain in mixes)
    is_kept = ratio >= PROMISED_RATIO
    verdict = "kept" if is_kept else "NOT KEPT"
    print(f"{'cache hits to the path without, ratio':<48}{ratio:>8.2f}  promised {PROMISED_RATIO:g}  {verdict}")
    return 0 if is_kept else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["vendor"]:
        asyncio.run(serve_vendor())
    sys.exit(main())
