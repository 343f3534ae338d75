"""plugins/local_stt.py and its worker: real recognition of what espeak-ng says, in every container."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.audio import wav
from gateway.audio.transcript import render
from gateway.errors import InvalidRequest, UpstreamCut, UpstreamMalformed, UpstreamUnreachable
from gateway.plugin import Plugin, Worker
from gateway.types import Done, Event, Speech, Transcript, Units, UpstreamResponse, Usage
from gateway.upstream.workers import WorkerPool
from plugins.local_stt import PLUGIN, LocalStt
from plugins.local_tts import PLUGIN as VOICE
from tests.plugins.local_harness import call_for, convert, events, recording, target_for, without_av

shares_pool = pytest.mark.asyncio(loop_scope="module")  # processes start once for all tests: half of the time

plugin: Plugin = PLUGIN
assert isinstance(PLUGIN.backend, Worker)
assert isinstance(VOICE.backend, Worker)
FILE = PLUGIN.backend.file
VOICE_FILE = VOICE.backend.file

SENTENCES = ("Please open the door and turn on the lights.", "We will meet at the station at five o'clock tomorrow.")
PAUSE_S = 1.5
RECORDINGS = Path(__file__).parent / "recordings"
CONVERSIONS = {
    "wav": [],
    "mp3": ["-f", "mp3"],
    "flac": ["-f", "flac"],
    "ogg": ["-c:a", "libopus", "-f", "ogg"],
    "webm": ["-f", "webm"],
    "mp4": ["-movflags", "frag_keyframe+empty_moov", "-f", "mp4"],
    "aac": ["-f", "adts"],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(FILE, 1, name="local-stt")
    yield pool
    await pool.aclose()


def kept(name: str) -> bytes:
    """A recording as WAV at 24 kHz: what the local voice `nova` once said, which is never twice the same."""
    return convert((RECORDINGS / f"{name}.flac").read_bytes(), "-c:a", "pcm_s16le", "-bitexact", "-f", "wav")


@pytest.fixture(scope="module")
def spoken() -> bytes:
    return kept("door")


@pytest.fixture(scope="module")
def dialogue() -> bytes:
    return kept("dialogue")


def seconds(audio: bytes) -> float:
    return (len(audio) - wav.HEADER_BYTES) / 48_000


def transcript_of(answer: list[Event]) -> Transcript:
    (transcript,) = [event for event in answer if isinstance(event, Transcript)]
    return transcript


def share_of_wrong_words(said: str, heard: str) -> float:
    """The usual word error rate: substitutions, insertions and deletions over the words that were said."""
    reference, found = re.findall(r"[a-z']+", said.lower()), heard.split()
    row = list(range(len(found) + 1))
    for number, word in enumerate(reference, 1):
        following = [number]
        for at, other in enumerate(found, 1):
            following.append(min(row[at] + 1, following[-1] + 1, row[at - 1] + (word != other)))
        row = following
    return row[-1] / len(reference)


@pytest.mark.parametrize("container", CONVERSIONS)
@shares_pool
async def test_every_container_is_understood_about_as_well(pool: WorkerPool, spoken: bytes, container: str) -> None:
    audio = convert(spoken, *CONVERSIONS[container]) if CONVERSIONS[container] else spoken
    answer = await events(pool, plugin, recording(audio, container))
    transcript = transcript_of(answer)
    assert share_of_wrong_words(SENTENCES[0], transcript.text) <= 0.5
    assert transcript.duration_s == pytest.approx(seconds(spoken), abs=0.12)
    assert transcript.language == "en"
    assert answer[1:] == [Usage(Units(audio_seconds=transcript.duration_s or 0)), Done()]


@shares_pool
async def test_segments_and_words_lie_where_they_were_spoken(pool: WorkerPool, dialogue: bytes) -> None:
    transcript = transcript_of(await events(pool, plugin, recording(dialogue)))
    assert share_of_wrong_words(" ".join(SENTENCES), transcript.text) <= 0.4
    first, second = transcript.segments
    assert second.start_s - first.end_s == pytest.approx(PAUSE_S, abs=0.5)
    assert " ".join(segment.text for segment in transcript.segments) == transcript.text
    assert " ".join(word.text for word in transcript.words) == transcript.text
    ends = [0.0, *(word.end_s for word in transcript.words)]
    for before, word in zip(ends, transcript.words, strict=False):
        assert before <= word.start_s < word.end_s <= (transcript.duration_s or 0)
    assert not re.search(r"[<\[+(]", transcript.text)
    subtitles = render(transcript, "srt")[1].decode()
    assert subtitles.count("-->") == 2


@shares_pool
async def test_an_answer_does_not_depend_on_the_calls_before_it(pool: WorkerPool, spoken: bytes) -> None:
    noisy = convert(spoken, "-af", "volume=0.2,aecho=0.8:0.8:40:0.5", "-f", "wav")
    one, between, other = [
        transcript_of(await events(pool, plugin, recording(audio))) for audio in (spoken, noisy, spoken)
    ]
    assert between.duration_s is not None
    assert one == other


@pytest.mark.parametrize("seconds_of_it", [0.0, 0.01, 5.0])
@shares_pool
async def test_silence_is_an_empty_text_of_its_length(pool: WorkerPool, seconds_of_it: float) -> None:
    audio = wav.wrap(bytes(int(seconds_of_it * 16_000) * 2), 16_000)
    if seconds_of_it == 0:
        with pytest.raises(InvalidRequest, match=r"holds no sound|cannot be decoded"):
            await events(pool, plugin, recording(audio))
        return
    answer = await events(pool, plugin, recording(audio))
    assert transcript_of(answer) == Transcript("", "en", seconds_of_it)


# Ogg and ADTS do not say how long they will be: what is there is all there is.
@pytest.mark.parametrize("container", ["wav", "mp3", "flac", "webm", "mp4"])
@shares_pool
async def test_a_file_that_breaks_off_is_refused(
    pool: WorkerPool, spoken: bytes, container: str, tmp_path: Path
) -> None:
    file = tmp_path / f"whole.{container}"  # a file and not a pipe: its header gets its length
    subprocess.run(["ffmpeg", "-v", "error", "-i", "-", *CONVERSIONS[container], str(file)], input=spoken, check=True)
    audio = file.read_bytes()
    with pytest.raises(InvalidRequest, match=r"the recording (breaks off|cannot be decoded)") as raised:
        await events(pool, plugin, recording(audio[: len(audio) * 2 // 3], container))
    assert raised.value.param == "file"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"PK\x03\x04" + bytes(1000),
        os.urandom(5000),
        b"RIFF\xff\xff\xff\xffWAVE" + os.urandom(500),
        b"OggS" + os.urandom(500),
        b"fLaC" + os.urandom(500),
        b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm"
        + bytes(99),
        b"\0\0\0\x18ftypM4A " + os.urandom(500),
        b"ID3\x04\0\0\0\0\0\0" + os.urandom(500),
        wav.header(16_000)[:24] + bytes(20),
    ],
)
@shares_pool
async def test_what_is_no_audio_is_a_400_that_names_the_field(pool: WorkerPool, content: bytes) -> None:
    with pytest.raises(InvalidRequest, match="the recording") as raised:
        await events(pool, plugin, recording(content))
    assert (raised.value.param, raised.value.status) == ("file", 400)


@shares_pool
async def test_a_film_without_sound_is_refused(pool: WorkerPool) -> None:
    film = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5", "-c:v", "libvpx"]
    silent = subprocess.run([*film, "-f", "webm", "-"], capture_output=True, check=True).stdout
    with pytest.raises(InvalidRequest, match="holds no audio"):
        await events(pool, plugin, recording(silent, "webm"))


@shares_pool
async def test_the_longest_recording_is_taken_and_a_longer_one_refused(pool: WorkerPool) -> None:
    for length_s, is_taken in ((1.9, True), (2.0, True), (2.1, False)):
        audio = wav.wrap(bytes(int(length_s * 16_000) * 2), 16_000)
        if is_taken:
            answer = await events(pool, plugin, recording(audio), max_duration_s=2)
            assert transcript_of(answer).duration_s == length_s
        else:
            with pytest.raises(InvalidRequest, match=r"longer than 2 s; send less, or raise the option max_duration_s"):
                await events(pool, plugin, recording(audio), max_duration_s=2)


@shares_pool
async def test_two_hours_of_silence_in_a_small_file_take_no_memory_and_no_time(pool: WorkerPool) -> None:
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "7200", "-f", "flac", "-"]
    silence = subprocess.run(command, capture_output=True, check=True).stdout
    assert len(silence) < 2_000_000
    async with asyncio.timeout(10):
        with pytest.raises(InvalidRequest, match="longer than 600 s"):
            await events(pool, plugin, recording(silence, "flac"))
    (process,) = pool._all
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert peak is not None
    assert int(peak[1]) < 200_000


@pytest.mark.parametrize(
    ("fields", "options", "reason"),
    [
        ({"language": "de"}, {}, "understands English only, not 'de'"),
        ({"is_translation": True}, {}, "does not translate"),
        ({"format": "diarized_json"}, {}, "does not tell speakers apart"),
        ({"duration_s": 600.1}, {}, "takes 600 s"),
        ({"duration_s": 60.1}, {"max_duration_s": 60}, "takes 60 s"),
    ],
)
def test_what_it_cannot_do_it_refuses_with_the_reason(
    fields: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    call = call_for(recording(b"", **fields))
    refusal = plugin.refusal(call, target_for(plugin, **options))
    assert refusal is not None
    assert reason in refusal
    with pytest.raises(InvalidRequest, match="local/m"):
        plugin.build(call, target_for(plugin, **options))


@pytest.mark.parametrize(
    "fields", [{"language": "en"}, {"language": "en-GB"}, {"language": "eng"}, {"duration_s": 600.0}]
)
def test_what_it_can_do_it_takes(fields: dict[str, Any]) -> None:
    assert plugin.refusal(call_for(recording(b"", **fields)), target_for(plugin)) is None


def test_speech_is_refused() -> None:
    assert (
        plugin.refusal(call_for(Speech("x", "nova")), target_for(plugin)) == "writes down speech, and does nothing else"
    )


@pytest.mark.parametrize("options", [[], ["-ac", "2", "-ar", "44100"], ["-c:a", "pcm_u8"], ["-c:a", "pcm_s24le"]])
@shares_pool
async def test_without_pyav_integer_wav_is_understood(tmp_path: Path, spoken: bytes, options: list[str]) -> None:
    plain = WorkerPool(without_av(FILE, tmp_path), 1, name="local-stt")
    audio = convert(spoken, *options, "-f", "wav") if options else spoken
    transcript = transcript_of(await events(plain, plugin, recording(audio)))
    await plain.aclose()
    assert share_of_wrong_words(SENTENCES[0], transcript.text) <= 0.5
    assert transcript.duration_s == pytest.approx(seconds(spoken), abs=0.01)


@shares_pool
async def test_without_pyav_other_kinds_are_refused_with_the_remedy(tmp_path: Path, spoken: bytes) -> None:
    plain = WorkerPool(without_av(FILE, tmp_path), 1, name="local-stt")
    reason = LocalStt(has_codecs=False).refusal(call_for(recording(b"", "mp3")), target_for(plugin))
    assert reason is not None
    assert "needs PyAV for mp3" in reason
    for options in (["-f", "flac"], ["-c:a", "pcm_f32le", "-f", "wav"]):
        with pytest.raises(InvalidRequest, match="PyAV has to be installed"):
            await events(plain, plugin, recording(convert(spoken, *options)))
    await plain.aclose()


@shares_pool
async def test_a_worker_killed_in_mid_answer_is_never_a_shorter_success(pool: WorkerPool, spoken: bytes) -> None:
    listening = asyncio.ensure_future(events(pool, plugin, recording(spoken)))
    while not pool._all:
        await asyncio.sleep(0.01)
    (process,) = pool._all
    await asyncio.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises((UpstreamCut, UpstreamUnreachable)):
        await listening
    assert transcript_of(await events(pool, plugin, recording(wav.wrap(bytes(32_000), 16_000)))).duration_s == 1.0


@shares_pool
async def test_an_answer_without_its_last_line_is_malformed() -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b'{"words": [["one", 0.0, 0.5]]}\n{"dur'

    async def close() -> None:
        return None

    with pytest.raises(UpstreamMalformed):
        await anext(plugin.parse(call_for(recording(b"")), UpstreamResponse(200, {}, half(), close)))
