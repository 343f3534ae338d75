"""The simulators' voice: real audio of the format and rate asked for, and a pitch by which a voice is known."""

from __future__ import annotations

import struct

import pytest

from tests.plugins.spoken import hear
from tests.vendors.voices import ENCODERS, PITCHES, Said, chunked, pitch_of, speech

TEXT = "This is a sentence that takes some two seconds to say."


def pitch_hz(samples: bytes, rate_hz: int) -> float:
    """Return the fundamental of speech: the lag at which its loudest quarter of a second is most like itself."""
    values = struct.unpack(f"<{len(samples) // 2}h", samples)
    size = rate_hz // 4
    start = max(range(0, len(values) - 2 * size, size // 4), key=lambda at: sum(map(abs, values[at : at + size])))
    window = values[start : start + 2 * size]
    lags = range(rate_hz // 300, rate_hz // 50)
    best = max(lags, key=lambda lag: sum(a * b for a, b in zip(window[:size], window[lag : lag + size], strict=True)))
    return rate_hz / best


@pytest.mark.parametrize("name", ENCODERS)
def test_every_format_is_what_it_is_called(name: str) -> None:
    rate_hz = 8_000 if "law" in name else 48_000 if name == "opus" else 24_000
    audio = speech(Said(TEXT, "x", name, rate_hz))
    if name in ("mulaw", "alaw"):
        assert len(audio) / 8_000 == pytest.approx(3.0, abs=0.4)
        return
    heard = hear(audio, name)
    assert heard.rate_hz == rate_hz
    assert heard.codec == {"m4a": "aac", "mulaw_wav": "pcm_mulaw", "alaw_wav": "pcm_alaw"}.get(name, name)
    assert heard.seconds == pytest.approx(3.0, abs=0.4)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 24_000, 48_000])
def test_samples_have_the_rate_asked_for(rate_hz: int) -> None:
    assert len(speech(Said(TEXT, "x", "pcm", rate_hz))) / 2 / rate_hz == pytest.approx(3.0, abs=0.4)


def test_voices_differ_in_what_is_heard() -> None:
    low = next(f"v{i}" for i in range(1_000) if pitch_of(f"v{i}") == PITCHES[0])
    high = next(f"v{i}" for i in range(1_000) if pitch_of(f"v{i}") == PITCHES[-1])
    pitches = [pitch_hz(speech(Said(TEXT, voice, "pcm", 8_000)), 8_000) for voice in (low, high)]
    assert pitches[1] > 1.3 * pitches[0], pitches


def test_speed_shortens_and_ssml_is_obeyed() -> None:
    def length(text: str, **options: object) -> int:
        return len(speech(Said(text, "x", "pcm", 8_000, **options)))  # type: ignore[arg-type]

    assert length(TEXT, speed=2.0) < 0.65 * length(TEXT)
    slow = f'<speak><prosody rate="50%">{TEXT}</prosody></speak>'
    assert length(slow, is_ssml=True) > 1.5 * length(TEXT)


def test_nothing_to_say_is_a_short_silence() -> None:
    assert len(speech(Said(" ", "x", "pcm", 8_000))) < 2_000


def test_pieces_are_the_whole() -> None:
    assert b"".join(chunked(b"abcdefg", 3)) == b"abcdefg"
    assert chunked(b"", 3) == ()
