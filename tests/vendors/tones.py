"""Deterministic speech for simulators: a sine tone whose pitch tells the voice and whose length tells the text.

Raw PCM and WAV need the standard library only; compressed formats come from real encoders when PyAV is installed.
"""

from __future__ import annotations

import array
import io
import math
import struct
import sys
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from av import AudioStream

SAMPLE_RATE_HZ = 24_000
BYTES_PER_SAMPLE = 2  # s16le mono
AMPLITUDE = 8_000  # a quarter of full scale
# container, codec, bit rate: what PyAV calls the formats that are not plain PCM
ENCODERS = {
    "mp3": ("mp3", "libmp3lame", 64_000),
    "opus": ("ogg", "libopus", 32_000),
    "aac": ("adts", "aac", 64_000),
    "flac": ("flac", "flac", None),
}


class EncoderMissing(RuntimeError):
    """A compressed format was asked for and PyAV is not installed."""


def tone_pcm(frequency_hz: int, duration_s: float, sample_rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """Return s16le mono samples; the frequency must divide the sample rate, so that periods repeat exactly."""
    if sample_rate_hz % frequency_hz:
        raise ValueError(f"{frequency_hz} Hz does not divide {sample_rate_hz} Hz")
    length = sample_rate_hz // frequency_hz
    period = array.array("h", (round(AMPLITUDE * math.sin(2 * math.pi * i / length)) for i in range(length)))
    if sys.byteorder == "big":
        period.byteswap()
    samples = round(duration_s * sample_rate_hz)
    return (period.tobytes() * (samples // length + 1))[: samples * BYTES_PER_SAMPLE]


def wav_file(pcm: bytes, sample_rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """Return s16le mono samples as a WAV file with a complete 44-byte header."""
    rate = sample_rate_hz * BYTES_PER_SAMPLE
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate_hz, rate, BYTES_PER_SAMPLE, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + len(pcm), b"WAVE") + form + struct.pack("<4sI", b"data", len(pcm)) + pcm


@lru_cache(maxsize=64)
def tone_file(audio_format: str, frequency_hz: int, duration_s: float) -> bytes:
    """Return a tone as pcm, wav, mp3, opus (in Ogg), aac (ADTS) or flac at 24 kHz; EncoderMissing without PyAV."""
    pcm = tone_pcm(frequency_hz, duration_s)
    if audio_format == "pcm":
        return pcm
    if audio_format == "wav":
        return wav_file(pcm)
    return _encode(pcm, audio_format)


def _encode(pcm: bytes, audio_format: str) -> bytes:
    if find_spec("av") is None:
        raise EncoderMissing("simulator lacks av")
    import av  # optional: a 40 MB wheel that most runs do without

    container_name, codec, bit_rate = ENCODERS[audio_format]
    target = io.BytesIO()
    # bitexact: no encoder version, date or random Ogg serial, so that a tone is the same bytes on every run
    with av.open(target, "w", format=container_name, options={"fflags": "+bitexact"}) as container:
        stream = cast("AudioStream", container.add_stream(codec, rate=SAMPLE_RATE_HZ))
        stream.layout = "mono"
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // BYTES_PER_SAMPLE)
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.planes[0].update(pcm)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()
