"""Samples that come without a header, as the vendors' clients may send them, made a recording that says what it is."""

from __future__ import annotations

import io
from collections.abc import Mapping

from gateway.audio import wav
from gateway.audio.companding import Law, expand
from gateway.audio.sniff import sniff
from gateway.types import Upload

ENCODINGS: Mapping[str, Law | None] = {"linear16": None, "mulaw": "mulaw", "alaw": "alaw"}
MAX_RATE_HZ = 48_000
MAX_CHANNELS = 8


def upload_of(data: bytes, content_type: str = "application/octet-stream") -> Upload:
    return Upload("body", content_type, len(data), io.BytesIO(data))


def recording_of(data: bytes, law: Law | None, rate_hz: int, channels: int = 1) -> Upload:
    """Return a WAV of 16 bit samples out of others; what has a header already stays as it is. Blocks."""
    if sniff(data[:16]) == "wav":
        return upload_of(data)
    samples = data if law is None else expand(data, law)
    whole = len(samples) // (2 * channels) * 2 * channels  # a cut frame is no sound
    return upload_of(wav.wrap(samples[:whole], rate_hz, channels=channels), "audio/wav")
