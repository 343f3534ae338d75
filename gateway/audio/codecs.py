"""Which audio formats can be made here out of others, and at which sample rates.

PCM and WAV need nothing; the others need PyAV (the extra `audio`). What makes them is gateway/audio/transcode.py.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import cache
from importlib.util import find_spec

PLAIN = frozenset({"pcm", "wav"})  # for which no codec is needed
HINT = "pip install 'ai-service-gateway[audio]'"

_ANY_HZ = range(8_000, 48_001)  # as a set it would take 3.4 MB
_MPEG_HZ = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
RATES_HZ: Mapping[str, Container[int]] = {
    "pcm": _ANY_HZ,
    "wav": _ANY_HZ,
    "flac": _ANY_HZ,
    "mp3": _MPEG_HZ,
    "aac": _MPEG_HZ,
    "opus": frozenset({8_000, 12_000, 16_000, 24_000, 48_000}),
}


@cache
def has_codecs() -> bool:
    """Say whether PyAV is installed."""
    return find_spec("av") is not None
