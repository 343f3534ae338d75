"""How long a request may take, as its route and its client say."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.server import deadline
from gateway.server.deadline import MAX_MS, deadline_of
from tests.harness import Inside, inside

NEVER = math.inf


@pytest.mark.parametrize(
    ("headers", "whole_s", "beginning_s"),
    [
        ({}, NEVER, NEVER),
        ({"x-gateway-timeout-ms": "1500"}, 1.5, NEVER),
        ({"x-gateway-timeout-ms": "0.5"}, 0.0005, NEVER),
        ({"x-gateway-timeout-ms": str(MAX_MS)}, MAX_MS / 1000, NEVER),
        ({"x-request-timeout": "30"}, 30, NEVER),
        ({"x-request-timeout": "30s"}, 30, NEVER),
        ({"x-request-timeout": "1500ms"}, 1.5, NEVER),
        ({"x-server-timeout": "20.5"}, 20.5, NEVER),
        ({"grpc-timeout": "5S"}, 5, NEVER),
        ({"grpc-timeout": "250m"}, 0.25, NEVER),
        ({"grpc-timeout": "2M"}, 120, NEVER),
        ({"grpc-timeout": "1H"}, 3_600, NEVER),
        ({"grpc-timeout": "99999999u"}, 99.999999, NEVER),
        ({"grpc-timeout": "500000n"}, 0.0005, NEVER),
        ({"x-stainless-timeout": "600"}, NEVER, 600),
        ({"x-stainless-read-timeout": "12.5"}, NEVER, 12.5),
        ({"x-stainless-timeout": "600", "x-stainless-read-timeout": "10"}, NEVER, 10),
        ({"x-gateway-timeout-ms": "9000", "x-server-timeout": "5", "grpc-timeout": "7S"}, 5, NEVER),
        # What cannot be read was not said: these headers are others'.
        ({"x-request-timeout": "soon"}, NEVER, NEVER),
        ({"x-request-timeout": "0"}, NEVER, NEVER),
        ({"x-request-timeout": "-1"}, NEVER, NEVER),
        ({"x-request-timeout": "nan"}, NEVER, NEVER),
        ({"x-request-timeout": "1e9"}, NEVER, NEVER),
        ({"grpc-timeout": "5"}, NEVER, NEVER),
        ({"grpc-timeout": "0S"}, NEVER, NEVER),
        ({"grpc-timeout": "999999999S"}, NEVER, NEVER),
        ({"x-stainless-timeout": "NOT_GIVEN"}, NEVER, NEVER),
    ],
)
def test_clients_say_how_long_they_wait(headers: dict[str, str], whole_s: float, beginning_s: float) -> None:
    found = deadline_of(headers, None, 100.0)
    assert found.whole_s == pytest.approx(100 + whole_s)
    assert found.beginning_s == pytest.approx(100 + beginning_s)


@pytest.mark.parametrize(("total_s", "expected"), [(None, 105.0), (3.0, 103.0), (5.0, 105.0), (9.0, 105.0)])
def test_the_tighter_of_the_routes_and_the_clients_holds(total_s: float | None, expected: float) -> None:
    assert deadline_of({"x-gateway-timeout-ms": "5000"}, total_s, 100.0).whole_s == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "soon", "nan", "inf", str(MAX_MS + 1), "1e99", "1500ms"])
def test_our_own_header_is_refused_where_it_is_no_time(text: str) -> None:
    with pytest.raises(InvalidRequest, match="x-gateway-timeout-ms") as caught:
        deadline_of({"x-gateway-timeout-ms": text}, None, 0.0)
    assert caught.value.param == "x-gateway-timeout-ms"


@given(st.sampled_from(["x-request-timeout", "x-server-timeout", "grpc-timeout", "x-stainless-timeout"]), st.text())
def test_whatever_others_headers_hold_is_no_fault(name: str, text: str) -> None:
    found = deadline_of({name: text}, 7.0, 100.0)
    assert 100 < min(found.whole_s, found.beginning_s) <= 107


@pytest.mark.parametrize(("stream", "expected"), [(True, 109.0), (False, 102.0)])
def test_what_is_not_streamed_is_over_as_soon_as_it_begins(stream: bool, expected: float) -> None:
    headers = {"x-gateway-timeout-ms": "9000", "x-stainless-timeout": "2"}
    assert deadline_of(headers, None, 100.0).of(stream=stream) == expected


# ---------------------------------------------------------------- kept

LATE_S = 1.5  # the promise is 50 ms, which benchmarks/attempts.py measures; a loaded machine gets more
FAULTS = """
version: 1
providers:
  sandbox:
    plugin: sandbox
    timeouts: {first_byte_s: 60, idle_s: 60}
    models:
      silent: {operation: chat, options: {fault: silent}}
      slow: {operation: chat, options: {fault: slow_first, delay_s: 60}}
      stall: {operation: chat, options: {fault: stall, after_events: 2}}
      limited: {operation: chat, options: {fault: rate_limited, retry_after_s: 2}}
      good: {operation: chat}
      tones: {operation: speech, options: {fault: stall}, formats: [wav, pcm]}
      heard: {operation: transcription, options: {fault: silent}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models:
  silent: {operation: chat, targets: [sandbox/silent]}
  slow: {operation: chat, targets: [sandbox/slow]}
  stall: {operation: chat, targets: [sandbox/stall]}
  limited: {operation: chat, targets: [sandbox/limited]}
  good: {operation: chat, targets: [sandbox/good]}
  tones: {operation: speech, targets: [sandbox/tones]}
  heard: {operation: transcription, targets: [sandbox/heard]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: /v1/audio/speech, dialect: openai.speech}
  - {path: /short/v1/chat/completions, dialect: openai.chat, total_s: 0.3}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    is_clean: bool
    took_s: float


async def ask(
    gateway: Inside, model: str, headers: dict[str, str], *, stream: bool = False, path: str = "/v1/chat/completions"
) -> Answer:
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    if path.endswith("speech"):
        body = {"model": model, "input": "hello there", "voice": "nova", "response_format": "pcm"}
    began_s = time.monotonic()
    data, is_clean, status = b"", False, 0
    async with aiohttp.ClientSession(gateway.url) as client, client.post(path, json=body, headers=headers) as answer:
        status = answer.status
        try:
            async for chunk in answer.content.iter_any():
                data += chunk
            is_clean = True
        except aiohttp.ClientPayloadError:
            pass
    return Answer(status, data, is_clean, time.monotonic() - began_s)


def check_late(answer: Answer, model: str, *, stream: bool) -> None:
    """Say what came of a deadline of 0.3 s."""
    assert answer.took_s < 0.3 + LATE_S
    if model == "limited":
        assert answer.status == 429  # whose wait would go beyond the deadline
    elif model == "stall" and stream:
        assert (answer.status, answer.is_clean) == (200, False)
        assert b"error" in answer.body
        assert b"[DONE]" not in answer.body
        assert answer.took_s >= 0.29
    else:
        assert answer.status == 504
        assert orjson.loads(answer.body)["error"]["code"] in ("upstream_timeout", "deadline_exceeded")
        assert answer.took_s >= 0.29


CASES = [(model, stream) for model in ("silent", "slow", "stall", "limited") for stream in (False, True)]


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"x-gateway-timeout-ms": "300"}, ""),
        ({"grpc-timeout": "300m"}, ""),
        ({"x-server-timeout": "0.3"}, ""),
        ({"x-request-timeout": "300ms"}, ""),
        ({}, "/short"),
        ({"x-gateway-timeout-ms": "60000"}, "/short"),
    ],
)
async def test_every_request_ends_by_its_deadline(tmp_path: Path, headers: dict[str, str], path: str) -> None:
    async with inside(tmp_path, FAULTS, ROUTES) as gateway:
        answers = await asyncio.gather(
            *(
                ask(gateway, model, headers, stream=stream, path=f"{path}/v1/chat/completions")
                for model, stream in CASES
            )
        )
    for (model, stream), answer in zip(CASES, answers, strict=True):
        check_late(answer, model, stream=stream)


async def test_a_stream_that_the_gateway_has_to_end_itself_ends_with_a_word_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a busy machine, where what waits for the vendor has not noticed yet."""
    monkeypatch.setattr(deadline, "GRACE_S", -0.1)
    async with inside(tmp_path, FAULTS, ROUTES) as gateway:
        answer = await ask(gateway, "stall", {"x-gateway-timeout-ms": "400"}, stream=True)
        assert (answer.status, answer.is_clean) == (200, False)
        assert b"deadline_exceeded" in answer.body
        assert b"[DONE]" not in answer.body
        spoken = await ask(gateway, "tones", {"x-gateway-timeout-ms": "400"}, path="/v1/audio/speech")
        assert not spoken.is_clean
        assert b"deadline" not in spoken.body
        plain = await ask(gateway, "silent", {"x-gateway-timeout-ms": "400"})
        assert plain.status == 504
        assert orjson.loads(plain.body)["error"]["code"] == "deadline_exceeded"


async def test_audio_that_stalls_breaks_off_at_the_deadline(tmp_path: Path) -> None:
    async with inside(tmp_path, FAULTS, ROUTES) as gateway:
        answer = await ask(gateway, "tones", {"x-gateway-timeout-ms": "300"}, path="/v1/audio/speech")
        assert answer.took_s < 0.3 + LATE_S
        assert not answer.is_clean or answer.status == 504


@pytest.mark.parametrize(
    ("model", "stream", "status"), [("silent", False, 504), ("slow", True, 504), ("slow", False, 504)]
)
async def test_vendors_clients_wait_for_the_beginning(tmp_path: Path, model: str, stream: bool, status: int) -> None:
    async with inside(tmp_path, FAULTS, ROUTES) as gateway:
        answer = await ask(gateway, model, {"x-stainless-read-timeout": "0.3"}, stream=stream)
        assert answer.status == status
        assert 0.29 <= answer.took_s < 0.3 + LATE_S


async def test_a_stream_that_began_in_time_may_take_longer(tmp_path: Path) -> None:
    slow = FAULTS.replace("good: {operation: chat}", "good: {operation: chat, options: {tokens_per_s: 2}}")
    async with inside(tmp_path, slow, ROUTES) as gateway:
        answer = await ask(gateway, "good", {"x-stainless-timeout": "0.3"}, stream=True)
        assert (answer.status, answer.is_clean) == (200, True)
        assert b"[DONE]" in answer.body
        assert answer.took_s > 0.3


async def test_a_body_that_does_not_arrive_is_no_reason_to_wait_longer(tmp_path: Path) -> None:
    async with inside(tmp_path, FAULTS, ROUTES) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        began_s = time.monotonic()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n"
            b"Content-Type: application/json\r\nX-Gateway-Timeout-Ms: 300\r\n\r\n{"
        )
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert head.startswith(b"HTTP/1.1 504")
        assert b"connection: close" in head.lower()
        assert time.monotonic() - began_s < 0.3 + LATE_S


async def test_a_client_that_does_not_read_is_left_at_its_deadline(tmp_path: Path) -> None:
    """Its buffers are full: no word reaches it, so that the connection is what ends."""
    async with inside(
        tmp_path,
        FAULTS.replace("tones: {operation: speech, options: {fault: stall}", "tones: {operation: speech"),
        ROUTES,
    ) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1_024)
        body = orjson.dumps({"model": "tones", "input": "many words " * 360, "voice": "nova", "response_format": "pcm"})
        began_s = time.monotonic()
        writer.write(
            b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
            b"Content-Type: application/json\r\nX-Gateway-Timeout-Ms: 600\r\n\r\n%b" % (len(body), body)
        )
        try:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            async with asyncio.timeout(20):
                while gateway.gateway.in_flight:
                    await asyncio.sleep(0.01)
            assert 0.59 <= time.monotonic() - began_s < 0.6 + LATE_S
        finally:
            writer.transport.abort()


async def test_a_timeout_that_is_none_is_told_in_the_routes_own_words(tmp_path: Path) -> None:
    async with inside(tmp_path, FAULTS, ROUTES) as gateway:
        answer = await ask(gateway, "good", {"x-gateway-timeout-ms": "soon"})
        assert answer.status == 400
        assert orjson.loads(answer.body)["error"]["param"] == "x-gateway-timeout-ms"
