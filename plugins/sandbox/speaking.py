"""Speech without a voice: a soft tone for every word, silence between words, in frames of 24 ms.

Every format is made from the same plan of frames, so a text lasts equally long in all of them. 24 ms is the length of
an MPEG frame at 24 kHz; a voice is a tone with whole cycles in it, so frames follow each other without a click.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from gateway.audio import wav
from gateway.audio.sniff import content_type
from gateway.types import AudioFormat

from . import mp3, pcm
from .envelope import pack
from .mp3 import FRAME_S

FORMATS = ("mp3", "wav", "pcm")
CHARS_PER_S = 15
MIN_FRAMES = 5  # 120 ms: shorter files trouble some players
CHUNK_FRAMES = 4  # about 100 ms are sent at a time

VOICES: Mapping[str, int] = {f"tone-{round(cycles / FRAME_S)}": cycles for cycles in mp3.TONES}
"""The sandbox's voices, named by their pitch in Hz, and their cycles in a frame."""

_NAMES = "narrator alloy ash ballad cedar coral echo fable marin nova onyx sage shimmer verse"
DEFAULT_VOICES: Mapping[str, str] = dict(zip(_NAMES.split(), VOICES, strict=True))


def speak(text: str, voice: str, speed: float, audio_format: AudioFormat) -> Iterator[tuple[float, bytes]]:
    """Yield chunks of audio with the time in seconds at which each begins to play; `voice` is a key of VOICES.

    The bytes carry the text: mp3 behind the sound data of its frames, wav and pcm in the lowest bit of the samples.
    """
    frames = plan(text, speed)
    if audio_format.name == "mp3":
        parts = mp3.render(frames, VOICES[voice], pack(text))
    else:
        parts = pcm.render(frames, VOICES[voice], pack(text), audio_format.sample_rate_hz or mp3.RATE_HZ)
    head = b""
    if audio_format.name == "wav":
        rate_hz = audio_format.sample_rate_hz or mp3.RATE_HZ
        head = wav.header(rate_hz, data_bytes=len(frames) * pcm.frame_samples(rate_hz) * 2)
    for at in range(0, len(frames), CHUNK_FRAMES):
        yield at * FRAME_S, head + b"".join(islice(parts, CHUNK_FRAMES))
        head = b""


def spoken_format(name: str, sample_rate_hz: int | None) -> AudioFormat:
    """Return what a stream of the format `name` is."""
    rate_hz = sample_rate_hz or mp3.RATE_HZ
    return AudioFormat(name, content_type(name, rate_hz), rate_hz)


def plan(text: str, speed: float) -> bytes:
    """Return one byte a frame: 1 where the text has a word at that time, 0 where it has a space."""
    chars_per_frame = CHARS_PER_S * speed * FRAME_S
    frames = bytearray()
    for number in range(round(len(text) / chars_per_frame)):
        character = text[min(int((number + 0.5) * chars_per_frame), len(text) - 1)]
        frames.append(not character.isspace())
    return bytes(frames.ljust(MIN_FRAMES, b"\0"))
