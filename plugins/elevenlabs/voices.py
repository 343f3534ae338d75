"""ElevenLabs' default voices, and which of them stands for which of OpenAI's names.

Ids, names, genders and accents as public code quotes the vendor's list of default voices, 2026-11-23. Every account has
them; own and cloned ones are named by their ids in routes.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gateway.types import VoiceFact

# name: (id, gender, accent)
_DEFAULTS: Mapping[str, tuple[str, Literal["female", "male"], str]] = {
    "Alice": ("Xb7hH8MSUJpSbSDYk0k2", "female", "British"),
    "Brian": ("nPczCjzI2devNBz1zQrb", "male", "American"),
    "Callum": ("N2lVS1w4EtoT3dr4eOWO", "male", "transatlantic"),
    "Charlie": ("IKne3meq5aSn9XLyUdCD", "male", "Australian"),
    "Chris": ("iP95p4xoKVk53GoZ742B", "male", "American"),
    "Daniel": ("onwK4e9ZLuTAKqWW03F9", "male", "British"),
    "Eric": ("cjVigY5qzO86Huf0OWal", "male", "American"),
    "George": ("JBFqnCBsd6RMkjVDRZzb", "male", "British"),
    "Jessica": ("cgSgspJ2msm6clMCkdW9", "female", "American"),
    "Laura": ("FGY2WhTYpPnrIDTdsKH5", "female", "American"),
    "Liam": ("TX3LPaxmHKxFdv7VOQHJ", "male", "American"),
    "Lily": ("pFZP5JQG7iQjIQuC4Bku", "female", "British"),
    "Matilda": ("XrExE9yKIg1WjnnlVkGX", "female", "American"),
    "Roger": ("CwhRBWXzGAHq8TQ4Fs17", "male", "American"),
    "Sarah": ("EXAVITQu4vr4xnSDxMaL", "female", "American"),
    "Will": ("bIHbv24MWmeRgasZH58o", "male", "American"),
}
# As like OpenAI's own as these are: onyx is the deepest, fable and ballad sound British.
_STAND_INS = {
    "alloy": "Matilda",
    "ash": "Chris",
    "ballad": "George",
    "cedar": "Eric",
    "coral": "Laura",
    "echo": "Liam",
    "fable": "Daniel",
    "marin": "Alice",
    "nova": "Sarah",
    "onyx": "Brian",
    "sage": "Lily",
    "shimmer": "Jessica",
    "verse": "Will",
    "narrator": "Sarah",
    "man": "Brian",
    "woman": "Jessica",
}

NAMES = frozenset(_DEFAULTS)
VOICES: Mapping[str, str] = {
    **{name: voice[0] for name, voice in _DEFAULTS.items()},
    **{voice[0]: voice[0] for voice in _DEFAULTS.values()},
    **{logical: _DEFAULTS[name][0] for logical, name in _STAND_INS.items()},
}
FACTS: Mapping[str, VoiceFact] = {
    voice_id: VoiceFact("en", gender, f"{name}, {accent}") for name, (voice_id, gender, accent) in _DEFAULTS.items()
}
