"""Recordings made into samples by a process: all containers, their quiet places, and what goes wrong."""

from __future__ import annotations

import asyncio
import io
from array import array
from collections.abc import AsyncIterator
from typing import Any, cast

import av
import pytest

from gateway.audio.records import RATE_HZ
from gateway.errors import InvalidRequest, UpstreamTimeout
from gateway.types import Upload
from gateway.upstream.cutter import Cutter
from tests.vendors.spelled import spell, words_in

NEVER = float("inf")


def encoded(pcm: bytes, rate_hz: int, codec: str, container: str) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = cast(Any, file.add_stream(codec, rate=rate_hz, layout="mono"))
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.sample_rate = rate_hz
        frame.planes[0].update(pcm)
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate_hz)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            for packet in stream.encode(part):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return out.getvalue()


def upload(data: bytes) -> Upload:
    return Upload("a", "application/octet-stream", len(data), io.BytesIO(data))


@pytest.fixture
async def cutter() -> AsyncIterator[Cutter]:
    made = Cutter(1)
    yield made
    await made.aclose()
    assert not made._all


@pytest.mark.parametrize(
    ("codec", "container", "rate_hz"),
    [("pcm_s16le", "wav", 44_100), ("libmp3lame", "mp3", 24_000), ("aac", "ipod", 48_000), ("libopus", "webm", 48_000)],
)
async def test_every_container_becomes_the_same_samples(
    codec: str, container: str, rate_hz: int, cutter: Cutter
) -> None:
    pcm, truth = spell(12.0, rate_hz)
    sound = await cutter.decode(upload(encoded(pcm, rate_hz, codec, container)), NEVER)
    sound.file.seek(0)
    heard = words_in(array("h", sound.file.read()), RATE_HZ)
    await sound.close()
    assert [word.text for word in heard] == [word.text for word in truth]
    assert max(abs(word.start_s - true.start_s) for word, true in zip(heard, truth, strict=True)) < 0.06
    assert sound.seconds == pytest.approx(12.0, abs=0.1)


async def test_each_second_has_its_quietest_place(cutter: Cutter) -> None:
    pcm = array("h", bytes(2 * 10 * RATE_HZ))
    for at in range(len(pcm)):
        pcm[at] = 5_000 if at // 40 % 2 else -5_000
    pcm[round(3.3 * RATE_HZ) : round(3.6 * RATE_HZ)] = array("h", bytes(2 * round(0.3 * RATE_HZ)))
    sound = await cutter.decode(upload(encoded(pcm.tobytes(), RATE_HZ, "pcm_s16le", "wav")), NEVER)
    await sound.close()
    (quietest,) = [place for place in sound.quiet if place[1] < 100]
    assert quietest[0] == pytest.approx(3.45, abs=0.06)
    assert [int(at_s) for at_s, _ in sound.quiet] == list(range(9))  # the last second is not complete with its run


async def test_what_cannot_be_decoded_is_the_clients_to_mend(cutter: Cutter) -> None:
    with pytest.raises(InvalidRequest, match="cannot be decoded"):
        await cutter.decode(upload(b"RIFF" + b"nonsense" * 400), NEVER)


async def test_a_deadline_ends_the_process(cutter: Cutter) -> None:
    pcm, _ = spell(60.0, RATE_HZ)
    with pytest.raises(UpstreamTimeout):
        await cutter.decode(upload(pcm), asyncio.get_running_loop().time() + 0.01)


async def test_who_leaves_ends_the_process(cutter: Cutter) -> None:
    pcm, _ = spell(60.0, RATE_HZ)
    decoding = asyncio.create_task(cutter.decode(upload(encoded(pcm, RATE_HZ, "pcm_s16le", "wav")), NEVER))
    while not cutter._all:
        await asyncio.sleep(0)
    decoding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await decoding
    assert not cutter._all
