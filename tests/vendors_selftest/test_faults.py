"""Every fault as a client sees it, and who gets which."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from tests.vendors.faults import Fault, FaultKind, fault_from, split_model
from tests.vendors.openai import OpenAIServer

CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello there"}]}
STREAM = BODY | {"stream": True}
SPEECH = {"model": "tts-1", "voice": "nova", "input": "x" * 50, "response_format": "pcm"}


async def post(http: aiohttp.ClientSession, body: dict[str, Any] = BODY, path: str = CHAT) -> tuple[int, bytes]:
    async with http.post(path, json=body, allow_redirects=False) as response:
        return response.status, await response.read()


async def read_events(response: aiohttp.ClientResponse, count: int) -> bytes:
    """Return what arrives until `count` events are complete."""
    got = b""
    while got.count(b"\n\n") < count:
        got += await response.content.readany()
    return got


async def read_until_cut(http: aiohttp.ClientSession, body: dict[str, Any], path: str = CHAT) -> bytes:
    """Return what arrives before the connection breaks; fails when it does not break."""
    got = bytearray()

    async def gather() -> None:
        async with http.post(path, json=body) as response:
            async for piece in response.content.iter_any():
                got.extend(piece)

    with pytest.raises(aiohttp.ClientError):
        await gather()
    return bytes(got)


async def test_status_has_the_vendors_body_and_retry_headers(vendor: OpenAIServer, client: AsyncOpenAI) -> None:
    vendor.faults.add(Fault("status", status=429, retry_after_s=2, retry_after_ms=1500))
    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(**BODY)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "2"
    assert caught.value.response.headers["retry-after-ms"] == "1500"
    vendor.faults.add(Fault("status", status=429, code="insufficient_quota"))
    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(**BODY)
    assert caught.value.type == "insufficient_quota"
    assert "retry-after" not in caught.value.response.headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 529])
async def test_any_status_keeps_the_error_shape(vendor: OpenAIServer, http: aiohttp.ClientSession, status: int) -> None:
    vendor.faults.add(Fault("status", status=status))
    async with http.post(CHAT, json=BODY) as response:
        assert response.status == status
        assert set((await response.json())["error"]) == {"message", "type", "param", "code"}


async def test_html_and_redirect(vendor: OpenAIServer, http: aiohttp.ClientSession) -> None:
    vendor.faults.add(Fault("html", status=502), Fault("redirect", location="http://127.0.0.1:9/steal"))
    assert (await post(http))[1].startswith(b"<html>")
    async with http.post(CHAT, json=BODY, allow_redirects=False) as response:
        assert (response.status, response.headers["location"]) == (307, "http://127.0.0.1:9/steal")


async def test_slow_headers_and_slow_first_event(vendor: OpenAIServer, http: aiohttp.ClientSession) -> None:
    vendor.faults.add(Fault("slow_headers", delay_s=0.15), Fault("slow_first_event", delay_s=0.15))
    for head_is_slow in (True, False):
        start_s = time.monotonic()
        async with http.post(CHAT, json=STREAM) as response:
            head_s = time.monotonic() - start_s
            await response.content.readany()
            assert time.monotonic() - start_s >= 0.15
        assert (head_s >= 0.15) is head_is_slow


async def test_a_stall_holds_the_rest_back(vendor: OpenAIServer, http: aiohttp.ClientSession) -> None:
    vendor.faults.add(Fault("stall_mid_stream", after_events=2, delay_s=0.15))
    start_s = time.monotonic()
    async with http.post(CHAT, json=STREAM) as response:
        before = await read_events(response, 2)
        assert time.monotonic() - start_s < 0.15
        rest = await response.read()
    assert time.monotonic() - start_s >= 0.15
    assert before.count(b"\n\n") == 2
    assert rest.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(("body", "path"), [(STREAM, CHAT), (SPEECH, "/v1/audio/speech"), (BODY, CHAT)])
async def test_a_cut_comes_after_the_events_told(
    vendor: OpenAIServer, http: aiohttp.ClientSession, body: dict[str, Any], path: str
) -> None:
    vendor.faults.add(Fault("cut_mid_stream", after_events=1))
    got = await read_until_cut(http, body, path)
    record = await vendor.requests[-1].wait_ended()
    assert (record.outcome, record.events_sent, record.bytes_sent) == ("cut", 1, len(got))
    assert got


async def test_refuse_gives_no_byte(vendor: OpenAIServer, http: aiohttp.ClientSession) -> None:
    vendor.faults.add(Fault("refuse"))
    with pytest.raises(aiohttp.ClientOSError):
        await post(http)
    assert vendor.requests[-1].status is None


async def test_a_stream_can_end_cleanly_without_its_mark(vendor: OpenAIServer, http: aiohttp.ClientSession) -> None:
    whole = (await post(http, STREAM))[1]
    vendor.faults.add(Fault("cut_without_terminator"), Fault("cut_without_terminator", after_events=2))
    unmarked, short = (await post(http, STREAM))[1], (await post(http, STREAM))[1]
    assert whole.count(b"\n\n") == unmarked.count(b"\n\n") + 1
    assert b"[DONE]" not in unmarked
    assert short.count(b"\n\n") == 2
    vendor.faults.add(Fault("cut_without_terminator"))
    assert not (await post(http))[1].endswith(b"}")  # a unary body ends in its middle


async def test_malformed_and_truncated_json(vendor: OpenAIServer, http: aiohttp.ClientSession) -> None:
    kinds: tuple[FaultKind, ...] = ("malformed_event", "truncated_json")
    for kind in kinds:
        vendor.faults.add(Fault(kind), Fault(kind))
        status, body = await post(http)
        assert status == 200
        with pytest.raises(ValueError, match=r"."):
            json.loads(body)
        events = (await post(http, STREAM))[1].split(b"\n\n")
        assert not events[1].endswith(b"}")
        assert events[0].endswith(b"}")


async def test_an_error_event_makes_the_sdk_raise(vendor: OpenAIServer, client: AsyncOpenAI) -> None:
    vendor.faults.add(Fault("error_event_in_200", after_events=2, status=503))
    stream = await client.chat.completions.create(stream=True, **BODY)
    assert [(await anext(stream)).object for _ in range(2)] == ["chat.completion.chunk"] * 2
    with pytest.raises(openai.APIError, match="overloaded"):
        await anext(stream)


async def test_the_queue_is_taken_in_order_by_whom_it_is_meant_for(
    vendor: OpenAIServer, http: aiohttp.ClientSession
) -> None:
    vendor.faults.add(
        Fault("status", status=500, model="gpt-4o"),
        Fault("none"),
        Fault("status", status=503, times=2),
        Fault("status", status=429, path="/v1/embeddings", times=None),
    )
    assert [(await post(http))[0] for _ in range(4)] == [200, 503, 503, 200]
    assert (await post(http, BODY | {"model": "gpt-4o"}))[0] == 500
    embedding = {"model": "text-embedding-3-small", "input": "x"}
    assert [(await post(http, embedding, "/v1/embeddings"))[0] for _ in range(3)] == [429] * 3


async def test_an_invalid_request_is_refused_and_takes_no_fault(
    vendor: OpenAIServer, http: aiohttp.ClientSession
) -> None:
    vendor.faults.add(Fault("status", status=503))
    assert (await post(http, BODY | {"nope": 1}))[0] == 400
    assert (await post(http))[0] == 503


async def test_the_models_name_can_choose_a_fault(vendor: OpenAIServer, http: aiohttp.ClientSession) -> None:
    assert (await post(http, BODY | {"model": "gpt-4o-mini!status,status=529"}))[0] == 529
    assert (await post(http))[0] == 200
    assert split_model("tts-1!cut_mid_stream,after_events=3") == ("tts-1", Fault("cut_mid_stream", after_events=3))


@pytest.mark.parametrize(
    "options", [{"kind": "status", "statsu": 1}, {"kind": "nope"}, {"kind": "status", "status": "x"}]
)
def test_wrong_fault_options_are_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        fault_from(options)


async def test_events_come_at_the_pace_set(vendor: OpenAIServer, http: aiohttp.ClientSession) -> None:
    vendor.event_interval_s = 0.02
    start_s = time.monotonic()
    await post(http, STREAM)  # 6 events: role, four pieces, end
    assert time.monotonic() - start_s >= 5 * 0.02


async def test_the_port_can_refuse_connections_for_a_while(vendor: OpenAIServer, http: aiohttp.ClientSession) -> None:
    assert (await post(http))[0] == 200
    await vendor.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", vendor.port)
    await vendor.start_listening()
    assert (await post(http))[0] == 200


async def test_a_client_that_leaves_is_seen_at_once(vendor: OpenAIServer, http: aiohttp.ClientSession) -> None:
    vendor.faults.add(Fault("stall_mid_stream", after_events=2))
    async with http.post(CHAT, json=STREAM) as response:
        (record,) = await vendor.wait_for_requests(1)
        await read_events(response, 2)
        left_s = time.monotonic()
        response.close()
    await record.wait_ended(1)
    assert record.outcome == "client_closed"
    assert record.client_closed_at_s is not None
    assert record.client_closed_at_s - left_s < 0.1
    assert (record.events_sent, record.status) == (2, 200)


async def test_records_keep_the_request_as_sent(vendor: OpenAIServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", vendor.port)
    head = f"POST {CHAT}?a=%2F HTTP/1.1\r\nHost: x\r\nX-Thing: Ä\r\nx-thing: b\r\nContent-Length: 9\r\n\r\n"
    writer.write(head.encode() + b'{ "x":1 }')
    assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()
    record = vendor.requests[-1]
    assert (record.method, record.target, record.path) == ("POST", CHAT + "?a=%2F", CHAT)
    assert record.body == b'{ "x":1 }'
    assert [(k, v) for k, v in record.headers if k.lower() == "x-thing"] == [("X-Thing", "Ä"), ("x-thing", "b")]
    assert record.body_read_at_s is not None
    assert record.arrived_at_s <= record.body_read_at_s
