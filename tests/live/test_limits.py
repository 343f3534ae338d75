"""Limits of a live session: a step is held before it opens, further ones while it goes on, and its use at its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from gateway.types import STEP_SECONDS
from tests.live_house import FRAME, FRAME_S, KEY, LISTEN, REALTIME, SPEAK, House, house, settled, told

TENTH_S = b"\x01\x00" * 1_600  # 100 ms at 16 kHz


def limited(what: str, per: str = "key") -> str:
    return f"limits: {{hours: {{per: [{per}], {what}}}}}\n"


async def talk(at: House, seconds: float) -> tuple[int | None, str]:
    """Send so much audio as fast as it is taken, then end. Returns the close code and its reason."""
    async with at.socket(LISTEN) as socket:
        try:
            for _ in range(round(seconds * 10)):
                await socket.send_bytes(TENTH_S)
            await socket.send_str('{"type":"CloseStream"}')
        except ConnectionError:
            pass  # it was ended meanwhile, and says why below
        _, code, reason = await told(socket)
    await at.idle()
    return code, reason


def heard_s(at: House) -> float:
    return sum(len(session.audio) for session in at.vendor.sessions) / 32_000


async def left(at: House) -> dict[str, str]:
    """Return what the headers of a further request say is left, or of its refusal."""
    async with at.http.ws_connect(LISTEN, headers={"authorization": f"Token {KEY}"}) as socket:
        headers = dict(socket._response.headers)
        await socket.close()
    await at.idle()
    return {name.lower(): value for name, value in headers.items()}


async def test_audio_seconds_are_held_by_the_step_and_settled_as_they_were_used(tmp_path: Path) -> None:
    async with house(tmp_path, more=limited("audio_seconds: 100/hour")) as at:
        assert await talk(at, 24.5) == (1000, "")
        headers = await left(at)
        assert headers["x-ratelimit-limit-audio-seconds"] == "100"
        assert headers["x-ratelimit-remaining-audio-seconds"] == str(int(100 - 24.5 - STEP_SECONDS))
        assert await talk(at, 75.5) == (1000, "")
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await left(at)
        assert caught.value.status == 429
    seconds = [row[0] for row in settled(tmp_path, "audio_seconds")]
    assert seconds == [24.5, 0.0, 75.5]


async def test_a_limit_that_is_used_up_in_the_middle_ends_the_session_and_says_which(tmp_path: Path) -> None:
    async with house(tmp_path, more=limited("audio_seconds: 25/hour")) as at:
        code, reason = await talk(at, 40)
        assert code == 1008
        assert reason.startswith("the limit 'hours' for 'key=ann', 25 audio seconds per hour, is used up; it frees in")
        assert 20 <= heard_s(at) <= 25, "no more went to the vendor than the limit had"
        (session,) = at.vendor.sessions
        assert session.code == 1000
    ((status, seconds),) = settled(tmp_path, "status, audio_seconds")
    assert status == 429
    assert seconds == pytest.approx(heard_s(at), abs=0.001)


async def test_a_session_that_the_limit_has_no_step_for_is_refused_as_http(tmp_path: Path) -> None:
    async with house(tmp_path, more=limited("audio_seconds: 12/hour")) as at:
        assert (await talk(at, 5))[0] == 1000
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await left(at)
        assert caught.value.status == 429
        assert len(at.vendor.sessions) == 1


async def test_a_budget_is_money_by_the_second(tmp_path: Path) -> None:
    """0.06 USD a minute: a step costs a cent."""
    async with house(tmp_path, more=limited("budget: 0.025 USD/day")) as at:
        code, reason = await talk(at, 60)
        assert code == 1008
        assert reason.startswith("the budget 'hours' for 'key=ann', 0.025 USD a day, does not cover this request")
        assert 20 <= heard_s(at) <= 25
    ((cost,),) = settled(tmp_path, "cost_nano_usd")
    assert 20_000_000 <= cost <= 25_000_000


async def test_calls_at_once_count_sessions_while_they_are_open(tmp_path: Path) -> None:
    async with house(tmp_path, more=limited("concurrent: 1")) as at:
        async with at.socket(LISTEN) as socket:
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await left(at)
            assert caught.value.status == 429
            await socket.send_str('{"type":"CloseStream"}')
            await told(socket)
        await at.idle()
        await left(at)


async def test_a_providers_own_limit_ends_a_session_as_well(tmp_path: Path) -> None:
    async with house(tmp_path, more=limited("audio_seconds: 25/hour", "provider")) as at:
        code, reason = await talk(at, 40)
        assert (code, "25 audio seconds per hour" in reason) == (1008, True)
        assert 20 <= heard_s(at) <= 25


async def test_characters_are_counted_as_they_are_sent(tmp_path: Path) -> None:
    async with house(tmp_path, more=limited("characters: 2500/hour")) as at:
        async with at.socket(SPEAK) as socket:
            await socket.receive()
            for _ in range(3):
                await socket.send_json({"type": "Speak", "text": "a" * 1_000})
            messages, code, reason = await told(socket)
        await at.idle()
        assert code == 1008
        assert "2500 characters per hour" in reason
        assert messages[-1]["type"] == "Error"
        assert len(at.vendor.sessions[0].messages) == 2
    assert settled(tmp_path, "status, characters, cost_nano_usd") == [(429, 2_000, 60_000_000)]


async def test_tokens_of_a_conversation_are_counted_as_the_vendor_tells_them(tmp_path: Path) -> None:
    """The first response takes more than a step: what is beyond the limit is seen once it is told."""
    async with house(tmp_path, more=limited("tokens: 4000/hour")) as at:
        async with at.http.ws_connect(REALTIME, headers={"authorization": f"Bearer {KEY}"}) as socket:
            audio = "A" * 64_000  # one second
            for number in range(450):
                await socket.send_json({"type": "input_audio_buffer.append", "audio": audio})
                if number % 225 == 224:
                    await socket.send_json({"type": "input_audio_buffer.commit"})
                    await socket.send_json({"type": "response.create"})
            messages, code, reason = await told(socket)
        await at.idle()
        assert code == 1008
        assert "4000 tokens per hour" in reason
        assert messages[-1]["type"] == "error"
        assert messages[-1]["error"]["code"] == "rate_limit_exceeded"
    ((status, given),) = settled(tmp_path, "status, input_tokens")
    assert status == 429
    assert given > 4_000


async def test_sessions_at_the_same_time_share_what_a_limit_has(tmp_path: Path) -> None:
    async with house(tmp_path, more=limited("audio_seconds: 60/hour")) as at:
        ends = await asyncio.gather(*(talk(at, 30) for _ in range(3)))
        assert sorted(code or 0 for code, _ in ends) != [1000, 1000, 1000]
        assert heard_s(at) <= 60 + FRAME_S
    assert sum(row[0] for row in settled(tmp_path, "audio_seconds")) == pytest.approx(heard_s(at), abs=0.01)


async def test_nothing_is_held_once_all_are_over(tmp_path: Path) -> None:
    async with house(tmp_path, more=limited("audio_seconds: 1000/hour, budget: 5 USD/day, concurrent: 9")) as at:
        await talk(at, 35)
        async with at.socket(LISTEN) as socket:
            await socket.send_bytes(FRAME)
            socket._response.connection.transport.abort()
        await at.idle()
        assert at.gateway.services.limiter.local.held == 0
