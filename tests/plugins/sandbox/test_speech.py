"""Speech and its way back: exact text, real audio in every format, honest refusals."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audio import wav
from gateway.errors import UnsupportedByTarget, UpstreamRejected
from gateway.types import AudioChunk, AudioFormat, Done, Recording, Speech, Transcript, Units, Usage
from plugins.sandbox import PLUGIN
from tests.plugins.sandbox.harness import call_for, events, recording, target_for

TEXT = "Hello world, this is the sandbox. Grüße! 你好 😀\nשלום"
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


async def spoken(text: str, name: str = "wav", voice: str = "nova", **fields: float) -> bytes:
    """Return the whole audio of a text."""
    found = await events(Speech(text, voice, name, **fields))  # type: ignore[arg-type]
    return b"".join(event.data for event in found if isinstance(event, AudioChunk))


async def heard(data: bytes) -> Transcript:
    """Return what the sandbox writes down of a file."""
    found = await events(recording(data))
    return next(event for event in found if isinstance(event, Transcript))


def tool(name: str, *arguments: str, data: bytes) -> bytes:
    """Return what a command line tool makes of `data`."""
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}: apt-get install sox libsox-fmt-mp3 ffmpeg")
    return subprocess.run([name, *arguments], input=data, capture_output=True, check=True).stdout


def samples(pcm: bytes) -> list[int]:
    return [int.from_bytes(pcm[at : at + 2], "little", signed=True) for at in range(0, len(pcm), 2)]


# ---------------------------------------------------------------- round trip


@settings(max_examples=60, deadline=None)
@given(text=UNICODE, name=st.sampled_from(["wav", "mp3"]), speed=st.sampled_from([0.25, 1.0, 4.0]))
async def test_every_text_comes_back_exactly(text: str, name: str, speed: float) -> None:
    assert (await heard(await spoken(text, name, speed=speed))).text == text


@pytest.mark.parametrize("name", ["wav", "mp3"])
@pytest.mark.parametrize("text", ["", " ", "\n", "a", "😀" * 4096, "word " * 819, "\u202eRTL\u0000"])
async def test_the_shortest_and_longest_texts_come_back(name: str, text: str) -> None:
    assert (await heard(await spoken(text, name, speed=4.0))).text == text


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
async def test_wav_is_made_at_the_rate_that_was_asked(rate_hz: int) -> None:
    data = await spoken("a" * 40, speed=4.0, sample_rate_hz=rate_hz)
    head, pcm = wav.strip(data)
    assert (head.sample_rate_hz, head.data_bytes) == (rate_hz, len(pcm))
    assert (await heard(data)).text == "a" * 40


@pytest.mark.parametrize("voice", sorted(PLUGIN.default_voices))
async def test_every_voice_is_a_tone_of_its_own_and_carries_text(voice: str) -> None:
    assert (await heard(await spoken("hello you", "mp3", voice))).text == "hello you"
    assert len(set(PLUGIN.default_voices.values())) == len(PLUGIN.default_voices) == 14


async def test_joined_audio_is_read_as_one() -> None:
    one, two = await spoken("One. ", "mp3"), await spoken("Two.", "mp3")
    assert (await heard(one + two)).text == "One. Two."
    parts = [wav.strip(await spoken(text))[1] for text in ("One. ", "Two.")]
    joined = await heard(wav.wrap(parts[0] + b"\0\0" * 333 + parts[1], 24000))
    assert joined.text == "One. Two."


async def test_an_id3_tag_does_not_matter() -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)
    assert (await heard(tag + await spoken(TEXT, "mp3") + b"TAG" + bytes(125))).text == TEXT


async def test_wav_may_be_rewritten_by_tools_that_keep_samples() -> None:
    data = await spoken(TEXT)
    for arguments in (("-t", "wav", "-"), ("-c", "2", "-t", "wav", "-"), ("-b", "24", "-t", "wav", "-")):
        assert (await heard(tool("sox", "-D", "-t", "wav", "-", *arguments, data=data))).text == TEXT
    piped = tool("ffmpeg", "-v", "error", "-i", "-", "-f", "wav", "-", data=data)
    assert (await heard(piped)).text == TEXT


# ---------------------------------------------------------------- the audio itself


@pytest.mark.parametrize("name", ["wav", "mp3", "pcm"])
async def test_events_say_the_format_the_characters_and_the_end(name: str) -> None:
    found = await events(Speech(TEXT, "nova", name))
    chunks = [event for event in found if isinstance(event, AudioChunk)]
    types = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm": "audio/pcm;rate=24000"}
    assert chunks[0].format == AudioFormat(name, types[name], 24000)
    assert {chunk.format for chunk in chunks[1:]} == {None}
    assert found[-2:] == [Usage(Units(characters=len(TEXT))), Done("stop")]


@pytest.mark.parametrize(("speed", "duration_s"), [(1.0, 10.0), (0.5, 20.0), (4.0, 2.5)])
async def test_duration_follows_the_text_and_the_speed(speed: float, duration_s: float) -> None:
    data = await spoken("fourteen chars." * 10, speed=speed)
    assert len(wav.strip(data)[1]) / 48000 == pytest.approx(duration_s, abs=0.024)
    mp3 = await spoken("fourteen chars." * 10, "mp3", speed=speed)
    assert (await heard(mp3)).duration_s == pytest.approx(duration_s, abs=0.024)


@pytest.mark.parametrize("name", ["wav", "mp3"])
async def test_other_programs_decode_the_audio_without_complaint(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"spoken.{name}"
    file.write_bytes(await spoken("hello " * 20, name, "alloy"))
    decode = ["ffmpeg", "-v", "warning", "-xerror", "-f", name, "-i", str(file), "-f", "s16le", "-"]
    if shutil.which("ffmpeg") is None or shutil.which("soxi") is None:
        pytest.skip("needs sox and ffmpeg: apt-get install sox libsox-fmt-mp3 ffmpeg")
    decoded = await asyncio.to_thread(subprocess.run, decode, capture_output=True, check=True)
    assert b"rror" not in decoded.stderr
    assert len(decoded.stdout) / 48000 == pytest.approx(8.0, abs=0.1)
    pitch_hz, peak = pitch_and_peak(samples(decoded.stdout))
    assert pitch_hz == pytest.approx(208.3, abs=3)
    assert 3000 < peak < 6000
    length = await asyncio.to_thread(subprocess.run, ["soxi", "-D", str(file)], capture_output=True, check=True)
    assert float(length.stdout) == pytest.approx(8.0, abs=0.03)


def pitch_and_peak(values: list[int]) -> tuple[float, int]:
    """Return the pitch of the loud half second in Hz, by its crossings of zero, and the highest sample."""
    word = values[1440:6000]  # within the first "hello"
    crossings = [at for at in range(1, len(word)) if word[at - 1] < 0 <= word[at]]
    return (len(crossings) - 1) * 24000 / (crossings[-1] - crossings[0]), max(values)


async def test_carried_text_changes_no_sample_audibly() -> None:
    plain, carrying = [samples(wav.strip(await spoken(text))[1]) for text in ("a" * 30, "b" * 30)]
    assert max(abs(one - other) for one, other in zip(plain, carrying, strict=True)) == 1


# ---------------------------------------------------------------- transcription


async def test_words_and_sentences_are_placed_by_proportion() -> None:
    transcript = await heard(await spoken("One two. Three four five six!"))
    assert [word.text for word in transcript.words] == ["One", "two.", "Three", "four", "five", "six!"]
    assert [segment.text for segment in transcript.segments] == ["One two.", "Three four five six!"]
    assert transcript.duration_s == pytest.approx(29 / 15, abs=0.024)
    assert transcript.words[0].start_s == 0
    assert transcript.words[-1].end_s == transcript.segments[-1].end_s == transcript.duration_s
    assert all(word.start_s < word.end_s for word in transcript.words)


async def test_seconds_of_audio_are_used() -> None:
    found = await events(recording(await spoken("fourteen chars." * 2)))
    assert found[-2:] == [Usage(Units(audio_seconds=1.992)), Done("stop")]


def foreign_wav() -> bytes:
    return wav.wrap(bytes(range(256)) * 40, 16000)


@pytest.mark.parametrize("data", [foreign_wav(), b"fLaC" + bytes(100), b"OggS" + bytes(100)])
async def test_foreign_audio_is_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(UnsupportedByTarget, match=r"only what it spoke itself.*configure a provider") as refused:
        await heard(data)
    assert (refused.value.status, refused.value.blame, refused.value.can_fail_over) == (422, "client", True)


async def test_reencoded_speech_is_foreign() -> None:
    data = await spoken(TEXT)
    with pytest.raises(UnsupportedByTarget, match="not re-encoded"):
        await heard(tool("sox", "-t", "wav", "-", "-r", "16000", "-t", "wav", "-", data=data))


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"RIFF", b"RIFF\x10\0\0\0WAVEfmt ", wav.header(24000, data_bytes=0), b"ID3" + bytes(90)]
)
async def test_what_is_not_audio_is_a_bad_request(data: bytes) -> None:
    with pytest.raises(UpstreamRejected, match="send a whole audio file") as refused:
        await heard(data)
    assert (refused.value.status, refused.value.blame) == (400, "client")


async def test_damaged_speech_is_never_read_wrongly() -> None:
    data = bytearray(await spoken("exactly"))
    data[44 + 2 * 8 * 13] ^= 1  # a bit of the second letter
    with pytest.raises(UnsupportedByTarget):
        await heard(bytes(data))


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (Speech("x", "nova", "mp3"), None),
        (Speech("x", "nova", "wav", sample_rate_hz=8000), None),
        (Speech("x", "nova", "mp3", sample_rate_hz=24000), None),
        (Speech("x", "robot"), "has no voice for 'robot'"),
        (Speech("x", "nova", "opus"), "has no format opus; it makes mp3, wav, pcm"),
        (Speech("x", "nova", "mp3", sample_rate_hz=16000), "makes mp3 at 24000"),
        (Speech("x", "nova", "wav", sample_rate_hz=7999), "makes wav at 8000 to 48000 Hz, not 7999"),
        (Speech("x", "nova", speed=0.24), "0.25 to 4"),
        (Speech("x", "nova", speed=float("nan")), "0.25 to 4"),
        (Speech("<speak/>", "nova", is_ssml=True), "SSML"),
        (Speech("x" * 65_536, "nova"), None),
        (Speech("x" * 65_537, "nova"), "at most 65536"),
        (Recording(recording(b"").audio, "wav", is_translation=True), "does not translate"),
    ],
)
def test_what_cannot_be_spoken_is_refused_before(body: Speech | Recording, reason: str | None) -> None:
    refusal = PLUGIN.refusal(call_for(body), target_for(body))
    assert (refusal is None) if reason is None else (reason in (refusal or ""))
