"""A strict fake of Google Cloud Speech-to-Text over REST, v1 and v2, and of its token endpoint: `GoogleSttServer`.

Requests are read by Google's own protobuf classes (google-cloud-speech 2.41.0), which refuse unknown fields, wrong
types and two members of a oneof; what proto3 cannot say (required fields, limits, what an encoding goes with) stands
below. The recording is really decoded; its rate, channels and codec have to be those that the request claims. Wordings
are not verified live; tests should look at status and `error.status`.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from google.auth import jwt
from google.cloud import speech_v1, speech_v2
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from tests.vendors.answers import Answer, Headers
from tests.vendors.faults import Fault
from tests.vendors.google_stt_results import v1_results, v2_results
from tests.vendors.heard import Heard, listen
from tests.vendors.recording import RequestRecord
from tests.vendors.recordings import UnreadableAudio
from tests.vendors.server import KEPT_REQUESTS, VendorServer

API_KEY = "AIza-simulator-google"
ACCESS_TOKEN = "ya29.simulator-speech"
PROJECT = "simulated-project"
JSON_HEADERS: Headers = (("content-type", "application/json; charset=UTF-8"),)
MAX_BYTES = 10 * 1024 * 1024
MAX_AUDIO_S = 60.0
TOKEN_S = 3600
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
V2_PATH = re.compile(r"/v2/projects/([a-z0-9-]+)/locations/([a-z0-9-]+)/recognizers/_:recognize")
V1_MODELS = ("latest_long", "latest_short", "command_and_search", "phone_call", "video", "default", "medical_dictation")
V2_MODELS = ("chirp_2", "chirp_3", "long", "short", "telephony")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?-[A-Z]{2}")
# Encoding of v1 -> what the file has to be (container, codec)
V1_ENCODINGS = {
    "LINEAR16": ("wav", "pcm_s16le"),
    "MULAW": ("wav", "pcm_mulaw"),
    "FLAC": ("flac", "flac"),
    "MP3": ("mp3", "mp3float"),
    "OGG_OPUS": ("ogg", "opus"),
    "WEBM_OPUS": ("webm", "opus"),
}
V2_CONTAINERS = ("wav", "flac", "mp3", "ogg", "webm", "mp4")
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


class Refusal(Exception):
    """A request the vendor's rules refuse."""

    def __init__(self, message: str, status: int = 400, reason: str = "") -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class GoogleSttServer(VendorServer):
    """speech.googleapis.com and oauth2.googleapis.com on 127.0.0.1. `public_key` is the service account's, in PEM."""

    def __init__(
        self,
        *,
        port: int = 0,
        event_interval_s: float = 0.0,
        kept_requests: int = KEPT_REQUESTS,
        api_key: str = API_KEY,
        access_token: str = ACCESS_TOKEN,
        public_key: str = "",
    ) -> None:
        super().__init__(port=port, event_interval_s=event_interval_s, kept_requests=kept_requests)
        self.api_key, self.access_token, self.public_key = api_key, access_token, public_key
        self.tokens_given = 0

    def answer(self, record: RequestRecord) -> Answer:
        """Return the answer to a request; a refusal in Google's error body."""
        try:
            if record.path == "/token":
                return self._token(record)
            return self._route(record)
        except Refusal as refusal:
            record.refusal = str(refusal)
            return Answer(refusal.status, JSON_HEADERS, (error_body(refusal.status, str(refusal), refusal.reason),))

    def error_answer(self, fault: Fault) -> Answer:
        """Return Google's error body with the fault's status; its code is a reason in `details`."""
        body = error_body(fault.status, fault.message or "Simulated failure.", fault.code or "")
        return Answer(fault.status, (*JSON_HEADERS, *fault.retry_headers()), (body,))

    def error_event(self, fault: Fault) -> bytes:
        """Return the error body: there are no events here."""
        return error_body(fault.status, fault.message or "Simulated failure.")

    def _route(self, record: RequestRecord) -> Answer:
        is_with_key = self._check_key(record)
        v2 = V2_PATH.fullmatch(record.path)
        if record.method == "POST" and record.path == "/v1/speech:recognize":
            return recognize_v1(record)
        if record.method == "POST" and v2:
            if is_with_key:
                raise Refusal("API keys are not supported by this API.", 401)
            if v2[1] != PROJECT:
                raise Refusal(f"Permission 'speech.recognizers.recognize' denied on project {v2[1]}.", 403)
            return recognize_v2(record)
        raise Refusal("Requested entity was not found.", 404)

    def _check_key(self, record: RequestRecord) -> bool:
        """Return whether it is an API key; raises Refusal."""
        keys = [record.header("x-goog-api-key"), *_query(record).get("key", [])]
        given = [key for key in keys if key is not None]
        token = record.header("authorization")
        if given == [self.api_key] and token is None:
            return True
        if not given and token == f"Bearer {self.access_token}":
            return False
        if given and token is None:
            raise Refusal("API key not valid. Please pass a valid API key.", 400, "API_KEY_INVALID")
        raise Refusal("Request had invalid authentication credentials.", 401)

    def _token(self, record: RequestRecord) -> Answer:
        """Give a token for a statement that the service account has signed (RFC 7523)."""
        form = parse_qs(record.body.decode())
        kind = record.header("content-type")
        if kind != "application/x-www-form-urlencoded" or form.get("grant_type") != [GRANT]:
            raise Refusal("unsupported_grant_type")
        try:
            claims = jwt.decode(form["assertion"][0], self.public_key, audience=f"{self.origin}/token")  # type: ignore[no-untyped-call]
        except (ValueError, KeyError) as error:
            raise Refusal(f"invalid_grant: {error}") from error
        if not claims["iat"] - 60 <= time.time() <= claims["exp"] <= claims["iat"] + 3600 or not claims.get("scope"):
            raise Refusal("invalid_grant: the statement's times or its scope are wrong")
        self.tokens_given += 1
        body = {"access_token": self.access_token, "expires_in": TOKEN_S, "token_type": "Bearer"}
        return Answer(200, JSON_HEADERS, (json.dumps(body).encode(),))


def recognize_v1(record: RequestRecord) -> Answer:
    """Return v1's answer; raises Refusal."""
    request = _message(record, speech_v1.RecognizeRequest.pb(speech_v1.RecognizeRequest()).__class__())
    config = request.config
    record.model = config.model or "default"
    if request.audio.WhichOneof("audio_source") != "content":
        raise Refusal("RecognitionAudio not set." if not request.audio.uri else "This fake reads no gs:// URI.")
    _check_language(config.language_code)
    if record.model not in V1_MODELS:
        raise Refusal(f"Incorrect model specified: {record.model}.")
    if not 0 <= config.max_alternatives <= 30 or len(config.alternative_language_codes) > 3:
        raise Refusal("Invalid max_alternatives or too many alternative languages.")
    heard = _heard(request.audio.content)
    encoding = speech_v1.RecognitionConfig.AudioEncoding(config.encoding).name
    _check_encoding(encoding, config, heard)
    is_diarized = config.diarization_config.enable_speaker_diarization
    answer = speech_v1.RecognizeResponse(
        results=v1_results(heard, config, is_diarized=is_diarized),
        total_billed_time={"seconds": math.ceil(heard.duration_s)},
        request_id=record.number,
    )
    return _json(speech_v1.RecognizeResponse.pb(answer), is_silent=not heard.words)


def recognize_v2(record: RequestRecord) -> Answer:
    """Return v2's answer; raises Refusal."""
    request = _message(record, speech_v2.RecognizeRequest.pb(speech_v2.RecognizeRequest()).__class__())
    config = request.config
    record.model = config.model
    if request.WhichOneof("audio_source") != "content":
        raise Refusal("Either content or uri has to be set; this fake reads no gs:// URI.")
    if config.WhichOneof("decoding_config") is None:
        raise Refusal("A decoding config is required.")
    if config.model not in V2_MODELS:
        raise Refusal(f'The model "{config.model}" does not exist in the location.')
    if not config.language_codes:
        raise Refusal("language_codes is required.")
    for code in config.language_codes:
        if code != "auto" or not config.model.startswith("chirp"):
            _check_language(code)
    if config.HasField("translation_config") and config.model != "chirp_2":
        raise Refusal(f"Translation is not supported by the model {config.model}.")
    diarization = config.features.diarization_config
    is_diarized = config.features.HasField("diarization_config")
    if is_diarized and not 1 <= diarization.min_speaker_count <= diarization.max_speaker_count <= 6:
        raise Refusal("Invalid diarization speaker counts.")
    heard = _heard(request.content)
    if heard.container not in V2_CONTAINERS:
        raise Refusal(f"Audio encoding of {heard.container} is not supported for auto decoding.")
    answer = speech_v2.RecognizeResponse(
        results=v2_results(heard, config, is_diarized=is_diarized),
        metadata={
            "request_id": str(record.number),
            "total_billed_duration": {"seconds": math.ceil(heard.duration_s)},
        },
    )
    return _json(speech_v2.RecognizeResponse.pb(answer), is_silent=False)


def error_body(status: int, message: str, reason: str = "") -> bytes:
    """Return `{"error": {...}}`; `details` only where there is a reason."""
    error: dict[str, Any] = {"code": status, "message": message, "status": STATUS_NAMES.get(status, "UNKNOWN")}
    if reason:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    return json.dumps({"error": error}, indent=2).encode()


def _message(record: RequestRecord, empty: Any) -> Any:
    kind = (record.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(f"Content-Type {kind!r} is not application/json.")
    try:
        body = json.loads(record.body.decode("utf-8"))
        message = ParseDict(body, empty, ignore_unknown_fields=False)
        content = body["audio"].get("content", "") if "audio" in body else body.get("content", "")
        base64.b64decode(content, validate=True)  # which ParseDict does not
    except (ValueError, ParseError, AttributeError, TypeError, binascii.Error) as error:
        raise Refusal(f"Invalid JSON payload received. {str(error)[:300]}") from error
    return message


def _heard(content: bytes) -> Heard:
    if not content:
        raise Refusal("The audio is empty.")
    if len(content) > MAX_BYTES:
        raise Refusal(f"Request payload size exceeds the limit: {MAX_BYTES} bytes.")
    try:
        heard = listen(content, "google")
    except UnreadableAudio as error:
        raise Refusal(f"Request contains an invalid argument: bad audio: {error}") from error
    if heard.duration_s > MAX_AUDIO_S:
        raise Refusal("Sync input too long. For audio longer than 1 min use LongRunningRecognize.")
    return heard


def _check_language(code: str) -> None:
    if not LANGUAGE.fullmatch(code):
        raise Refusal(f"Invalid recognition 'config': bad language code: {code!r}.")


def _check_encoding(encoding: str, config: Any, heard: Heard) -> None:
    if encoding == "ENCODING_UNSPECIFIED" and heard.container in ("wav", "flac"):
        wanted = (heard.container, heard.codec)
    elif encoding not in V1_ENCODINGS:
        raise Refusal("Invalid recognition 'config': bad encoding..")
    else:
        wanted = V1_ENCODINGS[encoding]
    if (heard.container, heard.codec) != wanted:
        raise Refusal(f"encoding {encoding} does not match the data: {heard.codec} in {heard.container}.")
    rate_hz = config.sample_rate_hertz
    if not rate_hz and heard.container not in ("wav", "flac"):
        raise Refusal("Invalid recognition 'config': bad sample rate hertz.")
    if rate_hz and (rate_hz != heard.rate_hz or not 8_000 <= rate_hz <= 48_000):
        raise Refusal(f"sample_rate_hertz ({rate_hz}) has to be that of the file ({heard.rate_hz}), 8000 to 48000.")
    channels = config.audio_channel_count or 1
    if channels != heard.channels:
        raise Refusal(f"audio_channel_count {channels} has to match the file's, which has {heard.channels} channels.")


def _json(message: Any, *, is_silent: bool) -> Answer:
    value: Mapping[str, Any] = MessageToDict(message)
    return Answer(200, JSON_HEADERS, (json.dumps({} if is_silent else value, indent=2).encode(),))


def _query(record: RequestRecord) -> dict[str, list[str]]:
    return parse_qs(record.target.partition("?")[2])
