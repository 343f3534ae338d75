"""Deepgram's voices. A voice is a model of theirs: `aura-2-thalia-en` is family, name and language.

Names and languages are those of deepgram-sdk 7.17.0, which lists them for /v1/speak (read 2026-11-23). Genders are told
of the English ones only, as public code quotes them. A voice that is not here can be named in routes.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Literal

from gateway.types import VoiceFact

FAMILIES = ("aura-2", "aura")

_NAMES: Mapping[str, Mapping[str, str]] = {
    "aura-2": {
        "en": "amalthea andromeda apollo arcas aries asteria athena atlas aurora callista cora cordelia delia draco "
        "electra harmonia helena hera hermes hyperion iris janus juno jupiter luna mars minerva neptune odysseus "
        "ophelia orion orpheus pandora phoebe pluto saturn selene thalia theia vesta zeus",
        "es": "agustina alvaro antonia aquila carina celeste diana estrella gloria javier luciano nestor olivia selena "
        "silvia sirio valerio",
        "de": "aurelia elara fabian julius kara lara viktoria",
        "nl": "beatrix cornelia daphne hestia lars leda rhea roman sander",
        "fr": "agathe hector",
        "it": "cesare cinzia demetra dionisio elio flavio livia maia melia",
        "ja": "ama ebisu fujin izanami uzume",
    },
    "aura": {"en": "angus arcas asteria athena helios hera luna orion orpheus perseus stella zeus"},
}
# Short name -> full, for each family.
VOICES: Mapping[str, Mapping[str, str]] = {
    family: {name: f"{family}-{name}-{language}" for language, names in languages.items() for name in names.split()}
    for family, languages in _NAMES.items()
}

_WOMEN = ("nova", "shimmer", "coral", "alloy", "sage", "marin")
_MEN = ("onyx", "echo", "ash", "verse", "cedar", "fable", "ballad")
# For each family the women and the men that stand for OpenAI's, in the order above. fable and ballad sound British
# there; here they are draco (British) and hyperion (Australian), or helios (British) and angus (Irish).
_STAND_INS: Mapping[str, tuple[str, str]] = {
    "aura-2": ("thalia andromeda helena asteria athena luna", "zeus orion apollo arcas atlas draco hyperion"),
    "aura": ("asteria luna stella athena hera", "zeus orion arcas perseus orpheus helios angus"),
}

_ENGLISH_MEN = frozenset(
    {
        *("angus", "apollo", "arcas", "aries", "atlas", "draco", "helios", "hermes", "hyperion", "jupiter", "mars"),
        *("neptune", "odysseus", "orion", "orpheus", "perseus", "pluto", "saturn", "zeus"),
    }
)


def facts() -> dict[str, VoiceFact]:
    """Return what is known of each voice, by its full name."""
    found: dict[str, VoiceFact] = {}
    for family, languages in _NAMES.items():
        for language, names in languages.items():
            for name in names.split():
                man = name in _ENGLISH_MEN
                gender: Literal["female", "male"] | None = None if language != "en" else "male" if man else "female"
                found[f"{family}-{name}-{language}"] = VoiceFact(language, gender)
    return found


def voices_of(family: str) -> Mapping[str, str]:
    """Return logical voice -> Deepgram's full name; its own names, short and full, stand for themselves."""
    if family not in VOICES:
        return {}
    own = VOICES[family]
    women, men = (names.split() for names in _STAND_INS[family])
    pairs = [*zip(_WOMEN, cycle(women)), *zip(_MEN, cycle(men))]
    voices = {logical: own[name] for logical, name in pairs}
    voices |= {"narrator": voices["nova"], "man": voices["onyx"], "woman": voices["shimmer"]}
    return {**own, **{full: full for full in own.values()}, **voices}
