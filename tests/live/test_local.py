"""`/v1/listen` without any vendor: the sandbox, which hears its own voice exactly, and the local recogniser."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from plugins.sandbox.speaking import speak, spoken_format
from tests.live_house import LISTEN, SANDBOX, House, deepgram, house, kinds, settled, told
from tests.plugins.local_harness import convert

pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")
UNKNOWN_TYPE = (
    "the message type 'Sing' is not known; there are KeepAlive, Finalize, CloseStream and Configure, and audio is sent "
    "as binary messages"
)
LOCAL = """
version: 1
providers:
  local-stt:
    plugin: local_stt
    models:
      nova-3: {operation: transcription, price: {usd_per_request: 0}}
"""


RECORDING = Path(__file__).parents[1] / "plugins" / "recordings" / "door.flac"
WORDS = frozenset(["please", "open", "the", "door", "and", "turn", "on", "lights"])


def said(*texts: str) -> bytes:
    """Return what the sandbox says, a second of silence after each text."""
    voice, as_pcm = "tone-250", spoken_format("pcm", 16_000)
    return b"".join(b"".join(data for _, data in speak(text, voice, 1.0, as_pcm)) + bytes(32_000) for text in texts)


async def listened(at: House, audio: bytes, more: str = "", finalize_at: int | None = None) -> list[Any]:
    """Send audio in messages of 20 ms. Returns what came back, to a clean end."""
    async with at.socket(LISTEN + more) as socket:
        for begin in range(0, len(audio), 640):
            await socket.send_bytes(audio[begin : begin + 640])
            if finalize_at is not None and begin <= finalize_at < begin + 640:
                await socket.send_str('{"type":"Finalize"}')
        await socket.send_str('{"type":"CloseStream"}')
        messages, code, reason = await told(socket)
        assert (code, reason) == (1000, "")
    await at.idle()
    assert kinds(messages)[-1] == "Metadata"
    return messages


def texts(messages: list[Any], *, final: bool = True) -> list[str]:
    results = [message for message in messages if message["type"] == "Results" and message["is_final"] is final]
    return [message["channel"]["alternatives"][0]["transcript"] for message in results]


async def test_the_sandbox_writes_down_what_it_said_word_by_word(tmp_path: Path) -> None:
    audio = said("Hello there, how are you?", "Fine.")
    async with house(tmp_path, providers=SANDBOX) as at:
        messages = await listened(at, audio, "&interim_results=true")
    assert [text for text in texts(messages) if text] == ["Hello there, how are you?", "Fine."]
    interim = texts(messages, final=False)
    assert "Hello" in interim
    assert all("Hello there, how are you?".startswith(text) or text in ("", "Fine.") for text in interim)
    first = next(message for message in messages if message["is_final"])
    words = first["channel"]["alternatives"][0]["words"]
    assert [word["punctuated_word"] for word in words] == ["Hello", "there,", "how", "are", "you?"]
    assert all(one["end"] <= other["start"] for one, other in pairwise(words))
    assert first["speech_final"] is True
    seconds = len(audio) / 32_000
    assert messages[-1]["duration"] == pytest.approx(seconds, abs=0.001)
    ((status, outcome, audio_s, cost, estimated),) = settled(tmp_path)
    assert (status, outcome, estimated) == (101, "ok", 0)
    assert audio_s == pytest.approx(seconds, abs=0.001)
    assert cost == pytest.approx(seconds * 1_000_000, abs=2_000)


async def test_results_follow_each_other_without_a_gap_or_an_overlap(tmp_path: Path) -> None:
    async with house(tmp_path, providers=SANDBOX) as at:
        messages = await listened(at, said("one two three", "four five"))
    finals = [message for message in messages if message["type"] == "Results"]
    ends = [message["start"] + message["duration"] for message in finals]
    assert [message["start"] for message in finals] == pytest.approx([0.0, *ends[:-1]], abs=0.002)
    assert ends[-1] == pytest.approx(messages[-1]["duration"], abs=0.002)


async def test_finalize_gives_what_is_there_and_loses_nothing_after_it(tmp_path: Path) -> None:
    text = "these are quite a few words that are said in one go"
    audio = said(text)
    async with house(tmp_path, providers=SANDBOX) as at:
        messages = await listened(at, audio, finalize_at=len(audio) // 3)
    flushed = [message for message in messages if message.get("from_finalize")]
    assert len(flushed) == 1
    assert " ".join(part for part in texts(messages) if part) == text


async def test_other_audio_is_silence_to_the_sandbox(tmp_path: Path) -> None:
    async with house(tmp_path, providers=SANDBOX) as at:
        messages = await listened(at, bytes(range(256)) * 500)
    assert texts(messages) == [""]


@pytest.mark.parametrize(
    ("message", "said_of_it"),
    [
        ("hello", "a text message must be JSON; this one is not"),
        ('{"type":"Sing"}', UNKNOWN_TYPE),
    ],
)
async def test_text_where_binary_belongs_is_told_what_belongs_there(
    tmp_path: Path, message: str, said_of_it: str
) -> None:
    async with house(tmp_path, providers=SANDBOX) as at, at.socket(LISTEN) as socket:
        await socket.send_str(message)
        messages, code, reason = await told(socket)
        assert code == 1008
        assert said_of_it.startswith(reason)
        assert messages == [{"type": "Error", "variant": "invalid_request", "description": said_of_it}]


async def test_a_client_may_configure_only_where_somebody_listens_to_that(tmp_path: Path) -> None:
    async with house(tmp_path, providers=SANDBOX) as at, at.socket(LISTEN) as socket:
        await socket.send_str('{"type":"Configure","keyterms":["gateway"]}')
        assert json.loads((await socket.receive()).data)["type"] == "ConfigureFailure"


@pytest.mark.slow
async def test_the_local_recogniser_listens_to_the_vendors_own_client(tmp_path: Path) -> None:
    """One word in seven is wrong on clear speech, it says of itself; most of these are right."""
    pcm = convert(RECORDING.read_bytes(), "-ar", "16000", "-ac", "1", "-f", "s16le")
    async with house(tmp_path, providers=LOCAL) as at:
        heard: list[Any] = []
        async with deepgram(at.gateway.url).listen.v1.connect(
            model="nova-3", encoding="linear16", sample_rate=16000, interim_results="true"
        ) as socket:
            for begin in range(0, len(pcm), 3_200):
                await socket.send_media(pcm[begin : begin + 3_200])
            await socket.send_close_stream()
            async for message in socket:
                heard.append(message)
        await at.idle()
    assert heard[-1].type == "Metadata"
    assert heard[-1].duration == pytest.approx(len(pcm) / 32_000, abs=0.05)
    finals = [each.channel.alternatives[0].transcript for each in heard[:-1] if each.is_final]
    found = set(" ".join(finals).split())
    assert len(found & WORDS) >= len(WORDS) // 2, finals
    assert any(not each.is_final for each in heard[:-1])
    ((status, outcome, seconds),) = settled(tmp_path, "status, outcome, audio_seconds")
    assert (status, outcome) == (101, "ok")
    assert seconds == pytest.approx(len(pcm) / 32_000, abs=0.05)


@pytest.mark.slow
async def test_a_recogniser_whose_processes_are_all_taken_is_passed_over(tmp_path: Path) -> None:
    more = "models: {hear: {operation: transcription, targets: [local-stt/nova-3, sandbox/nova-3]}}\n"
    both = LOCAL + SANDBOX.partition("providers:\n")[2]
    hear = LISTEN.replace("nova-3", "hear")
    async with house(tmp_path, more=more, providers=both) as at, at.socket(hear) as first:
        assert first._response.headers["x-gateway-provider"] == "local-stt"
        async with at.socket(hear) as second:
            assert second._response.headers["x-gateway-provider"] == "sandbox"
