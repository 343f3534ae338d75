"""ElevenLabs names languages by ISO 639-3, the web by BCP-47 (RFC 5646, 2.2.1): by two letters where there are two."""

from __future__ import annotations

# ISO 639-3 -> ISO 639-1, of the languages that speech to text lists.
# fmt: off
_SHORT = {
    "afr": "af", "amh": "am", "ara": "ar", "arb": "ar", "asm": "as", "aze": "az", "azj": "az", "bel": "be", "ben": "bn",
    "bos": "bs", "bul": "bg", "cat": "ca", "ces": "cs", "cmn": "zh", "cym": "cy", "dan": "da", "deu": "de", "ell": "el",
    "eng": "en", "est": "et", "ekk": "et", "fas": "fa", "pes": "fa", "fin": "fi", "fra": "fr", "ful": "ff", "gle": "ga",
    "glg": "gl", "guj": "gu", "hau": "ha", "heb": "he", "hin": "hi", "hrv": "hr", "hun": "hu", "hye": "hy", "ibo": "ig",
    "ind": "id", "isl": "is", "ita": "it", "jav": "jv", "jpn": "ja", "kan": "kn", "kat": "ka", "kaz": "kk", "khm": "km",
    "kir": "ky", "kor": "ko", "kur": "ku", "lao": "lo", "lav": "lv", "lvs": "lv", "lin": "ln", "lit": "lt", "ltz": "lb",
    "lug": "lg", "mal": "ml", "mar": "mr", "mkd": "mk", "mlt": "mt", "mon": "mn", "khk": "mn", "mri": "mi", "msa": "ms",
    "zlm": "ms", "mya": "my", "nep": "ne", "npi": "ne", "nld": "nl", "nor": "no", "nob": "nb", "nya": "ny", "oci": "oc",
    "ori": "or", "ory": "or", "pan": "pa", "pol": "pl", "por": "pt", "pus": "ps", "ron": "ro", "rus": "ru", "slk": "sk",
    "slv": "sl", "sna": "sn", "snd": "sd", "som": "so", "spa": "es", "srp": "sr", "swa": "sw", "swh": "sw", "swe": "sv",
    "tam": "ta", "tel": "te", "tgk": "tg", "tha": "th", "tur": "tr", "ukr": "uk", "urd": "ur", "uzb": "uz", "uzn": "uz",
    "vie": "vi", "wol": "wo", "xho": "xh", "zho": "zh", "zul": "zu",
}
# fmt: on


def to_bcp47(language: str | None) -> str | None:
    """Return "en" for eng; a language that has no two letters keeps its three, as BCP-47 has it."""
    return _SHORT.get(language.lower(), language.lower()) if language else None
