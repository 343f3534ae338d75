"""A client's language as Google names it. Google wants a region: a bare one gets that of most of its speakers."""

from __future__ import annotations

# Primary tag -> Google's code, of the languages that Speech-to-Text v1 lists; others go out as they come.
# fmt: off
_LOCALES = {
    "af": "af-ZA", "am": "am-ET", "ar": "ar-SA", "az": "az-AZ", "bg": "bg-BG", "bn": "bn-BD", "bs": "bs-BA",
    "ca": "ca-ES", "cs": "cs-CZ", "da": "da-DK", "de": "de-DE", "el": "el-GR", "en": "en-US", "es": "es-ES",
    "et": "et-EE", "eu": "eu-ES", "fa": "fa-IR", "fi": "fi-FI", "fil": "fil-PH", "fr": "fr-FR", "gl": "gl-ES",
    "gu": "gu-IN", "he": "iw-IL", "hi": "hi-IN", "hr": "hr-HR", "hu": "hu-HU", "hy": "hy-AM", "id": "id-ID",
    "is": "is-IS", "it": "it-IT", "iw": "iw-IL", "ja": "ja-JP", "jv": "jv-ID", "ka": "ka-GE", "kk": "kk-KZ",
    "km": "km-KH", "kn": "kn-IN", "ko": "ko-KR", "lo": "lo-LA", "lt": "lt-LT", "lv": "lv-LV", "mk": "mk-MK",
    "ml": "ml-IN", "mn": "mn-MN", "mr": "mr-IN", "ms": "ms-MY", "my": "my-MM", "nb": "no-NO", "ne": "ne-NP",
    "nl": "nl-NL", "no": "no-NO", "pa": "pa-Guru-IN", "pl": "pl-PL", "pt": "pt-BR", "ro": "ro-RO", "ru": "ru-RU",
    "si": "si-LK", "sk": "sk-SK", "sl": "sl-SI", "sq": "sq-AL", "sr": "sr-RS", "su": "su-ID", "sv": "sv-SE",
    "sw": "sw-TZ", "ta": "ta-IN", "te": "te-IN", "th": "th-TH", "tr": "tr-TR", "uk": "uk-UA", "ur": "ur-PK",
    "uz": "uz-UZ", "vi": "vi-VN", "zh": "cmn-Hans-CN", "zu": "zu-ZA",
}
# fmt: on


def to_google(language: str) -> str:
    """Return en-US for en and en_us; a tag with a region keeps it."""
    parts = language.strip().replace("_", "-").split("-")
    primary = parts[0].lower()
    if len(parts) == 1:
        return _LOCALES.get(primary, primary)
    return "-".join([primary, *(part.upper() if len(part) == 2 else part.title() for part in parts[1:])])


def from_google(language: str | None) -> str | None:
    """Return en-US for en-us, which is how Google's answers write it."""
    if not language:
        return None
    tag = to_google(language) if "-" in language else language.lower()
    return "he" + tag[2:] if tag.startswith("iw") else tag
