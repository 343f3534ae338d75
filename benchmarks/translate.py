"""What translating costs: CPU time of a chat through the whole chain, verbatim and between every two wire formats.

No sockets: each call goes from the client's bytes through dialect, chain and plugin to the client's bytes, with the
vendor's answer in memory. Rounds are interleaved and the median is taken, since the machine is shared; the promise is a
difference of two figures of one run: translating a plain chat <= 60 µs over verbatim, an event of a stream <= 15 µs.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson

from gateway.chain import close
from gateway.config.load import load
from gateway.dialects import DIALECTS
from gateway.services import open_services
from gateway.snapshot import Snapshot, build_snapshot
from gateway.types import Call, Client, Head, Inbound, Receipt, Target, Timeouts, UpstreamRequest, UpstreamResponse
from gateway.upstream import Upstream
from gateway.upstream.http import HttpTransport

ROUNDS = 9
CALLS = 400  # a round
STREAM_CALLS = 8
EVENTS = 200  # of a stream
PROMISED_US, PROMISED_EVENT_US = 60.0, 15.0
TEXT = "word " * 40

PROVIDERS = """
version: 1
providers:
  openai: {plugin: openai, credentials: {api_key: "bench-0123456789"}, models: {gpt-4o-mini: {operation: chat}}}
  anthropic: {plugin: anthropic, credentials: {api_key: "bench-0123456789"}, models: {claude: {operation: chat}}}
  gemini: {plugin: gemini, credentials: {api_key: "bench-0123456789"}, models: {gemini-2.5-flash: {operation: chat}}}
"""
ROUTES = """
version: 1
keys: {anonymous: always}
models:
  openai: {operation: chat, targets: [openai/gpt-4o-mini]}
  anthropic: {operation: chat, targets: [anthropic/claude]}
  gemini: {operation: chat, targets: [gemini/gemini-2.5-flash]}
routes:
  - {path: /openai, dialect: openai.chat, quota: {requests: [1000000000/minute]}}
  - {path: /anthropic, dialect: anthropic.messages, quota: {requests: [1000000000/minute]}}
  - {path: "/gemini/{model}:generateContent", dialect: gemini.generate, quota: {requests: [1000000000/minute]}}
  - {path: "/gemini/{model}:streamGenerateContent", dialect: gemini.stream, quota: {requests: [1000000000/minute]}}
"""


def whole(vendor: str) -> bytes:
    """Return a vendor's answer of 200 characters."""
    match vendor:
        case "openai":
            message = {"role": "assistant", "content": TEXT, "refusal": None}
            return orjson.dumps({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
                "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 50, "completion_tokens": 40, "total_tokens": 90},
            })  # fmt: skip
        case "anthropic":
            return orjson.dumps({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
                "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn", "stop_sequence": None,
                "usage": {"input_tokens": 50, "output_tokens": 40},
            })  # fmt: skip
        case _:
            content = {"role": "model", "parts": [{"text": TEXT}]}
            return orjson.dumps({
                "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
                "usageMetadata": {"promptTokenCount": 50, "candidatesTokenCount": 40, "totalTokenCount": 90},
                "modelVersion": "gemini-2.5-flash", "responseId": "r1",
            })  # fmt: skip


def stream(vendor: str) -> list[bytes]:
    """Return a vendor's stream, one event a chunk, with EVENTS of them that carry text."""
    match vendor:
        case "openai":
            chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
            deltas: list[tuple[dict[str, str], str | None]] = [({"content": "word "}, None)] * EVENTS + [({}, "stop")]
            events = [
                b"data: %b\n\n"
                % orjson.dumps(chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]})
                for delta, end in deltas
            ]
            return [*events, b"data: [DONE]\n\n"]
        case "anthropic":
            message = {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-haiku-4-5",
                "content": [],
            }
            start = {"message": message | {"stop_reason": None, "usage": {"input_tokens": 50, "output_tokens": 1}}}
            delta = {"index": 0, "delta": {"type": "text_delta", "text": "word "}}
            rows: list[tuple[str, dict[str, Any]]] = [
                ("message_start", start),
                ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
                *[("content_block_delta", delta)] * EVENTS,
                ("content_block_stop", {"index": 0}),
                ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 40}}),
                ("message_stop", {}),
            ]
            return [
                b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name} | row)) for name, row in rows
            ]
        case _:
            rows = [
                ("", {"candidates": [{"content": {"role": "model", "parts": [{"text": "word "}]}, "index": 0}]})
            ] * EVENTS
            last: dict[str, Any] = {
                "content": {"role": "model", "parts": [{"text": ""}]},
                "finishReason": "STOP",
                "index": 0,
            }
            rows.append(
                ("", {"candidates": [last], "usageMetadata": {"promptTokenCount": 50, "candidatesTokenCount": 40}})
            )
            return [b"data: %b\r\n\r\n" % orjson.dumps(row) for _, row in rows]


class Vendor(Upstream):
    """The way out, cut short: answers at once, from memory."""

    def __init__(self) -> None:
        super().__init__(HttpTransport("1.1 bench"))
        self._whole = {vendor: whole(vendor) for vendor in ("openai", "anthropic", "gemini")}
        self._streams = {vendor: stream(vendor) for vendor in ("openai", "anthropic", "gemini")}
        self.is_stream = False

    async def send(
        self, request: UpstreamRequest, target: Target, deadline_s: float, timeouts: Timeouts | None = None
    ) -> UpstreamResponse:
        vendor = target.provider.name
        kind = "text/event-stream" if self.is_stream else "application/json"
        chunks = self._streams[vendor] if self.is_stream else [self._whole[vendor]]
        return UpstreamResponse(200, {"content-type": kind}, _each(chunks), _nothing)


async def _each(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _nothing() -> None:
    """Nothing was opened."""


def request_of(client: str, model: str, is_stream: bool) -> tuple[str, bytes]:
    """Return the path and body that a client of a dialect sends."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": TEXT}], "stream": is_stream}
    if client == "openai":
        return "/openai", orjson.dumps(body)
    if client == "anthropic":
        return "/anthropic", orjson.dumps(body | {"max_tokens": 500})
    verb = "streamGenerateContent" if is_stream else "generateContent"
    return f"/gemini/{model}:{verb}", orjson.dumps({"contents": [{"role": "user", "parts": [{"text": TEXT}]}]})


async def one(snapshot: Snapshot, path: str, body: bytes) -> int:
    """Serve one call as the server does, without its sockets; return the bytes of the answer."""
    endpoint, params = snapshot.endpoints.find("POST", path)
    query = {"alt": "sse"} if "stream" in path else {}
    head = Head("bench", "POST", path, query, {}, "127.0.0.1", params, Client("bench", "bench"))
    dialect = DIALECTS[endpoint.route.dialect]
    receipt = Receipt("bench", time.monotonic(), snapshot.generation)
    ask = dialect.decode(Inbound(head, body))
    call = Call("bench", dialect.operation, dialect.name, ask.model, ask.body, head, receipt, ask.stream, raw=body)
    reply = await endpoint.handler(snapshot.resolve(call, endpoint.route))
    rendered = await dialect.encode(call, reply.events)
    if isinstance(rendered.body, bytes):
        size = len(rendered.body)
    else:
        size = sum([len(chunk) async for chunk in rendered.body])
    await close(reply)
    return size


async def cpu_us(job: Callable[[], Awaitable[int]], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        await job()
    return (time.process_time() - start) / calls * 1e6


async def main(rounds: int = ROUNDS, chats: int = CALLS, streams: int = STREAM_CALLS) -> None:
    folder = Path(tempfile.mkdtemp())
    (folder / "providers.yaml").write_text(PROVIDERS)
    (folder / "routes.yaml").write_text(ROUTES)
    services = open_services()
    vendor = Vendor()
    services.upstream = vendor
    snapshot = build_snapshot(load(folder, {}), services, 1)
    names = ("openai", "anthropic", "gemini")
    for is_stream, calls in ((False, chats), (True, streams)):
        vendor.is_stream = is_stream
        pairs = [(client, target) for client in names for target in names]
        figures: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
        for _ in range(rounds):
            for client, target in pairs:
                path, body = request_of(client, target, is_stream)
                figures[client, target].append(await cpu_us(lambda p=path, b=body: one(snapshot, p, b), calls))  # type: ignore[misc]
        report({pair: statistics.median(row) for pair, row in figures.items()}, is_stream)


def report(figures: dict[tuple[str, str], float], is_stream: bool) -> None:
    parts = EVENTS if is_stream else 1
    promised = PROMISED_EVENT_US if is_stream else PROMISED_US
    print(
        f"{'an event of a stream' if is_stream else 'a plain chat'}: µs of CPU; promised over verbatim <= {promised:g}"
    )
    for (client, target), figure in figures.items():
        over = (figure - figures[client, client]) / parts
        if client == target:
            print(f"  {client:>9} client, {target:<9} {figure / parts:7.1f}   verbatim")
        else:
            verdict = "kept" if over <= promised else "NOT KEPT"
            print(f"  {client:>9} client, {target:<9} {figure / parts:7.1f}   {over:+6.1f} over verbatim   {verdict}")


if __name__ == "__main__":
    asyncio.run(main())
