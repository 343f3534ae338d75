"""The fake vendors' live sockets: what they refuse, and how they fail on demand."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from tests.vendors.deepgram import API_KEY, DeepgramServer
from tests.vendors.live import LiveFault
from tests.vendors.openai import API_KEY as OPENAI_KEY
from tests.vendors.openai import OpenAIServer

LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
TOKEN = {"authorization": f"Token {API_KEY}"}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (LISTEN, {"authorization": "Token wrong"}, 401),
        (LISTEN + "&volume=11", TOKEN, 400),
        (LISTEN + "&punctuate=1", TOKEN, 400),
        (LISTEN + "&encoding=linear16", TOKEN, 400),
        ("/v1/listen?model=parrot", TOKEN, 400),
        ("/v1/listen?model=nova-3&encoding=linear16", TOKEN, 400),
        ("/v1/speak?model=aura-2-thalia-en&encoding=mp3", TOKEN, 400),
        ("/v1/nothing", TOKEN, 404),
    ],
)
async def test_a_handshake_that_the_vendor_does_not_take(path: str, headers: dict[str, str], status: int) -> None:
    async with DeepgramServer() as vendor, aiohttp.ClientSession(vendor.base_url) as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(path, headers=headers)
        assert caught.value.status == status
        assert vendor.refused


@pytest.mark.parametrize(
    ("path", "message", "code"),
    [
        (LISTEN, b"odd", 1008),
        (LISTEN, "text", 1008),
        (LISTEN, '{"type":"Dance"}', 1008),
        (LISTEN, '{"type":"Finalize","now":true}', 1008),
        ("/v1/speak?model=aura-2-thalia-en", b"\0\0", 1008),
        ("/v1/speak?model=aura-2-thalia-en", '{"type":"Speak"}', 1008),
        ("/v1/speak?model=aura-2-thalia-en", json.dumps({"type": "Speak", "text": "a" * 2_001}), 1009),
    ],
)
async def test_a_message_that_the_vendor_does_not_take(path: str, message: bytes | str, code: int) -> None:
    async with DeepgramServer() as vendor, aiohttp.ClientSession(vendor.base_url) as http:
        async with http.ws_connect(path, headers=TOKEN) as socket:
            await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
            assert (await closed(socket))[1] == code
        assert vendor.refused


async def test_events_are_held_against_the_vendors_own_types() -> None:
    headers = {"authorization": f"Bearer {OPENAI_KEY}"}
    async with OpenAIServer() as vendor, aiohttp.ClientSession(vendor.origin) as http:
        async with http.ws_connect("/v1/realtime?model=gpt-realtime", headers=headers) as socket:
            assert (await socket.receive_json())["type"] == "session.created"
            for event in (
                {"type": "input_audio_buffer.append"},
                {"type": "input_audio_buffer.append", "audio": "AAAA", "rate": 9},
                {"type": "dance"},
                {"type": "session.update", "session": {"type": "realtime", "speed": 2}},
            ):
                await socket.send_json(event)
                assert (await socket.receive_json())["type"] == "error", event
            await socket.send_json({"type": "input_audio_buffer.clear"})
            assert (await socket.receive_json())["type"] == "input_audio_buffer.cleared"


async def test_faults_are_shown_after_as_many_messages_as_they_say() -> None:
    async with DeepgramServer() as vendor, aiohttp.ClientSession(vendor.base_url) as http:
        vendor.live_faults.extend([LiveFault("close", after=2, code=1011, reason="why"), LiveFault("cut", after=1)])
        async with http.ws_connect(LISTEN, headers=TOKEN) as socket:
            for _ in range(2):
                await socket.send_bytes(b"\0\0")
            assert (await closed(socket))[1:] == (1011, "why")
        async with http.ws_connect(LISTEN, headers=TOKEN) as socket:
            await socket.send_bytes(b"\0\0")
            assert (await closed(socket))[1] == 1006
        assert [len(session.messages) for session in vendor.sessions] == [2, 1]


async def closed(socket: aiohttp.ClientWebSocketResponse) -> tuple[list[Any], int | None, str]:
    found: list[Any] = []
    while True:
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.CLOSE:
            return found, message.data, message.extra or ""
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            return found, socket.close_code, ""
        found.append(message.data)
