"""Google's voices by family, and which of them stands for which of OpenAI's names.

A voice is called `<locale>-<family>-<name>`. The families and the English names are those of Google's voice list as
public code quotes it, 2026-11-23; nobody asked the live list. A voice that is missing here can be named in routes.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Literal

from gateway.types import VoiceFact

# Row of providers.yaml -> the family in the voice's name.
FAMILIES: Mapping[str, str] = {
    "chirp3-hd": "Chirp3-HD",
    "neural2": "Neural2",
    "wavenet": "Wavenet",
    "standard": "Standard",
    "studio": "Studio",
}
DEFAULT_LOCALE = "en-US"

CHIRP_WOMEN = (
    "Achernar", "Aoede", "Autonoe", "Callirrhoe", "Despina", "Erinome", "Gacrux", "Kore", "Laomedeia", "Leda",
    "Pulcherrima", "Sulafat", "Vindemiatrix", "Zephyr",
)  # fmt: skip
CHIRP_MEN = (
    "Achird", "Algenib", "Algieba", "Alnilam", "Charon", "Enceladus", "Fenrir", "Iapetus", "Orus", "Puck", "Rasalgethi",
    "Sadachbia", "Sadaltager", "Schedar", "Umbriel", "Zubenelgenubi",
)  # fmt: skip
CHIRP_NAMES = frozenset({*CHIRP_WOMEN, *CHIRP_MEN})

# As like OpenAI's own as the names allow: who is a woman there is one here, onyx is the deepest.
_CHIRP = {
    "alloy": "Aoede",
    "ash": "Fenrir",
    "ballad": "Algieba",
    "cedar": "Iapetus",
    "coral": "Leda",
    "echo": "Puck",
    "fable": "Umbriel",
    "marin": "Autonoe",
    "nova": "Kore",
    "onyx": "Charon",
    "sage": "Callirrhoe",
    "shimmer": "Zephyr",
    "verse": "Orus",
    "narrator": "Kore",
    "man": "Charon",
    "woman": "Zephyr",
}
_WOMEN = ("nova", "shimmer", "coral", "alloy", "sage", "marin")
_MEN = ("onyx", "echo", "ash", "fable", "verse", "ballad", "cedar")
# The older families call their voices by letters, and have fewer than OpenAI has names: some stand for two.
_LETTERS: Mapping[str, tuple[str, str]] = {
    "Neural2": ("CEFGH", "DAIJ"),
    "Wavenet": ("CEFGH", "DABIJ"),
    "Standard": ("CEFGH", "DABIJ"),
    "Studio": ("O", "Q"),
}

# A bare language gets the locale that most of its speakers expect; these are the locales of Chirp 3 HD.
LOCALES: Mapping[str, tuple[str, ...]] = {
    "ar": ("ar-XA",), "bg": ("bg-BG",), "bn": ("bn-IN",), "cmn": ("cmn-CN",), "cs": ("cs-CZ",), "da": ("da-DK",),
    "de": ("de-DE",), "el": ("el-GR",), "en": ("en-US", "en-GB", "en-AU", "en-IN"), "es": ("es-ES", "es-US"),
    "et": ("et-EE",), "fi": ("fi-FI",), "fr": ("fr-FR", "fr-CA"), "gu": ("gu-IN",), "he": ("he-IL",), "hi": ("hi-IN",),
    "hr": ("hr-HR",), "hu": ("hu-HU",), "id": ("id-ID",), "it": ("it-IT",), "ja": ("ja-JP",), "kn": ("kn-IN",),
    "ko": ("ko-KR",), "lt": ("lt-LT",), "lv": ("lv-LV",), "ml": ("ml-IN",), "mr": ("mr-IN",), "nb": ("nb-NO",),
    "nl": ("nl-NL", "nl-BE"), "pa": ("pa-IN",), "pl": ("pl-PL",), "pt": ("pt-BR",), "ro": ("ro-RO",), "ru": ("ru-RU",),
    "sk": ("sk-SK",), "sl": ("sl-SI",), "sr": ("sr-RS",), "sv": ("sv-SE",), "sw": ("sw-KE",), "ta": ("ta-IN",),
    "te": ("te-IN",), "th": ("th-TH",), "tr": ("tr-TR",), "uk": ("uk-UA",), "ur": ("ur-IN",), "vi": ("vi-VN",),
    "yue": ("yue-HK",),
}  # fmt: skip
_SYNONYMS = {"zh": "cmn", "no": "nb", "iw": "he"}


def voices_of(model: str) -> Mapping[str, str]:
    """Return logical voice -> Google's for a row of providers.yaml; its own names stand for themselves."""
    family = FAMILIES.get(model)
    if family is None:
        return {}
    if family == "Chirp3-HD":
        voices = {name: _full(family, voice) for name, voice in _CHIRP.items()}
        return voices | {name: _full(family, name) for name in sorted(CHIRP_NAMES)} | _themselves(family, CHIRP_NAMES)
    women, men = _LETTERS[family]
    voices = {name: _full(family, letter) for name, letter in [*zip(_WOMEN, cycle(women)), *zip(_MEN, cycle(men))]}
    voices |= {"narrator": voices["nova"], "man": voices["onyx"], "woman": voices["shimmer"]}
    return voices | _themselves(family, frozenset(women + men))


def facts() -> dict[str, VoiceFact]:
    """Return what is known of the English voices, by their full names."""
    found: dict[str, VoiceFact] = {}

    def tell(family: str, names: tuple[str, ...] | str, gender: Literal["female", "male"]) -> None:
        found.update({_full(family, name): VoiceFact(DEFAULT_LOCALE, gender) for name in names})

    tell("Chirp3-HD", CHIRP_WOMEN, "female")
    tell("Chirp3-HD", CHIRP_MEN, "male")
    for family, (women, men) in _LETTERS.items():
        tell(family, women, "female")
        tell(family, men, "male")
    return found


def locale_of(language: str) -> str | None:
    """Return the locale of Chirp 3 HD for a BCP-47 tag, or None where it has none."""
    primary, _, region = language.replace("_", "-").partition("-")
    locales = LOCALES.get(_SYNONYMS.get(primary.lower(), primary.lower()), ())
    if not region:
        return locales[0] if locales else None
    return next((locale for locale in locales if locale.lower().endswith(f"-{region.lower()}")), None)


def _full(family: str, name: str) -> str:
    return f"{DEFAULT_LOCALE}-{family}-{name}"


def _themselves(family: str, names: frozenset[str]) -> dict[str, str]:
    return {_full(family, name): _full(family, name) for name in sorted(names)}
