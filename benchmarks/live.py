"""What the gateway adds to live audio: delay and processor time of each message, memory where somebody stops reading.

500 sockets send 50 messages of 20 ms a second each, to one gateway process and through it to a vendor; clients and
vendor are in this process, all on loopback. Each message carries its number and the moment it was sent. Promised: none
is lost or out of order, delay p99 <= 20 ms on a core of the gateway's own, and a socket whose other side does not read
holds at most 1 MB.

    .venv/bin/python benchmarks/live.py --sockets 500 --seconds 10
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway import websocket as ws
from tests.harness import Process, process

FRAME_S = 0.02
FRAME_BYTES = 640  # 16 kHz, 16 bits
ANSWER_EVERY = 10  # messages, as results of a recogniser come
ANSWER = (
    b'{"type":"Results","duration":0.2,"start":0.0,"channel":{"alternatives":[{"transcript":"' + b"w" * 200 + b'"}]}}'
)
HEAD = struct.Struct(">Qd")
STALLED = 100
ROUNDS = 400  # of writing to each socket that stalls, 16 kB at a time
PROMISED_MS, PROMISED_MB = 20.0, 1.0
PATH = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")

PROVIDERS = """
version: 1
providers:
  vendor:
    plugin: deepgram
    base_url: {url}
    credentials: {{api_key: bench-0123456789abcdef}}
    models:
      nova-3: {{operation: transcription, price: {{usd_per_audio_minute: 0.0048}}}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", log_level: warning}
keys: {anonymous: loopback}
limits: {hours: {per: [key], audio_seconds: 100000000/hour}}
routes:
  - {path: /v1/listen, dialect: deepgram.listen_live}
"""


class Measured:
    """What arrived at the vendor."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Count anew."""
        self.delays_ms: list[float] = []
        self.arrived = self.disordered = self.answers = 0
        self.is_on = False


class Peer(asyncio.Protocol):
    """One end of a WebSocket, as little as will do: `message` gets what comes in."""

    def __init__(self, *, is_client: bool) -> None:
        self._reader = ws.FrameReader(is_masked=not is_client, max_bytes=1 << 24)
        self._head: bytes | None = b""
        self.transport: asyncio.Transport | None = None
        self.opened = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += data
            head, mark, rest = self._head.partition(b"\r\n\r\n")
            if not mark:
                return
            self._head = None
            self.head(head.decode())
            data = rest
        found: list[tuple[int, bytes]] = []
        self._reader.feed(data, found)
        for opcode, payload in found:
            if opcode <= ws.BINARY:
                self.message(payload)

    def head(self, head: str) -> None:
        if not head.startswith("HTTP/1.1 101"):
            self.opened.set_exception(ConnectionError(head))
        else:
            self.opened.set_result(None)

    def message(self, payload: bytes) -> None:
        raise NotImplementedError


class Vendor(Peer):
    def __init__(self, measured: Measured, peers: list[Vendor]) -> None:
        super().__init__(is_client=False)
        self._measured = measured
        self._next = 0
        peers.append(self)

    def head(self, head: str) -> None:
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        assert self.transport is not None
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {ws.accepting(key)}\r\n\r\n".encode()
        )
        self.opened.set_result(None)

    def message(self, payload: bytes) -> None:
        if len(payload) != FRAME_BYTES:
            return  # a word of the protocol, and no audio
        measured = self._measured
        number, sent_s = HEAD.unpack_from(payload)
        if number != self._next:
            measured.disordered += 1
        self._next = number + 1
        measured.arrived += 1
        if measured.is_on:
            measured.delays_ms.append((time.perf_counter() - sent_s) * 1000)
        if number % ANSWER_EVERY == 0:
            assert self.transport is not None
            self.transport.write(ws.frame(ws.TEXT, ANSWER))


class Client(Peer):
    def __init__(self, measured: Measured) -> None:
        super().__init__(is_client=True)
        self._measured = measured
        self.sent = 0

    def message(self, payload: bytes) -> None:
        self._measured.answers += 1

    def send(self) -> None:
        payload = HEAD.pack(self.sent, time.perf_counter()).ljust(FRAME_BYTES, b"\0")
        self.sent += 1
        assert self.transport is not None
        self.transport.write(ws.frame(ws.BINARY, payload, is_masked=True))


async def connected(url: str, measured: Measured) -> Client:
    host, _, port = url.partition("//")[2].partition(":")
    _, client = await asyncio.get_running_loop().create_connection(lambda: Client(measured), host, int(port))
    assert client.transport is not None
    client.transport.write(
        f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Authorization: Token bench-0123456789abcdef\r\n\r\n".encode()
    )
    await client.opened
    return client


async def talk(clients: list[Client], seconds: float, measured: Measured) -> None:
    """Have every client send at its pace, their moments spread over the 20 ms; the first second warms up."""
    began_s = time.perf_counter()
    due = [began_s + FRAME_S * number / len(clients) for number in range(len(clients))]
    until_s = began_s + 1.0 + seconds
    while (now_s := time.perf_counter()) < until_s:
        measured.is_on = now_s >= began_s + 1.0
        for number, client in enumerate(clients):
            if due[number] <= now_s:
                client.send()
                due[number] += FRAME_S
        await asyncio.sleep(0.001)
    for _ in range(200):
        await asyncio.sleep(0.02)
        if measured.arrived == sum(client.sent for client in clients):
            break


def cpu_s(gateway: Process) -> float:
    fields = Path(f"/proc/{gateway.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def told(name: str, measured: Measured, sent: int) -> float:
    delays = sorted(measured.delays_ms)
    p99 = delays[int(len(delays) * 0.99)]
    print(
        f"{name:8} {sent} sent, {sent - measured.arrived} lost, {measured.disordered} out of order, "
        f"{measured.answers} answers; delay ms p50 {statistics.median(delays):.2f} p99 {p99:.2f} max {delays[-1]:.2f}"
    )
    return p99


async def stalled(gateway: Process, peers: list[Vendor], count: int) -> float:
    """Return MB of memory that a socket holds at most where the vendor, or the client, does not read."""
    measured = Measured()
    before, first = gateway.rss_bytes(), len(peers)
    clients = [await connected(gateway.url, measured) for _ in range(count)]
    for vendor in peers[first:]:
        assert vendor.transport is not None
        vendor.transport.pause_reading()
    payload = ws.frame(ws.BINARY, bytes(16_384), is_masked=True)
    for _ in range(ROUNDS):  # 6 MB for each: far more than all buffers on the way
        for client in clients:
            assert client.transport is not None
            if client.transport.get_write_buffer_size() < 65_536:
                client.transport.write(payload)
        await asyncio.sleep(0.005)
    up = (gateway.rss_bytes() - before) / count / 1e6
    for client in clients:
        assert client.transport is not None
        client.transport.abort()
    await asyncio.sleep(1.0)
    before, first = gateway.rss_bytes(), len(peers)
    clients = [await connected(gateway.url, measured) for _ in range(count)]
    for client in clients:
        assert client.transport is not None
        client.transport.pause_reading()
    answer = ws.frame(ws.TEXT, b"{" + b" " * 16_384 + b"}")
    for _ in range(ROUNDS):
        for vendor in peers[first:]:
            assert vendor.transport is not None
            if vendor.transport.get_write_buffer_size() < 65_536:
                vendor.transport.write(answer)
        await asyncio.sleep(0.005)
    down = (gateway.rss_bytes() - before) / count / 1e6
    for client in clients:
        assert client.transport is not None
        client.transport.abort()
    print(f"stalled  {count} sockets: {up:.2f} MB each where the vendor does not read, {down:.2f} where the client")
    return max(up, down)


async def main(sockets: int, seconds: float, stalling: int = STALLED) -> int:
    """Measure, print, and return how many promises were broken."""
    measured = Measured()
    peers: list[Vendor] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Vendor(measured, peers), "127.0.0.1", 0, backlog=1024)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    clients = [await connected(url, measured) for _ in range(sockets)]
    await talk(clients, min(seconds, 3.0), measured)
    told("direct", measured, sum(client.sent for client in clients))
    for client in clients:
        assert client.transport is not None
        client.transport.abort()
    measured.begin()  # the vendors of the next round count into the same
    peers.clear()
    with tempfile.TemporaryDirectory() as folder:
        async with process(Path(folder), PROVIDERS.format(url=url), ROUTES) as gateway:
            clients = [await connected(gateway.url, measured) for _ in range(sockets)]
            before_s = cpu_s(gateway)
            await talk(clients, seconds, measured)
            sent = sum(client.sent for client in clients)
            p99 = told("through", measured, sent)
            used_s = cpu_s(gateway) - before_s
            cores = used_s / (seconds + 1)
            print(f"gateway  {used_s / sent * 1e6:.1f} us of processor time a message, {cores:.0%} of a core")
            for client in clients:
                assert client.transport is not None
                client.transport.abort()
            await asyncio.sleep(1.0)
            most_mb = await stalled(gateway, peers, stalling)
    server.close()
    for vendor in peers:  # one that does not read hears of no end
        assert vendor.transport is not None
        vendor.transport.abort()
    await asyncio.sleep(0)
    broken = [
        measured.arrived != sent or measured.disordered > 0,
        p99 > PROMISED_MS,
        most_mb > PROMISED_MB,
    ]
    verdict = "broken" if any(broken) else "kept"
    print(f"promised none lost or out of order, p99 <= {PROMISED_MS:g} ms, <= {PROMISED_MB:g} MB: {verdict}")
    return sum(broken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.sockets, options.seconds)))
