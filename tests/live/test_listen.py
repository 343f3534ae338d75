"""`/v1/listen` to a vendor: its own client passes, messages are what was sent, and seconds are counted once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType

from tests.live_house import FRAME, FRAME_S, KEY, LISTEN, deepgram, house, kinds, settled, told, until, vendors
from tests.vendors.deepgram import DeepgramServer
from tests.vendors.faults import Fault

# The SDK asks websockets for a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")
LIVE_NANO_USD_PER_S = 1_000_000  # 0.06 USD a minute, which is not what recordings cost


async def test_the_vendors_own_client_hears_what_the_vendor_says(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        heard: list[Any] = []
        client = deepgram(at.gateway.url)
        async with client.listen.v1.connect(
            model="nova-3", encoding="linear16", sample_rate=16000, interim_results="true"
        ) as socket:
            socket.on(EventType.MESSAGE, heard.append)
            socket.on(EventType.ERROR, heard.append)
            listening = asyncio.create_task(socket.start_listening())
            for number in range(60):
                await socket.send_media(FRAME)
                if number == 30:
                    await socket.send_keep_alive()
            await socket.send_finalize()
            await socket.send_close_stream()
            await listening
        await at.idle()
        finals = [each for each in heard if each.type == "Results" and each.is_final]
        assert [each.channel.alternatives[0].transcript for each in finals][:2] == ["w0", "w1"]
        assert heard[-1].type == "Metadata"
        assert heard[-1].duration == pytest.approx(60 * FRAME_S)
        (session,) = at.vendor.sessions
        assert session.audio == FRAME * 60
        assert at.vendor.refused == []
        query = session.request.target.partition("?")[2]
        assert dict(pair.split("=") for pair in query.split("&")) == {
            "model": "nova-3", "encoding": "linear16", "sample_rate": "16000", "interim_results": "true",
        }  # fmt: skip
    assert settled(tmp_path) == [(101, "ok", 1.2, round(1.2 * LIVE_NANO_USD_PER_S), 0)]


async def test_messages_pass_as_they_are_in_their_order(tmp_path: Path) -> None:
    sent: list[bytes | str] = []
    for number in range(500):
        sent.append(number.to_bytes(2, "big") * (1 + number % 70))
        if number % 50 == 0:
            sent.append('{"type":"KeepAlive"}')
    async with house(tmp_path) as at, at.socket(LISTEN) as socket:
        for message in sent:
            await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
        await socket.send_str('{"type":"CloseStream"}')
        messages, code, _ = await told(socket)
        assert at.vendor.sessions[0].messages == [*sent, '{"type":"CloseStream"}']
    assert (kinds(messages)[-1], code) == ("Metadata", 1000)


async def test_a_client_that_closes_is_accounted_for_by_what_the_vendor_says_last(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        async with at.socket(LISTEN) as socket:
            for _ in range(50):
                await socket.send_bytes(FRAME)
            await socket.close()
            assert socket.close_code == 1000
        await at.idle()
        (session,) = at.vendor.sessions
        assert session.messages[-1] == '{"type":"CloseStream"}'
    assert settled(tmp_path) == [(101, "ok", 1.0, LIVE_NANO_USD_PER_S, 0)]


@pytest.mark.parametrize("scheme", ["token", "bearer"])
async def test_a_browsers_key_comes_as_a_subprotocol_and_goes_no_further(tmp_path: Path, scheme: str) -> None:
    async with house(tmp_path) as at:
        async with at.http.ws_connect(LISTEN, protocols=(scheme, KEY)) as socket:
            assert socket.protocol == scheme
            await socket.send_bytes(FRAME)
            await socket.send_str('{"type":"CloseStream"}')
            assert (await told(socket))[1] == 1000
        headers = dict(at.vendor.sessions[0].request.headers)
        assert KEY not in str(headers)
        assert "sec-websocket-protocol" not in {name.lower() for name in headers}
    assert settled(tmp_path, "key") == [("ann",)]


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        (LISTEN, {}, 401, "invalid_api_key"),
        (LISTEN, {"authorization": "Token another-0123456789abcd"}, 401, "invalid_api_key"),
        (LISTEN.replace("nova-3", "nobody"), None, 404, "model_not_found"),
        (LISTEN.replace("16000", "fast"), None, 400, "invalid_request"),
        (LISTEN.replace("&sample_rate=16000", ""), None, 400, "invalid_request"),
        (LISTEN + "&callback=https://example.org", None, 400, "invalid_request"),
        (LISTEN + "&encoding=mulaw", None, 400, "invalid_request"),
        (LISTEN + "&interim_results=maybe", None, 400, "invalid_request"),
    ],
)
async def test_what_is_refused_is_refused_before_the_upgrade(
    tmp_path: Path, path: str, headers: dict[str, str] | None, status: int, code: str
) -> None:
    async with house(tmp_path) as at:
        asked = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}
        asked |= {"sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", "authorization": f"Token {KEY}"}
        if headers is not None:
            asked.pop("authorization")
        async with at.http.get(path, headers=asked | (headers or {})) as answer:
            assert answer.status == status
            assert (await answer.json())["error"]["code"] == code
        assert not at.vendor.requests
        assert settled(tmp_path) == []


async def test_a_plain_request_is_told_to_upgrade(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        headers = {"authorization": f"Token {KEY}"}
        async with at.http.get(LISTEN, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (426, "upgrade_required")
        async with at.http.post(LISTEN, headers=headers) as answer:
            assert answer.status == 405


async def test_the_vendors_client_raises_its_own_error_for_a_wrong_key(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        with pytest.raises(ApiError) as caught:
            async with deepgram(at.gateway.url, "wrong-key-0123456789").listen.v1.connect(model="nova-3"):
                pytest.fail("it is connected")
        assert caught.value.status_code == 401


async def test_a_vendor_that_opens_no_session_is_passed_over_for_the_next(tmp_path: Path) -> None:
    more = "models: {hear: {operation: transcription, targets: [deepgram/nova-3, second/nova-3]}}\n"
    async with DeepgramServer() as busy, DeepgramServer() as second:
        one, other = (vendors(each.base_url, "http://127.0.0.1:9") for each in (busy, second))
        row = other[other.index("  deepgram:") : other.index("  openai:")].replace("  deepgram:", "  second:")
        async with house(tmp_path, more=more, providers=one.replace("  openai:", row + "  openai:")) as at:
            busy.faults.add(Fault(kind="status", status=503, times=1))
            async with at.socket(LISTEN.replace("nova-3", "hear")) as socket:
                assert socket._response.headers["x-gateway-provider"] == "second"
                await socket.send_bytes(FRAME)
                await socket.send_str('{"type":"CloseStream"}')
                assert (await told(socket))[1] == 1000
        assert not busy.sessions
        assert second.sessions[0].audio == FRAME
    assert settled(tmp_path, "provider, status, outcome") == [("second", 101, "ok")]


async def test_a_refusal_of_the_vendors_is_the_clients_answer(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        at.vendor.faults.add(Fault(kind="status", status=429, times=20))
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with at.socket(LISTEN):
                pytest.fail("it is connected")
        assert caught.value.status == 429


async def test_metrics_tell_of_a_session(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        async with at.socket(LISTEN) as socket:
            await socket.send_bytes(FRAME)
            await until(lambda: at.vendor.sessions and at.vendor.sessions[0].messages)
            async with at.http.get("/metrics") as answer:
                assert 'gateway_live_sessions{route="GET /v1/listen"} 1.0' in await answer.text()
            await socket.send_str('{"type":"CloseStream"}')
            await told(socket)
        await at.idle()
        async with at.http.get("/metrics") as answer:
            text = await answer.text()
        assert 'gateway_live_sessions{route="GET /v1/listen"} 0.0' in text
        assert 'gateway_live_messages_total{direction="up",route="GET /v1/listen"} 2.0' in text
        assert 'gateway_audio_seconds_total{direction="heard",target="other"} 0.02' in text
        assert 'gateway_requests_total{route="GET /v1/listen",status="101"} 1.0' in text
