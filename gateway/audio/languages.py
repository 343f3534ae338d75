"""Languages by their English names, which is how OpenAI's verbose_json gives them ("english"); vendors give codes.

Source: the table of openai/whisper `tokenizer.py`; codes are ISO 639-1 and 639-3 (ElevenLabs), with or without region.
"""

from __future__ import annotations

# fmt: off
_NAMES = {
    "af": "afrikaans", "afr": "afrikaans", "am": "amharic", "amh": "amharic", "ar": "arabic", "ara": "arabic",
    "as": "assamese", "asm": "assamese", "az": "azerbaijani", "aze": "azerbaijani", "ba": "bashkir", "bak": "bashkir",
    "be": "belarusian", "bel": "belarusian", "ben": "bengali", "bg": "bulgarian", "bn": "bengali", "bo": "tibetan",
    "bod": "tibetan", "bos": "bosnian", "br": "breton", "bre": "breton", "bs": "bosnian", "bul": "bulgarian",
    "ca": "catalan", "cat": "catalan", "ces": "czech", "cmn": "chinese", "cs": "czech", "cy": "welsh", "cym": "welsh",
    "da": "danish", "dan": "danish", "de": "german", "deu": "german", "el": "greek", "ell": "greek", "en": "english",
    "eng": "english", "eo": "esperanto", "epo": "esperanto", "es": "spanish", "est": "estonian", "et": "estonian",
    "eu": "basque", "eus": "basque", "fa": "persian", "fao": "faroese", "fas": "persian", "fi": "finnish",
    "fil": "tagalog", "fin": "finnish", "fo": "faroese", "fr": "french", "fra": "french", "ga": "irish",
    "gl": "galician", "gle": "irish", "glg": "galician", "gu": "gujarati", "guj": "gujarati", "ha": "hausa",
    "hat": "haitian creole", "hau": "hausa", "haw": "hawaiian", "he": "hebrew", "heb": "hebrew", "hi": "hindi",
    "hin": "hindi", "hr": "croatian", "hrv": "croatian", "ht": "haitian creole", "hu": "hungarian", "hun": "hungarian",
    "hy": "armenian", "hye": "armenian", "ibo": "igbo", "id": "indonesian", "ig": "igbo", "ind": "indonesian",
    "is": "icelandic", "isl": "icelandic", "it": "italian", "ita": "italian", "ja": "japanese", "jav": "javanese",
    "jpn": "japanese", "jv": "javanese", "jw": "javanese", "ka": "georgian", "kan": "kannada", "kat": "georgian",
    "kaz": "kazakh", "khm": "khmer", "kk": "kazakh", "km": "khmer", "kn": "kannada", "ko": "korean", "kor": "korean",
    "la": "latin", "lao": "lao", "lat": "latin", "lav": "latvian", "lb": "luxembourgish", "lin": "lingala",
    "lit": "lithuanian", "ln": "lingala", "lo": "lao", "lt": "lithuanian", "ltz": "luxembourgish", "lv": "latvian",
    "mal": "malayalam", "mar": "marathi", "mg": "malagasy", "mi": "maori", "mk": "macedonian", "mkd": "macedonian",
    "ml": "malayalam", "mlg": "malagasy", "mlt": "maltese", "mn": "mongolian", "mon": "mongolian", "mr": "marathi",
    "mri": "maori", "ms": "malay", "msa": "malay", "mt": "maltese", "my": "myanmar", "mya": "myanmar",
    "nb": "norwegian", "ne": "nepali", "nep": "nepali", "nl": "dutch", "nld": "dutch", "nn": "nynorsk",
    "nno": "nynorsk", "no": "norwegian", "nob": "norwegian", "nor": "norwegian", "oc": "occitan", "oci": "occitan",
    "pa": "punjabi", "pan": "punjabi", "pl": "polish", "pol": "polish", "por": "portuguese", "ps": "pashto",
    "pt": "portuguese", "pus": "pashto", "ro": "romanian", "ron": "romanian", "ru": "russian", "rus": "russian",
    "sa": "sanskrit", "san": "sanskrit", "sd": "sindhi", "si": "sinhala", "sin": "sinhala", "sk": "slovak",
    "sl": "slovenian", "slk": "slovak", "slv": "slovenian", "sn": "shona", "sna": "shona", "snd": "sindhi",
    "so": "somali", "som": "somali", "spa": "spanish", "sq": "albanian", "sqi": "albanian", "sr": "serbian",
    "srp": "serbian", "su": "sundanese", "sun": "sundanese", "sv": "swedish", "sw": "swahili", "swa": "swahili",
    "swe": "swedish", "ta": "tamil", "tam": "tamil", "tat": "tatar", "te": "telugu", "tel": "telugu", "tg": "tajik",
    "tgk": "tajik", "tgl": "tagalog", "th": "thai", "tha": "thai", "tk": "turkmen", "tl": "tagalog", "tr": "turkish",
    "tt": "tatar", "tuk": "turkmen", "tur": "turkish", "uk": "ukrainian", "ukr": "ukrainian", "ur": "urdu",
    "urd": "urdu", "uz": "uzbek", "uzb": "uzbek", "vi": "vietnamese", "vie": "vietnamese", "yi": "yiddish",
    "yid": "yiddish", "yo": "yoruba", "yor": "yoruba", "yue": "cantonese", "zh": "chinese", "zho": "chinese",
    "zu": "zulu", "zul": "zulu",
}
# fmt: on


_THREE_LETTERS = {name: code for code, name in _NAMES.items() if len(code) == 3}


def iso_639_3(language: str | None) -> str | None:
    """Return "eng" for en, en-US or eng, None where it is not known."""
    return _THREE_LETTERS.get(english_name(language) or "")


def english_name(language: str | None) -> str | None:
    """Return "english" for en, en-US, eng or English; a code that is not known comes back as it is, None as None."""
    if not language:
        return None
    lowered = language.strip().lower()
    return _NAMES.get(lowered.replace("_", "-").partition("-")[0], lowered)
