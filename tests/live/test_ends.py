"""How a live session ends, told to both sides: the client goes, the vendor goes, a limit, a reload, the process stops.

Whatever ends it, its seconds stand in the ledger once.
"""

from __future__ import annotations

import asyncio
import socket as sockets
from pathlib import Path

import aiohttp
import pytest

from tests.live_house import FRAME, KEY, LISTEN, REALTIME, house, kinds, routes, running, settled, told, until
from tests.vendors.deepgram import DeepgramServer
from tests.vendors.live import LiveFault

SECOND = 50  # messages


async def test_a_client_that_is_gone_ends_the_vendors_session_at_once(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        async with at.socket(LISTEN) as socket:
            for _ in range(SECOND):
                await socket.send_bytes(FRAME)
            await until(lambda: at.vendor.sessions and len(at.vendor.sessions[0].messages) == SECOND)
            socket._response.connection.transport.abort()
        (session,) = at.vendor.sessions
        await session.wait_ended()
        assert session.code == 1001
        await at.idle()
    assert settled(tmp_path) == [(499, "aborted", 1.0, 1_000_000, 1)]


async def test_a_half_closed_socket_is_a_client_that_is_gone(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        async with at.socket(LISTEN) as socket:
            await socket.send_bytes(FRAME)
            await until(lambda: at.vendor.sessions and at.vendor.sessions[0].messages)
            raw = socket._response.connection.transport.get_extra_info("socket")
            raw.shutdown(sockets.SHUT_WR)
            (session,) = at.vendor.sessions
            await session.wait_ended()
            assert session.code == 1001
            await at.idle()
    assert settled(tmp_path, "status, outcome, audio_seconds") == [(499, "aborted", 0.02)]


async def test_a_vendors_close_code_and_reason_are_the_clients(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        at.vendor.live_faults.append(LiveFault("close", after=10, code=1011, reason="NET-0001 no audio"))
        async with at.socket(LISTEN) as socket:
            for _ in range(10):
                await socket.send_bytes(FRAME)
            _, code, reason = await told(socket)
            assert (code, reason) == (1011, "NET-0001 no audio")
        await at.idle()
    assert settled(tmp_path) == [(502, "upstream_closed", 0.2, 200_000, 1)]


async def test_a_vendor_that_is_cut_off_is_told_as_a_bad_gateway(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        at.vendor.live_faults.append(LiveFault("cut", after=10))
        async with at.socket(LISTEN) as socket:
            for _ in range(10):
                await socket.send_bytes(FRAME)
            messages, code, reason = await told(socket)
            assert code == 1014
            assert "without closing" in reason
            assert messages[-1] == {"type": "Error", "variant": "upstream_cut", "description": reason}
        await at.idle()
    assert settled(tmp_path) == [(502, "upstream_cut", 0.2, 200_000, 1)]


async def test_what_the_vendor_finds_wrong_the_vendor_says(tmp_path: Path) -> None:
    """Text where binary belongs: only the vendor knows what it takes."""
    async with house(tmp_path) as at, at.socket(LISTEN) as socket:
        await socket.send_str("this is no audio")
        _, code, reason = await told(socket)
        assert (code, reason) == (1008, "DATA-0000 a text message is not JSON")


@pytest.mark.parametrize(
    ("live", "code", "said"),
    [
        ("{idle_s: 0.3}", 1008, "nothing came for 0.3 s (live.idle_s); send audio, or keep-alives"),
        ("{total_s: 0.3}", 1008, "the session has lasted 0.3 s (live.total_s); open another"),
    ],
)
async def test_a_session_that_is_silent_or_lasts_is_ended(tmp_path: Path, live: str, code: int, said: str) -> None:
    async with house(tmp_path, live) as at:
        async with at.socket(LISTEN) as socket:
            await socket.send_bytes(FRAME)
            messages, *end = await told(socket)
            assert end == [code, said]
            assert messages[-1]["type"] == "Error"
        (session,) = at.vendor.sessions
        await session.wait_ended()
        assert session.code == 1000
        await at.idle()
    assert settled(tmp_path, "status, audio_seconds") == [(408, 0.02)]


async def test_a_message_that_is_too_large_is_refused_by_its_limit(tmp_path: Path) -> None:
    async with house(tmp_path, "{frame_bytes: 4096}") as at:
        async with at.socket(LISTEN) as socket:
            await socket.send_bytes(bytes(4096))
            await socket.send_bytes(bytes(4097))
            _, code, reason = await told(socket)
            assert (code, reason) == (1009, "a message has at most 4096 bytes here; send smaller ones")
        await at.idle()
        assert at.vendor.sessions[0].messages == [bytes(4096)]
    assert settled(tmp_path, "status, audio_seconds") == [(413, 0.128)]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x85\x00\x00\x00\x00\xff\xfe\xfd\xfc\xfb", 1007),  # no UTF-8
        (b"\x82\x05hello", 1002),  # not masked
        (b"\xf2\x80\x01\x02\x03\x04", 1002),  # reserved bits
        (b"\x80\x80\x01\x02\x03\x04", 1002),  # goes on with nothing
        (b"\x88\x81\x01\x02\x03\x04\x00", 1002),  # half a close code
    ],
)
async def test_what_breaks_the_protocol_is_answered_by_its_code(tmp_path: Path, sent: bytes, code: int) -> None:
    async with house(tmp_path) as at, at.socket(LISTEN) as socket:
        socket._response.connection.transport.write(sent)
        assert (await told(socket))[1] == code


async def test_a_ping_is_answered_and_a_client_that_answers_none_is_gone(tmp_path: Path) -> None:
    async with house(tmp_path, "{ping_s: 0.2}") as at:
        async with at.http.ws_connect(LISTEN, headers={"authorization": f"Token {KEY}"}, autoping=False) as deaf:
            await deaf.ping(b"there?")
            pong = await deaf.receive()
            assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"there?")
            assert (await deaf.receive()).type is aiohttp.WSMsgType.PING
            await at.vendor.sessions[0].wait_ended()
        await at.idle()
        assert at.vendor.sessions[0].code == 1001
    assert settled(tmp_path, "status") == [(499,)]


async def test_a_stalled_vendor_holds_the_client_back_and_loses_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, "{queue_bytes: 16384}") as at:
        at.vendor.live_faults.append(LiveFault("stall", after=1))
        async with at.socket(LISTEN) as socket:
            frames = 3_000
            sent = 0

            async def flood() -> None:
                nonlocal sent
                for number in range(frames):
                    await socket.send_bytes(number.to_bytes(4, "big") * 2_000)
                    sent += 1

            flooding = asyncio.create_task(flood())
            await until(lambda: at.vendor.sessions and at.vendor.sessions[0].messages)
            while True:
                before = sent
                await asyncio.sleep(0.2)
                if sent == before:
                    break
            assert sent < frames, "24 MB went somewhere"
            at.vendor.sessions[0].resume.set()
            await flooding
            await socket.send_str('{"type":"CloseStream"}')
            _, code, _ = await told(socket)
            assert code == 1000
        numbers = [
            int.from_bytes(message[:4], "big")
            for message in at.vendor.sessions[0].messages[:-1]
            if isinstance(message, bytes)
        ]
        assert numbers == list(range(frames))


async def test_a_client_that_reads_nothing_is_given_up(tmp_path: Path) -> None:
    server = "server: {listen: '127.0.0.1:0', write_timeout_s: 0.5}\n"
    async with house(tmp_path, "{queue_bytes: 4096}") as plain:
        text = routes("{queue_bytes: 4096}").replace('server: {listen: "127.0.0.1:0"}\n', server)
        (tmp_path / "routes.yaml").write_text(text)
        await plain.reload()
        async with plain.http.ws_connect(REALTIME, headers={"authorization": f"Bearer {KEY}"}) as socket:
            connection = socket._response.connection
            assert connection is not None
            assert connection.protocol is not None
            connection.protocol.pause_reading()
            for _ in range(250):  # 16 MB to the client: more than all buffers on the way
                await socket.send_str('{"type":"input_audio_buffer.append","audio":"AAAA"}')
                await socket.send_str('{"type":"input_audio_buffer.commit"}')
                await socket.send_str('{"type":"response.create"}')
            await until(lambda: plain.other.sessions and plain.other.sessions[0].ended.is_set(), 30)
        await plain.idle()
    assert settled(tmp_path, "status, attempts")[0][0] == 408


async def test_a_reload_cuts_no_session_and_is_for_those_that_come_after(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        async with at.socket(LISTEN) as before:
            await before.send_bytes(FRAME)
            (tmp_path / "routes.yaml").write_text(routes("{frame_bytes: 1024}"))
            await at.reload()
            await before.send_bytes(bytes(2048))
            async with at.socket(LISTEN) as after:
                await after.send_bytes(bytes(2048))
                assert (await told(after))[1] == 1009
            await before.send_str('{"type":"CloseStream"}')
            messages, code, _ = await told(before)
            assert (kinds(messages)[-1], code) == ("Metadata", 1000)
        await at.idle()
    assert sorted(settled(tmp_path, "status, audio_seconds")) == [(101, 0.084), (413, 0.0)]


@pytest.mark.slow
async def test_a_drain_lets_sessions_go_on_and_then_sends_both_sides_away(tmp_path: Path) -> None:
    async with DeepgramServer() as vendor:
        server = ", shutdown_grace_s: 0, shutdown_s: 1.5"
        async with running(tmp_path, "{ping_s: 20}", vendor, server) as gateway, aiohttp.ClientSession() as http:
            async with http.ws_connect(gateway.url + LISTEN, headers={"authorization": f"Token {KEY}"}) as one:
                async with http.ws_connect(gateway.url + LISTEN, headers={"authorization": f"Token {KEY}"}) as other:
                    await one.send_bytes(FRAME)
                    await other.send_bytes(FRAME)
                    await until(lambda: sum(len(each.messages) for each in vendor.sessions) == 2)
                    gateway.process.terminate()
                    await gateway.wait_for_log(lambda line: "in flight have" in str(line["message"]))
                    await one.send_bytes(FRAME)
                    await one.send_str('{"type":"CloseStream"}')
                    messages, code, _ = await told(one)
                    assert (kinds(messages)[-1], code) == ("Metadata", 1000)
                    await other.send_bytes(FRAME)
                    messages, code, reason = await told(other)
                    assert (code, reason) == (1001, "the gateway stops; connect again")
            assert await gateway.process.wait() == 0
        for session in vendor.sessions:
            await session.wait_ended()
        assert [session.code for session in vendor.sessions] == [1000, 1001]
    assert settled(tmp_path, "status, audio_seconds") == [(101, 0.04), (503, 0.04)]
