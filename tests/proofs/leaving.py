"""A client that leaves takes its upstream with it at once, whatever its request waits for:

python -m tests.proofs.leaving --times 1000          # of each phase; prints how long vendors went on
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from gateway.stores.slots import Slots
from tests.harness import ROUTES, Inside, inside
from tests.vendors.anthropic import API_KEY as ANTHROPIC_KEY
from tests.vendors.anthropic import AnthropicServer
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer
from tests.vendors.recording import RequestRecord
from tests.vendors.server import VendorServer
from tests.vendors.tones import wav_file

FOR_EVER_S = 60.0
WITHIN_S = 5.0  # an upstream that is open then is left open
UPLOAD_BYTES = 16_000_000  # more than the buffers of two sockets hold
PROVIDERS = """
version: 1
providers:
  openai:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {key}}}
    models: {{gpt-4o-mini: {{operation: chat}}}}
  anthropic:
    plugin: anthropic
    base_url: {anthropic}
    credentials: {{api_key: {anthropic_key}}}
    models: {{claude-haiku-4-5: {{operation: chat}}}}
  speechless:
    plugin: openai
    base_url: https://127.0.0.1:{speechless}/v1
    credentials: {{api_key: {key}}}
    models: {{gpt-4o-mini: {{operation: chat}}}}
  full:
    plugin: openai
    base_url: http://127.0.0.1:{full}/v1
    credentials: {{api_key: {key}}}
    models: {{whisper-1: {{operation: transcription}}}}
  busy:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {key}}}
    limits: {{concurrent: 1, queue: {{max_wait_s: 60}}}}
    models: {{gpt-4o-mini: {{operation: chat}}}}
  again:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {key}}}
    breaker: none
    models: {{gpt-4o-mini: {{operation: chat}}}}
"""
LEAVING_ROUTES = (
    ROUTES.partition("models:")[0].replace(':0"', ':0", concurrent: 1, queue: {max_wait_s: 60}')
    + """
models:
  chat: {operation: chat, targets: [openai/gpt-4o-mini]}
  next: {operation: chat, targets: [openai/gpt-4o-mini, anthropic/claude-haiku-4-5]}
  connecting: {operation: chat, targets: [speechless/gpt-4o-mini]}
  busy: {operation: chat, targets: [busy/gpt-4o-mini]}
  again: {operation: chat, targets: [again/gpt-4o-mini]}
  sending: {operation: transcription, targets: [full/whisper-1]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat, failover: {retry_percent: 100, max_wait_s: 60}}
  - {path: /v1/audio/transcriptions, dialect: openai.transcription}
"""
)


class Mute(asyncio.Protocol):
    """A server that accepts connections and never says a word; `reads` is whether it takes what is sent."""

    def __init__(self, log: list[Mute], *, reads: bool) -> None:
        self._log, self._reads = log, reads
        self.received_bytes = 0
        self.ended_at_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._log.append(self)
        self._transport = transport  # else the collector of garbage closes what nobody reads
        if not self._reads and isinstance(transport, asyncio.Transport):
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended_at_s = time.monotonic()


@dataclass
class Bench:
    gateway: Inside
    openai: OpenAIServer
    anthropic: AnthropicServer
    speechless: list[Mute]
    full_port: int

    async def open(self, path: str, content_type: str, body: bytes) -> asyncio.StreamWriter:
        host, port = self.gateway.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        fields = f"Host: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        head = f"POST {path} HTTP/1.1\r\n{fields}\r\n"
        writer.write(head.encode() + body)
        return writer

    async def chat(self, model: str) -> asyncio.StreamWriter:
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "a few words to stream"}]}
        return await self.open("/v1/chat/completions", "application/json", orjson.dumps(body))


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """The gateway and its vendors in this loop: what is measured is what the gateway takes, and no scheduling."""
    loop = asyncio.get_running_loop()
    speechless: list[Mute] = []
    full: list[Mute] = []
    async with AsyncExitStack() as stack:
        openai = await stack.enter_async_context(OpenAIServer(kept_requests=10))
        anthropic = await stack.enter_async_context(AnthropicServer(kept_requests=10))
        first = await loop.create_server(lambda: Mute(speechless, reads=True), "127.0.0.1", 0)
        second = await loop.create_server(lambda: Mute(full, reads=False), "127.0.0.1", 0)
        ports = [server.sockets[0].getsockname()[1] for server in (first, second)]
        stack.callback(first.close)
        stack.callback(second.close)
        providers = PROVIDERS.format(
            openai=openai.base_url,
            key=API_KEY,
            anthropic=anthropic.base_url,
            anthropic_key=ANTHROPIC_KEY,
            speechless=ports[0],
            full=ports[1],
        )
        gateway = await stack.enter_async_context(inside(folder, providers, LEAVING_ROUTES))
        yield Bench(gateway, openai, anthropic, speechless, ports[1])
        for mute in (*speechless, *full):
            mute.close()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.0005)


def _leave(writer: asyncio.StreamWriter) -> float:
    """Hang up, and return when that was."""
    writer.transport.abort()
    return time.monotonic()


def _socket_to(port: int) -> Path | None:
    """Return where this process has a socket that is connected to a port here, or None."""
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if path.readlink().name.startswith("socket:"):
                with socket.socket(fileno=os.dup(int(path.name))) as found:
                    if found.getpeername()[1:] == (port,):
                        return path
    return None


# ---------------------------------------------------------------- the phases: each returns how long a vendor went on


async def queued(bench: Bench) -> float:
    """The gateway runs as many calls as it may."""
    return await _from_queue(bench, "chat", bench.gateway.services.slots.server)


async def queued_for_a_provider(bench: Bench) -> float:
    """The call runs, and its provider is sent no more for now."""
    provider = next(slots for slots in bench.gateway.services.slots.limited() if slots.name == "busy/*")
    return await _from_queue(bench, "busy", provider)


async def _from_queue(bench: Bench, model: str, slots: Slots) -> float:
    bench.openai.reset()
    running = await slots.take("another")
    writer = await bench.chat(model)
    await _until(lambda: slots.waiting == 1)
    left_s = _leave(writer)
    await _until(lambda: slots.waiting == 0)
    took_s = time.monotonic() - left_s
    running.release()
    assert slots.running == 0, "one who left has got a turn"
    assert not bench.openai.requests, "a vendor was asked for one who left"
    return took_s


async def connecting(bench: Bench) -> float:
    """The vendor accepts the connection, and no TLS comes about."""
    count = len(bench.speechless)
    writer = await bench.chat("connecting")
    await _until(lambda: len(bench.speechless) > count and bench.speechless[-1].received_bytes > 0)
    left_s = _leave(writer)
    await _until(lambda: bench.speechless[-1].ended_at_s is not None)
    return (bench.speechless[-1].ended_at_s or 0.0) - left_s


async def sending(bench: Bench) -> float:
    """The vendor does not read the recording to its end: buffers are full, and much of it is still to be sent."""
    part = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    recording = wav_file(bytes(UPLOAD_BYTES))
    form = part % (b"model", b"", b"sending") + part % (b"file", b'; filename="a.wav"', recording) + b"--x--\r\n"
    writer = await bench.open("/v1/audio/transcriptions", "multipart/form-data; boundary=x", form)
    await _until(lambda: _socket_to(bench.full_port) is not None)
    await asyncio.sleep(0.2)  # what the buffers take is sent by then
    path = _socket_to(bench.full_port)
    assert path is not None
    link = path.readlink()

    def is_open() -> bool:
        with suppress(OSError):
            return path.readlink() == link
        return False

    left_s = _leave(writer)
    await _until(lambda: not is_open())
    return time.monotonic() - left_s


async def waiting_for_headers(bench: Bench) -> float:
    fault = Fault("slow_headers", delay_s=FOR_EVER_S)
    return await _of_vendor(bench, "chat", bench.openai, fault, lambda record: record.body != b"")


async def waiting_for_the_first_token(bench: Bench) -> float:
    fault = Fault("slow_first_event", delay_s=FOR_EVER_S)
    return await _of_vendor(bench, "chat", bench.openai, fault, lambda record: record.status is not None)


async def streaming(bench: Bench) -> float:
    fault = Fault("stall_mid_stream", delay_s=FOR_EVER_S, after_events=3)
    return await _of_vendor(bench, "chat", bench.openai, fault, lambda record: record.events_sent >= 3)


async def waiting_to_ask_again(bench: Bench) -> float:
    """The vendor has said when to come back."""
    bench.openai.reset()
    bench.openai.faults.add(Fault("status", status=503, retry_after_s=30))
    count = bench.openai.request_count
    writer = await bench.chat("again")
    await _until(lambda: bool(bench.openai.requests) and bench.openai.requests[-1].ended_at_s is not None)
    await asyncio.sleep(0.005)
    assert bench.gateway.gateway.in_flight == 1, "it was not to be asked again"
    left_s = _leave(writer)
    await _until(lambda: bench.gateway.gateway.in_flight == 0)
    took_s = time.monotonic() - left_s
    assert bench.openai.request_count == count + 1, "a vendor was asked for one who left"
    return took_s


async def on_the_fallback(bench: Bench) -> float:
    """The first target has refused, and the second has begun."""
    bench.openai.reset()
    bench.openai.faults.add(Fault("status", status=503))
    fault = Fault("slow_first_event", delay_s=FOR_EVER_S)
    return await _of_vendor(bench, "next", bench.anthropic, fault, lambda record: record.status is not None)


async def _of_vendor(
    bench: Bench, model: str, vendor: VendorServer, fault: Fault, is_there: Callable[[RequestRecord], bool]
) -> float:
    vendor.reset()
    vendor.faults.add(fault)
    writer = await bench.chat(model)
    await _until(lambda: bool(vendor.requests) and is_there(vendor.requests[-1]))
    left_s = _leave(writer)
    record = await vendor.requests[-1].wait_ended(WITHIN_S)
    if record.client_closed_at_s is None:
        raise AssertionError(f"the vendor's answer was {record.outcome}")
    return record.client_closed_at_s - left_s


Phase = Callable[[Bench], Awaitable[float]]
PHASES: dict[str, Phase] = {
    function.__name__.replace("_", " "): function
    for function in (
        queued,
        queued_for_a_provider,
        connecting,
        sending,
        waiting_for_headers,
        waiting_for_the_first_token,
        streaming,
        waiting_to_ask_again,
        on_the_fallback,
    )
}


async def leave(folder: Path, times: int) -> dict[str, list[float]]:
    """Leave so many times in each phase, and return how long vendors went on, in seconds.

    Raises TimeoutError where an upstream stays open, or a request stays under way.
    """
    took_s: dict[str, list[float]] = {}
    async with bench(folder) as running:
        for name, phase in PHASES.items():
            took_s[name] = []
            for _ in range(times):
                took_s[name].append(await phase(running))
                await _until(lambda: running.gateway.gateway.in_flight == 0)
    return took_s


def main() -> int:
    parser = argparse.ArgumentParser(description="leave in each phase of a request, and see how long vendors go on")
    parser.add_argument("--times", type=int, default=1_000)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="gateway-leaving-") as folder:
        took_s = asyncio.run(leave(Path(folder), given.times))
    for name, each_s in took_s.items():
        p50_s, p99_s = statistics.median(each_s), sorted(each_s)[len(each_s) * 99 // 100]
        sys.stdout.write(
            f"{name:30} {len(each_s):5} of {given.times} closed; "
            f"p50 {p50_s * 1000:5.1f} ms, p99 {p99_s * 1000:5.1f} ms, at most {max(each_s) * 1000:5.1f} ms\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
