"""A strict fake of Amazon Polly: `PollyServer`.

Requests are checked by botocore's own model and their signatures computed anew, as the fake Bedrock does it; which
voice has which engine, which rates a format has, and the lengths stand below (vendors.md 6, 2026-11-23).
"""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

from tests.vendors.answers import Answer, Headers
from tests.vendors.bedrock.shapes import fault_of, parsed
from tests.vendors.bedrock.sigv4 import signature_fault
from tests.vendors.faults import Fault
from tests.vendors.recording import RequestRecord
from tests.vendors.server import KEPT_REQUESTS, VendorServer
from tests.vendors.voices import Said, chunked, speech

ACCESS_KEY_ID = "AKIASIMULATOR0000000"
SECRET_ACCESS_KEY = "simulator/secret+access/key"
REGION = "eu-central-1"
JSON_HEADERS: Headers = (("content-type", "application/json"),)
CHUNK_BYTES = 4_096
MAX_TOTAL_CHARS, MAX_BILLED_CHARS = 6_000, 3_000
MP3_RATES = ("8000", "16000", "22050", "24000", "44100", "48000")
# OutputFormat -> (format of tests/vendors/voices.py, Content-Type, rates as Polly takes them, the first the default)
FORMATS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "mp3": ("mp3", "audio/mpeg", ("24000", *MP3_RATES)),
    "ogg_opus": ("opus", "audio/ogg", ("48000",)),
    "pcm": ("pcm", "audio/pcm", ("16000", "8000")),
    "mulaw": ("mulaw", "audio/mulaw", ("8000",)),
    "alaw": ("alaw", "audio/alaw", ("8000",)),
}
# Engines of the voices that tests use; the same facts as the plugin's, written down apart from it.
ENGINES = {
    "Joanna": {"standard", "neural", "generative"},
    "Matthew": {"neural", "generative"},
    "Salli": {"standard", "neural"},
    "Joey": {"standard", "neural"},
    "Kendra": {"standard", "neural"},
    "Kimberly": {"standard", "neural"},
    "Justin": {"neural"},
    "Danielle": {"neural", "long-form", "generative"},
    "Ruth": {"neural", "long-form", "generative"},
    "Gregory": {"neural", "long-form"},
    "Stephen": {"neural", "generative"},
    "Brian": {"standard", "neural", "generative"},
    "Arthur": {"neural"},
    "Amy": {"standard", "neural", "generative"},
    "Emma": {"standard", "neural"},
    "Niamh": {"neural", "generative"},
    "Olivia": {"neural", "generative"},
    "Russell": {"standard"},
    "Geraint": {"standard"},
    "Aditi": {"standard"},
}
STATUS_TYPES = {
    400: "ValidationException",
    403: "UnrecognizedClientException",
    404: "LexiconNotFoundException",
    429: "ThrottlingException",
    500: "ServiceFailureException",
    503: "ServiceUnavailableException",
}


class Refusal(Exception):
    """A request the vendor's rules refuse; `kind` is AWS's name for it."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.kind, self.status = kind, status


class PollyServer(VendorServer):
    """polly.<region>.amazonaws.com on 127.0.0.1. A request's `model` is its engine."""

    def __init__(
        self, *, port: int = 0, event_interval_s: float = 0.0, kept_requests: int = KEPT_REQUESTS, region: str = REGION
    ) -> None:
        super().__init__(port=port, event_interval_s=event_interval_s, kept_requests=kept_requests)
        self.region = region

    def answer(self, record: RequestRecord) -> Answer:
        """Return the answer to a request; a refusal as AWS words it."""
        try:
            self._check_signature(record)
            if (record.method, record.path) != ("POST", "/v1/speech"):
                raise Refusal("UnknownOperationException", "", 404)
            return synthesize(record)
        except Refusal as refusal:
            record.refusal = f"{refusal.kind}: {refusal}"
            return _error(refusal.status, refusal.kind, str(refusal))

    def error_answer(self, fault: Fault) -> Answer:
        """Return AWS's error with the fault's status; its code is the type."""
        kind = fault.code or STATUS_TYPES.get(fault.status, "ServiceFailureException")
        answer = _error(fault.status, kind, fault.message or "Simulated failure.")
        return Answer(answer.status, (*answer.headers, *fault.retry_headers()), answer.events)

    def error_event(self, fault: Fault) -> bytes:
        """Return JSON amid the audio, as a broken proxy would."""
        return b'{"message":"Simulated failure."}'

    def _check_signature(self, record: RequestRecord) -> None:
        names = [name.lower() for name, _ in record.headers]
        if len(set(names)) != len(names):
            raise Refusal("InvalidSignatureException", "A header stands twice.", 403)
        fault = signature_fault(record, {ACCESS_KEY_ID: SECRET_ACCESS_KEY}, "polly", self.region)
        if fault is not None:
            raise Refusal(fault, "The request signature we calculated does not match the one you provided.", 403)


def synthesize(record: RequestRecord) -> Answer:
    """Return the spoken text as a stream; raises Refusal."""
    try:
        given = parsed(record.body)
    except ValueError as error:
        raise Refusal("SerializationException", str(error)) from error
    record.model = given.get("Engine", "standard")
    if "?" in record.target:
        raise Refusal("ValidationException", "1 validation error detected: unknown query")
    if fault := fault_of("polly", "SynthesizeSpeech", given):
        raise Refusal("ValidationException", f"1 validation error detected: {fault}")
    name, kind, rates = _format(given)
    _check_voice(given)
    billed = _billed(given)
    spoken = speech(
        Said(
            text=given["Text"],
            voice=given["VoiceId"],
            format=name,
            rate_hz=int(given.get("SampleRate", rates[0])),
            is_ssml=given.get("TextType") == "ssml",
        )
    )
    headers = (
        ("content-type", kind),
        ("x-amzn-RequestCharacters", str(billed)),
        ("x-amzn-RequestId", f"00000000-0000-0000-0000-{record.number:012d}"),
    )
    return Answer(200, headers, chunked(spoken, CHUNK_BYTES), is_streamed=True)


def _format(given: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    found = FORMATS.get(given["OutputFormat"])
    if found is None:
        raise Refusal("ValidationException", f"the simulator has no {given['OutputFormat']}")
    if given.get("SampleRate", found[2][0]) not in found[2]:
        raise Refusal("InvalidSampleRateException", "The specified sample rate is not valid.")
    if given.get("SpeechMarkTypes"):
        raise Refusal("MarksNotSupportedForFormatException", "Speech marks need the json format.")
    return found


def _check_voice(given: dict[str, Any]) -> None:
    engines = ENGINES.get(given["VoiceId"])
    if engines is None:
        raise Refusal("ValidationException", f"the simulator does not know the voice {given['VoiceId']}")
    if given.get("Engine", "standard") not in engines:
        raise Refusal("EngineNotSupportedException", "This voice does not support the selected engine.")


def _billed(given: dict[str, Any]) -> int:
    """Return the characters that are paid for: those outside tags."""
    text, is_ssml = given["Text"], given.get("TextType") == "ssml"
    if is_ssml:
        try:
            root = ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            raise Refusal("InvalidSsmlException", "Invalid SSML request") from error
        rates = [node.get("rate", "") for node in root.iter("prosody")]
        if root.tag != "speak" or any(not _is_rate(rate) for rate in rates):
            raise Refusal("InvalidSsmlException", "Invalid SSML request")
    elif re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", text):
        raise Refusal("ValidationException", "Text holds a control character.")
    billed = len("".join(ElementTree.fromstring(text).itertext())) if is_ssml else len(text)
    if len(text) > MAX_TOTAL_CHARS or billed > MAX_BILLED_CHARS:
        raise Refusal("TextLengthExceededException", "Maximum text length has been exceeded")
    return billed


def _is_rate(rate: str) -> bool:
    percent = re.fullmatch(r"([0-9]{1,3})%", rate)
    return percent is not None and 20 <= int(percent[1]) <= 200


def _error(status: int, kind: str, message: str) -> Answer:
    headers = (*JSON_HEADERS, ("x-amzn-ErrorType", f"{kind}:http://internal.amazon.com/coral/com.amazon.polly/"))
    return Answer(status, headers, (json.dumps({"message": message}).encode(),))
