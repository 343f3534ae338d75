"""Speech converted on its way: what the vendor is asked, what the client gets, what happens when either stops."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from openai import BadRequestError

from gateway.audio.answer import audio_format
from gateway.errors import GatewayError, UpstreamCut, UpstreamMalformed, UpstreamUnavailable
from gateway.upstream import converter
from gateway.upstream.converter import Converter, Order
from tests import harness
from tests.plugins.spoken import ROWS, desk, hear
from tests.vendors.deepgram import DeepgramServer
from tests.vendors.faults import Fault
from tests.vendors.polly import PollyServer
from tests.vendors.tones import tone_pcm
from tests.vendors.voices import Said, speech

CONVERT = "\n    convert: true"


@pytest.fixture
def convertible(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("polly", "deepgram"):
        monkeypatch.setitem(ROWS, name, ROWS[name] + CONVERT)


# ---------------------------------------------------------------- through the gateway


@pytest.mark.usefixtures("convertible")
async def test_pcm_of_16_khz_becomes_the_24_that_clients_expect(tmp_path: Path) -> None:
    async with PollyServer() as vendor, desk(tmp_path, {"polly": vendor}, ("polly/neural",)) as front:
        spoken = await front.speak(response_format="pcm")
        assert spoken.headers["x-gateway-converted"] == "pcm 16000 -> pcm 24000"
        assert spoken.headers["content-type"] == "audio/pcm;rate=24000"
        as_wav = hear((await front.speak(response_format="wav")).audio, "wav")
        assert hear(spoken.audio, "pcm").seconds == pytest.approx(as_wav.seconds, abs=0.02)


@pytest.mark.usefixtures("convertible")
async def test_the_operators_order_stays_although_the_first_has_to_be_converted(tmp_path: Path) -> None:
    async with PollyServer() as polly, DeepgramServer() as deepgram:
        vendors = {"polly": polly, "deepgram": deepgram}
        async with desk(tmp_path, vendors, ("polly/neural", "deepgram/aura-2")) as front:
            assert (await front.speak(response_format="flac")).by == "polly/neural"
            polly.faults.add(Fault("status", status=503))
            spoken = await front.speak(response_format="flac")
            assert spoken.by == "deepgram/aura-2"
            assert "x-gateway-converted" not in spoken.headers


async def test_without_leave_nothing_is_converted_and_the_refusal_says_what_is_to_be_had(tmp_path: Path) -> None:
    async with PollyServer() as vendor, desk(tmp_path, {"polly": vendor}, ("polly/neural",)) as front:
        with pytest.raises(BadRequestError, match="formats to be had: mp3, opus, wav"):
            await front.speak(response_format="flac")


@pytest.mark.usefixtures("convertible")
async def test_the_first_sound_leaves_before_the_vendor_has_finished(tmp_path: Path) -> None:
    async with PollyServer(event_interval_s=0.1) as vendor:
        async with desk(tmp_path, {"polly": vendor}, ("polly/neural",)) as front:
            started = time.monotonic()
            options = {"model": "speak", "voice": "nova", "input": "a long sentence " * 2, "response_format": "aac"}
            async with front.client.audio.speech.with_streaming_response.create(**options) as response:  # type: ignore[arg-type]
                pieces = [time.monotonic() - started async for _ in response.iter_bytes(64)]
            assert pieces[0] < pieces[-1] / 2


@pytest.mark.usefixtures("convertible")
@pytest.mark.parametrize("fault", [Fault("cut_mid_stream", after_events=3), Fault("stall_mid_stream", after_events=3)])
async def test_audio_that_breaks_off_ends_without_a_clean_end(fault: Fault, tmp_path: Path) -> None:
    row = ROWS["deepgram"] + "\n    timeouts: {idle_s: 0.3}"
    providers = f"version: 1\nproviders:\n  deepgram:{row}\n    base_url: "
    async with DeepgramServer() as vendor:
        vendor.faults.add(fault)
        routes = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models: {speak: {operation: speech, targets: [deepgram/aura-2]}}
routes: [{path: /tts, dialect: openai.speech, model: speak}]
"""
        wish = {"voice": "nova", "input": "word " * 200, "response_format": "pcm", "model": "speak"}
        async with harness.inside(tmp_path, providers + vendor.base_url, routes) as gateway:
            async with aiohttp.ClientSession() as http, http.post(gateway.url + "/tts", json=wish) as response:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await response.read()


@pytest.mark.usefixtures("convertible")
async def test_a_client_that_leaves_stops_the_vendor_and_the_conversion(tmp_path: Path) -> None:
    async with PollyServer(event_interval_s=0.05) as vendor:
        async with desk(tmp_path, {"polly": vendor}, ("polly/neural",)) as front:
            options = {"model": "speak", "voice": "nova", "input": "word " * 400, "response_format": "flac"}
            async with front.client.audio.speech.with_streaming_response.create(**options) as response:  # type: ignore[arg-type]
                async for _ in response.iter_bytes(64):
                    break
            await vendor.requests[0].wait_ended()
            async with asyncio.timeout(5):
                while front.gateway.services.converter._all:
                    await asyncio.sleep(0.01)


# ---------------------------------------------------------------- the conversion alone


async def pieces(data: bytes, size: int = 2_000, wait_s: float = 0.0) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]
        await asyncio.sleep(wait_s)


@pytest.fixture
async def processes() -> AsyncIterator[Converter]:
    made = Converter(2)
    yield made
    await made.aclose()


def order(source: tuple[str, int], wanted: tuple[str, int]) -> Order:
    return Order(audio_format(*source), audio_format(*wanted), 5.0)


@pytest.mark.parametrize("source", ["pcm", "wav", "mp3", "opus", "aac", "flac"])
async def test_nothing_is_lost_between_formats(source: str, processes: Converter) -> None:
    rate_hz = 48_000 if source == "opus" else 22_050
    given = speech(Said("Nothing of this sentence is to be lost on its way.", "x", source, rate_hz))
    length_s = hear(given, source, rate_hz).seconds
    for wanted in ("pcm", "wav", "mp3", "opus", "aac", "flac"):
        conversion = await processes.lease()
        run = conversion.run(pieces(given), order((source, rate_hz), (wanted, 24_000)))
        made = b"".join([piece async for piece in run])
        await conversion.close()
        assert hear(made, wanted).seconds == pytest.approx(length_s, abs=0.15), wanted
    assert len(processes._all) == 1  # one after the other, by one process


@pytest.mark.parametrize(
    ("given", "source", "error"),
    [
        (b"\x00\x01" * 5_000 + b"x", "pcm", UpstreamMalformed),
        (b"no flac at all" * 500, "flac", UpstreamMalformed),
        (b"RIFF\0\0\0\0WAVE", "wav", UpstreamMalformed),
    ],
)
async def test_what_cannot_be_decoded_is_the_vendors_fault(
    given: bytes, source: str, error: type[GatewayError], processes: Converter
) -> None:
    conversion = await processes.lease()
    with pytest.raises(error):
        _ = [piece async for piece in conversion.run(pieces(given), order((source, 16_000), ("pcm", 24_000)))]
    await conversion.close()
    again = await processes.lease()
    made = [piece async for piece in again.run(pieces(tone_pcm(400, 0.5)), order(("pcm", 24_000), ("pcm", 16_000)))]
    assert len(b"".join(made)) == pytest.approx(16_000, abs=64)
    await again.close()


async def test_the_vendors_own_error_comes_through(processes: Converter) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield tone_pcm(400, 0.5)
        raise UpstreamCut("gone")

    conversion = await processes.lease()
    with pytest.raises(UpstreamCut, match="gone"):
        _ = [piece async for piece in conversion.run(broken(), order(("pcm", 24_000), ("flac", 24_000)))]
    await conversion.close()


async def test_a_slow_reader_slows_the_vendor(processes: Converter) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 32_768
            yield bytes(32_768)

    conversion = await processes.lease()
    run = conversion.run(endless(), order(("pcm", 24_000), ("pcm", 48_000)))
    await anext(run)
    await asyncio.sleep(0.5)
    assert taken < 4_000_000
    await conversion.close()


async def test_what_follows_the_sound_neither_hangs_nor_gets_into_the_next(processes: Converter) -> None:
    layout = (3, 1, 24_000, 96_000, 4, 32)  # samples as floats, for which FFmpeg reads the file
    sizes = (36 + 48_000, 48_000)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", sizes[0], b"WAVE", b"fmt ", 16, *layout, b"data", sizes[1])
    for _ in range(2):
        conversion = await processes.lease()
        tail = header + bytes(48_000) + b"LIST" + bytes(2_000_000)
        async with asyncio.timeout(10):
            run = conversion.run(pieces(tail, 32_768), order(("wav", 24_000), ("pcm", 24_000)))
            assert len(b"".join([piece async for piece in run])) == 24_000
        await conversion.close()
    assert len(processes._all) == 1


async def test_where_all_processes_are_taken_another_target_may_do(
    processes: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter, "WAIT_S", 0.05)
    held = [await processes.lease() for _ in range(2)]
    with pytest.raises(UpstreamUnavailable, match="are taken"):
        await processes.lease()
    for conversion in held:
        await conversion.close()
    await (await processes.lease()).close()
