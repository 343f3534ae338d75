"""plugins/local_tts.py and its worker: real voices, decoded by ffmpeg and sox."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
import wave
from array import array
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.errors import InvalidRequest, UpstreamCut, UpstreamMalformed
from gateway.plugin import Plugin, Worker
from gateway.types import AudioChunk, AudioFormat, Done, Speech, Units, UpstreamResponse, Usage
from gateway.upstream.workers import WorkerPool
from plugins.local_tts import LANGUAGES, PLUGIN, LocalTts
from tests.plugins.local_harness import (
    RATE_HZ,
    call_for,
    decode,
    events,
    probe,
    recording,
    rms,
    sound_of,
    target_for,
    without_av,
)

shares_pool = pytest.mark.asyncio(loop_scope="module")  # processes start once for all tests: half of the time

plugin: Plugin = PLUGIN
assert isinstance(PLUGIN.backend, Worker)
FILE = PLUGIN.backend.file

TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps."
SAME_SAMPLES = 480  # 20 ms: espeak-ng adds a little chance to each utterance
OPENAI_VOICES = "alloy ash ballad coral echo fable onyx nova sage shimmer verse marin cedar"
WHAT_FFPROBE_SEES = {
    "wav": ("wav", "pcm_s16le"),
    "pcm": ("s16le", "pcm_s16le"),
    "mp3": ("mp3", "mp3"),
    "opus": ("ogg", "opus"),
    "aac": ("aac", "aac"),
    "flac": ("flac", "flac"),
}
CONTENT_TYPES = {
    "wav": "audio/wav",
    "pcm": "audio/pcm;rate=24000",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(FILE, 1, name="local-tts")
    yield pool
    await pool.aclose()


async def say(pool: WorkerPool, text: str = TEXT, **fields: Any) -> bytes:
    fields = {"voice": "nova", "format": "pcm", **fields}
    return sound_of(await events(pool, plugin, Speech(text, **fields)))


def seconds(pcm: bytes) -> float:
    return len(pcm) / 2 / RATE_HZ


@pytest.mark.parametrize("audio_format", WHAT_FFPROBE_SEES)
@shares_pool
async def test_each_format_is_what_it_says_and_complete(pool: WorkerPool, audio_format: str) -> None:
    reference = array("h", await say(pool))
    answer = await events(pool, plugin, Speech(TEXT, "nova", audio_format))
    audio, is_pcm = sound_of(answer), audio_format == "pcm"
    seen = probe(audio, is_pcm=is_pcm)
    assert (seen["format_name"], seen["codec_name"]) == WHAT_FFPROBE_SEES[audio_format]
    assert int(seen["sample_rate"]) == (48_000 if audio_format == "opus" else RATE_HZ)  # Opus always plays at 48 kHz
    assert int(seen["channels"]) == 1
    samples = decode(audio, is_pcm=is_pcm)
    assert len(samples) / RATE_HZ == pytest.approx(len(reference) / RATE_HZ, abs=0.12)
    assert rms(samples) == pytest.approx(rms(reference), rel=0.15)
    assert rms(samples) > 500
    first, *others, usage, done = answer
    assert isinstance(first, AudioChunk)
    assert first.format == AudioFormat(audio_format, CONTENT_TYPES[audio_format], RATE_HZ)
    assert all(isinstance(event, AudioChunk) and event.format is None and event.data for event in others)
    assert (usage, done) == (Usage(Units(characters=len(TEXT))), Done())


@shares_pool
async def test_sox_plays_the_wav_and_its_sizes_are_exact(pool: WorkerPool) -> None:
    audio = await say(pool, format="wav")
    with wave.open(BytesIO(audio)) as opened:
        assert (opened.getframerate(), opened.getnchannels(), opened.getsampwidth()) == (RATE_HZ, 1, 2)
        assert opened.getnframes() * 2 == len(audio) - 44
    stat = subprocess.run(
        ["sox", "-t", "wav", "-", "-n", "stat"], input=audio, capture_output=True, check=True, text=False
    )
    figures = dict(line.split(":", 1) for line in stat.stderr.decode().splitlines() if ":" in line)
    assert 3 < float(figures["Length (seconds)"]) < 6
    assert float(figures["RMS     amplitude"]) > 0.02


@shares_pool
async def test_a_long_wav_starts_before_it_is_finished_and_says_until_the_end(pool: WorkerPool) -> None:
    response = await pool.answer(plugin.build(call_for(Speech(TEXT * 40, "nova", "wav")), target_for(plugin)))
    chunks = aiter(response.chunks)
    first = await anext(chunks)
    assert first[40:44] == b"\xff" * 4
    audio = first + b"".join([chunk async for chunk in chunks])
    stretch = subprocess.run(["sox", "-", "-t", "raw", "-"], input=audio, capture_output=True, check=True).stdout
    assert stretch == audio[44:]
    assert seconds(stretch) > 120


@shares_pool
async def test_sound_streams_while_the_rest_is_not_yet_spoken(pool: WorkerPool) -> None:
    await say(pool, "Warm.")
    response = await pool.answer(plugin.build(call_for(Speech(TEXT * 150, "nova", "pcm")), target_for(plugin)))
    started_s = time.perf_counter()
    chunks = aiter(response.chunks)
    await anext(chunks)
    first_s = time.perf_counter() - started_s
    amount = sum([len(chunk) async for chunk in chunks])
    assert amount / 2 / RATE_HZ > 400
    assert first_s < 0.2 * (time.perf_counter() - started_s)


@shares_pool
async def test_nothing_of_the_call_before_is_left(pool: WorkerPool) -> None:
    before = array("h", await say(pool))
    await say(pool, "<speak><prosody rate='x-fast' volume='x-soft' pitch='x-high'>never closed", is_ssml=True)
    await say(pool, "Eile mit Weile", voice="de+m3", speed=3.0)
    after = array("h", await say(pool))
    assert len(after) == pytest.approx(len(before), abs=SAME_SAMPLES)
    assert rms(after) == pytest.approx(rms(before), rel=0.02)


@shares_pool
async def test_voices_are_different_voices(pool: WorkerPool) -> None:
    sounds = {voice: await say(pool, "Good morning.", voice=voice) for voice in OPENAI_VOICES.split()}
    assert len(set(sounds.values())) == 13
    for voice, sound in sounds.items():
        assert rms(array("h", sound)) > 200, voice


@shares_pool
async def test_every_listed_voice_exists(pool: WorkerPool) -> None:
    for voice in PLUGIN.default_voices:
        assert seconds(await say(pool, "1 2 ab аб", voice=voice)) > 0.2, voice


@pytest.mark.parametrize("speed", [0.25, 0.4, 0.5, 0.75, 1.5, 2.0, 4.0])
@shares_pool
async def test_speed_is_honoured(pool: WorkerPool, speed: float) -> None:
    normal_s, actual_s = seconds(await say(pool, TEXT * 2)), seconds(await say(pool, TEXT * 2, speed=speed))
    assert actual_s == pytest.approx(normal_s / speed, rel=0.15)


@pytest.mark.parametrize(
    ("voice", "language", "expected"),
    [
        ("nova", None, "en-us+f5"),
        ("nova", "en", "en-us+f5"),
        ("nova", "en-US", "en-us+f5"),
        ("nova", "en-GB", "en+f5"),
        ("nova", "de-DE", "de+f5"),
        ("nova", "fr-FR", "fr+f5"),
        ("nova", "pt_BR", "pt-br+f5"),
        ("nova", "zh-CN", "cmn+f5"),
        ("de", None, "de"),
        ("en-gb", None, "en"),
        ("en-us+Annie", None, "en-us+Annie"),
    ],
)
def test_language_chooses_the_tongue_and_keeps_the_voice(voice: str, language: str | None, expected: str) -> None:
    request = plugin.build(call_for(Speech("x", voice, "wav", language=language)), target_for(plugin))
    assert isinstance(request.body, bytes)
    assert f'"voice":"{expected}"'.encode() in request.body


@shares_pool
async def test_another_language_sounds_different(pool: WorkerPool) -> None:
    assert await say(pool, "Die Zeit") != await say(pool, "Die Zeit", language="de")


@shares_pool
async def test_ssml_is_obeyed_not_read_aloud(pool: WorkerPool) -> None:
    plain = seconds(await say(pool, "<speak>One two</speak>", is_ssml=True))
    with_break = seconds(await say(pool, "<speak>One <break time='2s'/> two</speak>", is_ssml=True))
    assert with_break - plain == pytest.approx(2.0, abs=0.3)


@shares_pool
async def test_ssml_opens_no_file_and_runs_no_command(pool: WorkerPool, tmp_path: Path) -> None:
    loud = tmp_path / "loud.wav"
    subprocess.run(
        ["sox", "-n", "-r", "22050", "-c", "1", "-b", "16", str(loud), "synth", "9", "sine", "440"], check=True
    )
    command = f"{tmp_path}/x&quot;; touch {tmp_path}/canary; echo &quot;"
    for source in (str(loud), f"file://{loud}", command):
        ssml = f'<speak>One <audio src="{source}">two</audio></speak>'
        assert seconds(await say(pool, ssml, is_ssml=True)) < 5
    assert sorted(os.listdir(tmp_path)) == ["loud.wav"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "\0hello\0",
        "".join(map(chr, range(32))) + "\x7f\x85",
        "\ud800 lone \udfff",
        "<<<&&&;;;>>> [[hello]] \\ %s %n",
        "🎉" * 200,
        "日本語 и русский العربية",
        "a" * 20_000,
    ],
)
@pytest.mark.parametrize("is_ssml", [False, True])
@shares_pool
async def test_odd_text_makes_some_sound_and_harms_nothing(pool: WorkerPool, text: str, is_ssml: bool) -> None:
    audio = await say(pool, text, format="wav", is_ssml=is_ssml)
    assert audio[:4] == b"RIFF"
    assert seconds(await say(pool, "Still here.")) > 0.5


@pytest.mark.slow
@shares_pool
async def test_a_hundred_kilobytes_are_spoken_whole(pool: WorkerPool) -> None:
    text = "All work and no play makes Jack a dull boy. " * 2300
    amount = 0
    response = await pool.answer(plugin.build(call_for(Speech(text, "nova", "pcm", 4.0)), target_for(plugin)))
    async for chunk in response.chunks:
        amount += len(chunk)
    assert 900 < amount / 2 / RATE_HZ < 2700


@pytest.mark.parametrize(
    ("audio_format", "rate_hz"), [("wav", 8_000), ("pcm", 16_000), ("pcm", 48_000), ("mp3", 44_100), ("flac", 16_000)]
)
@shares_pool
async def test_the_sample_rate_asked_for_is_made(pool: WorkerPool, audio_format: str, rate_hz: int) -> None:
    audio = await say(pool, format=audio_format, sample_rate_hz=rate_hz)
    normal_s = seconds(await say(pool))
    if audio_format == "pcm":
        assert len(audio) / 2 / rate_hz == pytest.approx(normal_s, abs=0.01)
        return
    assert int(probe(audio)["sample_rate"]) == rate_hz
    assert len(decode(audio, rate_hz=rate_hz)) / rate_hz == pytest.approx(normal_s, abs=0.12)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"voice": "nobody"}, "has no voice 'nobody'"),
        ({"voice": "../../etc/passwd"}, "has no voice"),
        ({"voice": "nova", "language": "tlh"}, "has no voice 'nova' in tlh"),
        ({"format": "amr"}, "has no format amr; it has aac, flac, mp3, opus, pcm, wav"),
        ({"format": "opus", "sample_rate_hz": 44_100}, "has no opus at 44100 Hz"),
        ({"format": "pcm", "sample_rate_hz": 7_999}, "has no pcm at 7999 Hz"),
        ({"format": "pcm", "sample_rate_hz": 48_001}, "has no pcm at 48001 Hz"),
        ({"speed": 0.24}, "not at 0.24"),
        ({"speed": 4.01}, "not at 4.01"),
        ({"speed": float("nan")}, "not at nan"),
    ],
)
def test_what_it_cannot_do_it_refuses_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    call = call_for(Speech("x", **{"voice": "nova", **fields}))
    refusal = plugin.refusal(call, target_for(plugin))
    assert refusal is not None
    assert reason in refusal
    with pytest.raises(InvalidRequest, match="local/m"):
        plugin.build(call, target_for(plugin))


@pytest.mark.parametrize(
    "fields", [{"speed": 0.25}, {"speed": 4.0}, {"sample_rate_hz": 8_000}, {"sample_rate_hz": 48_000}]
)
def test_what_is_at_the_limit_it_takes(fields: dict[str, Any]) -> None:
    assert plugin.refusal(call_for(Speech("x", "nova", **fields)), target_for(plugin)) is None


def test_a_recording_is_refused() -> None:
    assert plugin.refusal(call_for(recording(b"")), target_for(plugin)) == "speaks, and does nothing else"


@shares_pool
async def test_an_unknown_variant_is_an_error_not_another_voice(pool: WorkerPool) -> None:
    with pytest.raises(InvalidRequest, match="no voice 'en-us\\+nobody'") as raised:
        await say(pool, voice="en-us+nobody")
    assert raised.value.param == "voice"


@shares_pool
async def test_without_pyav_wav_and_pcm_are_made_and_the_others_refused(tmp_path: Path) -> None:
    pool = WorkerPool(without_av(FILE, tmp_path), 1, name="local-tts")
    plain: Plugin = LocalTts(has_codecs=False)
    samples = decode(sound_of(await events(pool, plain, Speech(TEXT, "nova", "wav"))))
    assert 3 < len(samples) / RATE_HZ < 6
    assert rms(samples) > 500
    for audio_format in ("mp3", "opus", "aac", "flac"):
        reason = plain.refusal(call_for(Speech(TEXT, "nova", audio_format)), target_for(plain))
        assert reason is not None
        assert "needs PyAV" in reason
    await pool.aclose()


@shares_pool
async def test_both_resamplers_make_the_same_sound(pool: WorkerPool, tmp_path: Path) -> None:
    plain = WorkerPool(without_av(FILE, tmp_path), 1, name="local-tts")
    one, other = array("h", await say(pool)), array("h", await say(plain))
    await plain.aclose()
    assert len(one) == pytest.approx(len(other), abs=SAME_SAMPLES)
    assert rms(one) == pytest.approx(rms(other), rel=0.05)


@shares_pool
async def test_a_worker_killed_while_it_speaks_is_a_cut(pool: WorkerPool) -> None:
    call = call_for(Speech(TEXT * 1000, "nova", "mp3"))
    response = await pool.answer(plugin.build(call, target_for(plugin)))
    answer = plugin.parse(call, response)
    assert isinstance(await anext(answer), AudioChunk)
    for process in pool._all:
        os.kill(process.pid, signal.SIGKILL)
    seen: list[Any] = []
    with pytest.raises(UpstreamCut):
        await _gather(answer, seen)
    assert not any(isinstance(event, Done | Usage) for event in seen)
    await response.close()
    assert seconds(await say(pool, "Next.")) > 0.3


async def _gather(answer: AsyncIterator[Any], seen: list[Any]) -> None:
    async for event in answer:
        seen.append(event)


@shares_pool
async def test_closing_in_mid_sentence_stops_at_once_and_the_next_is_served(pool: WorkerPool) -> None:
    response = await pool.answer(plugin.build(call_for(Speech(TEXT * 5000, "nova", "mp3")), target_for(plugin)))
    await anext(aiter(response.chunks))
    started_s = time.perf_counter()
    await response.close()
    assert seconds(await say(pool, "Next.")) > 0.3
    assert time.perf_counter() - started_s < 2


@shares_pool
async def test_twenty_at_once_on_two_workers_do_not_mix() -> None:
    pool = WorkerPool(FILE, 2, name="local-tts")
    texts = ["one " * (number + 1) for number in range(20)]
    sounds = await asyncio.gather(*(say(pool, text) for text in texts))
    lengths = [len(sound) for sound in sounds]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == 20
    await pool.aclose()


@shares_pool
async def test_an_answer_without_sound_is_malformed() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        for chunk in list[bytes]():
            yield chunk

    async def close() -> None:
        return None

    response = UpstreamResponse(200, {"x-sample-rate": "24000"}, nothing(), close)
    with pytest.raises(UpstreamMalformed):
        await _gather(plugin.parse(call_for(Speech("x", "nova")), response), [])


def test_voices_of_openai_and_every_language_are_mapped() -> None:
    assert set(OPENAI_VOICES.split()) <= set(PLUGIN.default_voices)
    assert set(PLUGIN.default_voices) >= LANGUAGES
    call = call_for(Speech("x", "narrator"))
    mapped = replace(target_for(plugin), voices={"narrator": "de+f1"})
    assert plugin.refusal(call, mapped) is None
    assert plugin.refusal(call, target_for(plugin)) == "has no voice 'narrator'"
