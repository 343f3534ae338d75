"""Polly's voices: language, gender, and the engines that have them.

Sources, 2026-11-23: ids from the model of botocore 1.44.5; languages, genders and the engines standard and neural from
a DescribeVoices answer of 2023 that Amazon published; long-form and generative from its pages of available voices and
their history up to 2026-04. An id that is not here may still be named in routes.yaml: Amazon then has the word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

ENGINES = ("standard", "neural", "long-form", "generative")
_LETTERS = {"s": "standard", "n": "neural", "l": "long-form", "g": "generative"}

# language: F or M, then each voice with the letters of its engines.
_TABLE = """
ar-AE F Hala:n M Zayd:n
arb F Zeina:s
ca-ES F Arlet:n
cmn-CN F Zhiyu:sn
cs-CZ F Jitka:n
cy-GB F Gwyneth:s
da-DK F Naja:s Sofie:n M Mads:s
de-AT F Hannah:n
de-DE F Marlene:s Vicki:sn M Daniel:n Hans:s
en-AU F Nicole:s Olivia:ng M Russell:s
en-GB F Amy:sng Emma:sn M Arthur:n Brian:sng
en-GB-WLS M Geraint:s
en-IE F Niamh:ng
en-IN F Aditi:s Kajal:ng Raveena:s
en-NZ F Aria:ng
en-US F Danielle:nlg Ivy:sn Joanna:sng Kendra:sn Kimberly:sn Ruth:nlg Salli:sn
en-US M Gregory:nl Joey:sn Justin:n Kevin:sn Matthew:ng Stephen:ng
en-ZA F Ayanda:n
es-ES F Conchita:s Lucia:sn M Enrique:s Sergio:n
es-MX F Mia:sn M Andres:n
es-US F Lupe:sng Penelope:s M Miguel:s Pedro:n
fi-FI F Suvi:n
fr-BE F Isabelle:n
fr-CA F Chantal:s Gabrielle:n M Liam:n
fr-FR F Celine:s Lea:sn M Mathieu:s Remi:n
hi-IN F Aditi:s
is-IS F Dora:s M Karl:s
it-IT F Bianca:sn Carla:s M Adriano:n Giorgio:s
ja-JP F Kazuha:n Mizuki:s Tomoko:n M Takumi:sn
ko-KR F Seoyeon:sn
nb-NO F Ida:n Liv:s
nl-BE F Lisa:ng
nl-NL F Laura:ng Lotte:s M Ruben:s
pl-PL F Ewa:s Maja:s Ola:n M Jacek:s Jan:s
pt-BR F Camila:sn Vitoria:sn M Ricardo:s Thiago:n
pt-PT F Ines:sn M Cristiano:s
ro-RO F Carmen:s
ru-RU F Tatyana:s M Maxim:s
sv-SE F Astrid:s Elin:n
tr-TR F Burcu:n Filiz:s
yue-CN F Hiujin:n
"""


@dataclass(frozen=True, slots=True)
class Voice:
    """What is known of one voice; the first of its languages is its own."""

    languages: tuple[str, ...]
    gender: Literal["female", "male"]
    engines: frozenset[str]


def _parse(table: str) -> dict[str, Voice]:
    voices: dict[str, Voice] = {}
    gender: Literal["female", "male"] = "female"
    for line in table.split("\n"):
        language, *words = line.split() or [""]
        for word in words:
            name, colon, letters = word.partition(":")
            if not colon:
                gender = "female" if word == "F" else "male"
                continue
            known = voices[name].languages if name in voices else ()
            voices[name] = Voice((*known, language), gender, frozenset(_LETTERS[letter] for letter in letters))
    return voices


VOICES: Mapping[str, Voice] = _parse(_TABLE)

_WOMEN = ("nova", "shimmer", "coral", "alloy", "sage", "marin")
_MEN = ("onyx", "echo", "ash", "verse", "cedar", "fable", "ballad")
# For each engine the women and the men that stand for OpenAI's, in the order above; where there are fewer, some stand
# for two. fable and ballad sound British there, and do here where that is to be had.
_STAND_INS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "standard": (("Joanna", "Salli", "Kimberly", "Kendra", "Amy", "Emma"), ("Joey", "Russell", "Geraint", "Brian")),
    "neural": (
        ("Joanna", "Danielle", "Salli", "Ruth", "Kendra", "Kimberly"),
        ("Matthew", "Stephen", "Gregory", "Joey", "Justin", "Brian", "Arthur"),
    ),
    "long-form": (("Danielle", "Ruth"), ("Gregory",)),
    "generative": (("Joanna", "Danielle", "Olivia", "Ruth", "Niamh", "Amy"), ("Matthew", "Stephen", "Brian")),
}


def voices_of(engine: str) -> Mapping[str, str]:
    """Return logical voice -> Polly's id for an engine; its own ids stand for themselves."""
    if engine not in _STAND_INS:
        return {}
    women, men = _STAND_INS[engine]
    voices = dict([*zip(_WOMEN, cycle(women)), *zip(_MEN, cycle(men))])
    voices |= {"narrator": voices["nova"], "man": voices["onyx"], "woman": voices["shimmer"]}
    return voices | {name: name for name, voice in VOICES.items() if engine in voice.engines}
