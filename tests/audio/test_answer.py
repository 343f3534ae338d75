"""A vendor's answer that has to be audio, with its bytes cut anywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping

import pytest

from gateway.audio import wav
from gateway.audio.answer import audio_events, audio_format, checked, read_audio
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.types import AudioChunk, Done, Units, UpstreamResponse, Usage

MP3 = bytes.fromhex("fff384c4") + bytes(30)
PCM = bytes(range(40))
STARTS = {
    "mp3": MP3,
    "opus": b"OggS" + bytes(30),
    "aac": bytes.fromhex("fff15c8005fffc") + bytes(30),
    "flac": b"fLaC" + bytes(30),
    "wav": wav.wrap(PCM, 24_000),
    "pcm": PCM,
}


async def pieces(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def collect(parts: Iterable[bytes], name: str) -> bytes:
    return b"".join([chunk async for chunk in checked(pieces(parts), audio_format(name, 24_000))])


@pytest.mark.parametrize("name", STARTS)
async def test_audio_passes_wherever_it_is_cut(name: str) -> None:
    data = STARTS[name]
    for at in range(len(data)):
        assert await collect([data[:at], data[at:]], name) == data


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("sent", STARTS)
async def test_other_audio_than_promised_is_told(name: str, sent: str) -> None:
    if name == sent:
        return
    if (name, sent) == ("pcm", "wav"):
        assert await collect([STARTS["wav"]], "pcm") == PCM
    elif name == "pcm" and sent in ("mp3", "aac"):
        return  # a frame's header alone may be samples too: nobody can tell
    else:
        with pytest.raises(UpstreamMalformed, match="was asked for"):
            await collect([STARTS[sent]], name)


@pytest.mark.parametrize("text", [b'{"error": "x"} and so on', b"<!DOCTYPE html><html></html>", b'{\n  "message": 1}'])
@pytest.mark.parametrize("name", STARTS)
async def test_text_is_no_audio(name: str, text: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        await collect([text], name)


@pytest.mark.parametrize(
    "header",
    [wav.header(16_000), wav.header(24_000, channels=2), wav.header(24_000, bits_per_sample=8)],
)
async def test_samples_of_another_kind_are_not_passed_off(header: bytes) -> None:
    with pytest.raises(UpstreamMalformed, match="where 16 bit pcm at 24000 Hz was asked for"):
        await collect([header + PCM], "pcm")


async def test_half_a_sample_at_the_end_is_a_cut() -> None:
    with pytest.raises(UpstreamCut):
        await collect([PCM + b"\0"], "pcm")


@pytest.mark.parametrize(
    ("headers", "is_fine"),
    [
        ({"content-type": "audio/mpeg", "content-length": "34"}, True),
        ({"content-type": "audio/mpeg", "transfer-encoding": "chunked"}, True),
        ({"transfer-encoding": "chunked"}, True),
        ({"content-type": "audio/mpeg"}, False),
        ({"content-type": "application/json", "content-length": "34"}, False),
        ({"content-type": "text/html; charset=utf-8", "transfer-encoding": "chunked"}, False),
    ],
)
async def test_the_head_has_to_promise_audio_and_an_end(headers: Mapping[str, str], is_fine: bool) -> None:
    async def close() -> None:
        return

    response = UpstreamResponse(200, headers, pieces([MP3]), close)
    reading = read_audio(response, audio_format("mp3", 24_000))
    if is_fine:
        assert b"".join([chunk async for chunk in reading]) == MP3
    else:
        with pytest.raises(UpstreamMalformed):
            await anext(reading)


async def test_events_end_with_what_it_took() -> None:
    promised, usage = audio_format("pcm", 24_000), Usage(Units(characters=3))
    events = [event async for event in audio_events(pieces([b"ab", b"", b"cd"]), promised, usage)]
    assert events == [AudioChunk(b"ab", promised), AudioChunk(b"cd"), usage, Done()]
    assert promised.content_type == "audio/pcm;rate=24000"


async def test_no_audio_at_all_is_a_cut() -> None:
    with pytest.raises(UpstreamCut):
        await anext(audio_events(pieces([b""]), audio_format("mp3", 24_000), Usage(Units())))
