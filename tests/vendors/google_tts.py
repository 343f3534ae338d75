"""A strict fake of Google Cloud Text-to-Speech v1 over REST: `GoogleTtsServer`.

Requests are read by Google's own protobuf classes (google-cloud-texttospeech 2.38.0), which refuse unknown fields,
wrong types and two members of a oneof; what proto3 cannot say (required fields, limits, voices) stands below. The
wordings are not verified live; tests should look at status and `error.status`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

from google.cloud import texttospeech_v1
from google.protobuf.json_format import ParseDict, ParseError

from tests.vendors.answers import Answer, Headers
from tests.vendors.faults import Fault
from tests.vendors.recording import RequestRecord
from tests.vendors.server import KEPT_REQUESTS, VendorServer
from tests.vendors.voices import Said, speech

API_KEY = "AIza-simulator-google"
ACCESS_TOKEN = "ya29.simulator"
JSON_HEADERS: Headers = (("content-type", "application/json; charset=UTF-8"),)
MAX_INPUT_BYTES = 5_000
MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 48_000
OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
DEFAULT_RATE_HZ = 24_000
STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
CHIRP3_NAMES = (
    "Achernar", "Achird", "Algenib", "Algieba", "Alnilam", "Aoede", "Autonoe", "Callirrhoe", "Charon", "Despina",
    "Enceladus", "Erinome", "Fenrir", "Gacrux", "Iapetus", "Kore", "Laomedeia", "Leda", "Orus", "Puck", "Pulcherrima",
    "Rasalgethi", "Sadachbia", "Sadaltager", "Schedar", "Sulafat", "Umbriel", "Vindemiatrix", "Zephyr",
    "Zubenelgenubi",
)  # fmt: skip
LOCALES = ("en-US", "en-GB", "es-ES", "de-DE", "fr-FR")
VOICES = {
    f"{locale}-{family}-{name}": locale
    for locale in LOCALES
    for family, names in {
        "Chirp3-HD": CHIRP3_NAMES,
        "Neural2": "ACDEFGHIJ",
        "Wavenet": "ABCDEFGHIJ",
        "Standard": "ABCDEFGHIJ",
        "Studio": "OQ",
    }.items()
    for name in names
}
# AudioEncoding -> format of tests/vendors/voices.py
FORMATS = {
    "LINEAR16": "wav",
    "PCM": "pcm",
    "MP3": "mp3",
    "OGG_OPUS": "opus",
    "MULAW": "mulaw_wav",
    "ALAW": "alaw_wav",
    "M4A": "m4a",
}


class Refusal(Exception):
    """A request the vendor's rules refuse."""

    def __init__(self, message: str, status: int = 400, details: tuple[dict[str, Any], ...] = ()) -> None:
        super().__init__(message)
        self.status, self.details = status, details


class GoogleTtsServer(VendorServer):
    """texttospeech.googleapis.com on 127.0.0.1. A request's `model` is the family of its voice, as `chirp3-hd`."""

    def __init__(
        self,
        *,
        port: int = 0,
        event_interval_s: float = 0.0,
        kept_requests: int = KEPT_REQUESTS,
        api_key: str = API_KEY,
    ) -> None:
        super().__init__(port=port, event_interval_s=event_interval_s, kept_requests=kept_requests)
        self.api_key = api_key

    def answer(self, record: RequestRecord) -> Answer:
        """Return the answer to a request; a refusal in Google's error body."""
        try:
            self._check_key(record)
            return self._route(record)
        except Refusal as refusal:
            record.refusal = str(refusal)
            body = error_body(refusal.status, str(refusal), refusal.details)
            return Answer(refusal.status, JSON_HEADERS, (_pretty(body),))

    def error_answer(self, fault: Fault) -> Answer:
        """Return Google's error body with the fault's status; its code is a reason in `details`."""
        reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": fault.code or ""}
        body = error_body(fault.status, fault.message or "Simulated failure.", (reason,) if fault.code else ())
        return Answer(fault.status, (*JSON_HEADERS, *fault.retry_headers()), (_pretty(body),))

    def error_event(self, fault: Fault) -> bytes:
        """Return the error body: there are no events here."""
        return _pretty(error_body(fault.status, fault.message or "Simulated failure."))

    def _check_key(self, record: RequestRecord) -> None:
        query = parse_qs(record.target.partition("?")[2])
        keys = [key for key in (record.header("x-goog-api-key"), *query.get("key", ())) if key is not None]
        token = record.header("authorization")
        if keys == [self.api_key] and token is None:
            return
        if not keys and token == f"Bearer {ACCESS_TOKEN}":
            return
        if keys and token is None:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            raise Refusal("API key not valid. Please pass a valid API key.", 400, (info,))
        raise Refusal("Request had invalid authentication credentials.", 401)

    def _route(self, record: RequestRecord) -> Answer:
        match record.method, record.path:
            case "POST", "/v1/text:synthesize":
                return synthesize(record)
            case "GET", "/v1/voices":
                language = parse_qs(record.target.partition("?")[2]).get("languageCode", [""])[0]
                return Answer(200, JSON_HEADERS, (_pretty({"voices": _voices(language)}),))
        raise Refusal("Requested entity was not found.", 404)


def synthesize(record: RequestRecord) -> Answer:
    """Return the spoken text in base64; raises Refusal."""
    request = _message(record)
    name, language = request.voice.name, request.voice.language_code
    family = re.fullmatch(r"[a-z]{2,3}-[A-Z]{2}-(.+)-[^-]+", name)
    record.model = family[1].lower() if family else None
    source = request.input.WhichOneof("input_source")
    if source not in ("text", "ssml"):
        raise Refusal("Either `input.text` or `input.ssml` is required here.")
    text = getattr(request.input, source)
    _check_text(text, is_ssml=source == "ssml")
    if not language:
        raise Refusal("The `voice.language_code` field is required.")
    if name not in VOICES:
        raise Refusal(f"Voice '{name}' does not exist. Is it misspelled?")
    if VOICES[name] != language:
        raise Refusal(f"Requested language code '{language}' doesn't match the voice '{name}''s language code.")
    audio = request.audio_config
    _check_audio(audio, name)
    encoding = texttospeech_v1.AudioEncoding(audio.audio_encoding).name
    spoken = speech(
        Said(
            text=text,
            voice=name,
            format=FORMATS[encoding],
            rate_hz=audio.sample_rate_hertz or DEFAULT_RATE_HZ,
            speed=audio.speaking_rate or 1.0,
            is_ssml=source == "ssml",
        )
    )
    return Answer(200, JSON_HEADERS, (_pretty({"audioContent": base64.b64encode(spoken).decode()}),))


def error_body(status: int, message: str, details: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """Return `{"error": {...}}`; `details` only where there are any."""
    error: dict[str, Any] = {"code": status, "message": message, "status": STATUS_NAMES.get(status, "UNKNOWN")}
    return {"error": error | ({"details": list(details)} if details else {})}


def _message(record: RequestRecord) -> Any:
    kind = (record.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(f"Content-Type {kind!r} is not application/json.")
    try:
        body = json.loads(record.body.decode("utf-8"), object_pairs_hook=_unique)
        message = texttospeech_v1.SynthesizeSpeechRequest.pb(texttospeech_v1.SynthesizeSpeechRequest()).__class__()
        return ParseDict(body, message, ignore_unknown_fields=False)
    except (ValueError, ParseError, AttributeError) as error:  # AttributeError: ParseDict of what is no object
        raise Refusal(f"Invalid JSON payload received. {error}") from error


def _check_text(text: str, *, is_ssml: bool) -> None:
    size = len(text.encode())
    if size > MAX_INPUT_BYTES:
        raise Refusal(f"Either `input.text` or `input.ssml` is longer than the limit of {MAX_INPUT_BYTES} bytes.")
    if not text.strip():
        raise Refusal("The input is empty.")
    if is_ssml:
        try:
            if ElementTree.fromstring(text).tag.rpartition("}")[2] != "speak":
                raise Refusal("Invalid SSML. The root element must be <speak>.")
        except ElementTree.ParseError as error:
            raise Refusal("Invalid SSML. Newer voices like Neural2 require valid SSML.") from error


def _check_audio(audio: Any, name: str) -> None:
    if audio.audio_encoding == texttospeech_v1.AudioEncoding.AUDIO_ENCODING_UNSPECIFIED:
        raise Refusal("The `audio_config.audio_encoding` field is required.")
    if audio.speaking_rate and not 0.25 <= audio.speaking_rate <= 2.0:
        raise Refusal(f"Speaking rate {audio.speaking_rate:g} is not in the range [0.25, 2.0].")
    if not -20 <= audio.pitch <= 20 or (audio.pitch and "Chirp3" in name):
        raise Refusal("This voice does not support pitch parameters at this time.")
    if not -96 <= audio.volume_gain_db <= 16:
        raise Refusal("Volume gain is not in the range [-96.0, 16.0].")
    rate_hz = audio.sample_rate_hertz
    if rate_hz and not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise Refusal(f"Unsupported sample rate {rate_hz}.")
    if rate_hz and audio.audio_encoding == texttospeech_v1.AudioEncoding.OGG_OPUS and rate_hz not in OPUS_RATES_HZ:
        raise Refusal(f"Unsupported sample rate {rate_hz} for OGG_OPUS.")


def _voices(language: str) -> list[Mapping[str, Any]]:
    return [
        {"languageCodes": [locale], "name": name, "ssmlGender": "FEMALE", "naturalSampleRateHertz": DEFAULT_RATE_HZ}
        for name, locale in VOICES.items()
        if locale.startswith(language)
    ]


def _pretty(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, indent=2).encode() + b"\n"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found
