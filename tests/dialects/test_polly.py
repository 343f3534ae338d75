"""Polly's format: what a body asks for, its sound as it comes, its voices, and errors by which its clients go."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import assume, given

from gateway.audio.companding import Compander
from gateway.dialects.polly_speech import PollySpeech
from gateway.dialects.polly_voices import PollyVoices
from gateway.errors import (
    BudgetExceeded,
    GatewayError,
    InvalidRequest,
    InvalidSignature,
    NotFound,
    Overloaded,
    PermissionDenied,
    RateLimited,
    SignatureExpired,
    Unauthenticated,
    UnknownAccessKey,
    UnsupportedByTarget,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from gateway.types import Speech, VoiceCatalog
from tests.dialects.bodies import anything, check_ask_or_named_fault
from tests.dialects.vendors import MP3, PCM, answered, fault, inbound, listing, object_of, sound

SPEECH, VOICES = PollySpeech(), PollyVoices()
PLAIN: dict[str, Any] = {"Text": "Good morning.", "OutputFormat": "mp3", "VoiceId": "Joanna"}
RICH: dict[str, Any] = {
    "Text": "<speak>Good morning.</speak>",
    "TextType": "ssml",
    "OutputFormat": "pcm",
    "SampleRate": "8000",
    "VoiceId": "Amy",
    "Engine": "neural",
    "LanguageCode": "en-GB",
    "LexiconNames": ["w3c"],
}


@given(anything((PLAIN, RICH)))
def test_any_body_gives_an_ask_or_a_complaint_that_names_its_field(body: dict[str, Any]) -> None:
    assume("" not in body)  # a field without a name cannot be named
    check_ask_or_named_fault(SPEECH, body)


def test_requests_are_read_whole() -> None:
    ask = SPEECH.decode(inbound(orjson.dumps(RICH)))
    assert (ask.model, ask.wish, ask.stream) == ("neural", "Engine", True)
    assert ask.body == Speech(
        RICH["Text"],
        "Amy",
        "pcm",
        language="en-GB",
        sample_rate_hz=8_000,
        is_ssml=True,
        extra={"LexiconNames": ("w3c",)},
    )
    assert SPEECH.decode(inbound(orjson.dumps(PLAIN))).body == Speech("Good morning.", "Joanna", "mp3")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("mp3", ("mp3", None)), ("ogg_opus", ("opus", None)), ("pcm", ("pcm", 16_000)), ("alaw", ("pcm", 8_000))],
)
def test_each_format_has_its_rate(given: str, wanted: tuple[str, int | None]) -> None:
    speech = SPEECH.decode(inbound(orjson.dumps(PLAIN | {"OutputFormat": given}))).body
    assert isinstance(speech, Speech)
    assert (speech.format, speech.sample_rate_hz) == wanted


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"Text": " "}, "Text"),
        ({"OutputFormat": "wav"}, "OutputFormat"),
        ({"OutputFormat": "ogg_vorbis"}, "OutputFormat"),
        ({"OutputFormat": "json", "SpeechMarkTypes": ["word"]}, "SpeechMarkTypes"),
        ({"SampleRate": "12345"}, "SampleRate"),
        ({"SampleRate": 8000}, "SampleRate"),
        ({"OutputFormat": "pcm", "SampleRate": "24000"}, "SampleRate"),
        ({"Engine": "best"}, "Engine"),
        ({"TextType": "html"}, "TextType"),
        ({"VoiceId": None}, "VoiceId"),
        ({"Speed": 2}, "Speed"),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    assert fault(SPEECH, inbound(orjson.dumps(PLAIN | fields))) == param


async def test_the_sound_comes_as_it_is_with_what_is_billed() -> None:
    rendered, body = await answered(
        SPEECH, inbound(orjson.dumps(RICH | {"OutputFormat": "mp3"})), sound(MP3, b"ab", b"c")
    )
    assert (rendered.content_type, body) == ("audio/mpeg", b"abc")
    assert rendered.headers["x-amzn-requestcharacters"] == "13"  # tags are not


async def test_telephony_is_made_of_samples() -> None:
    samples = bytes(range(200))
    rendered, body = await answered(
        SPEECH, inbound(orjson.dumps(PLAIN | {"OutputFormat": "mulaw"})), sound(PCM, samples[:33], samples[33:])
    )
    assert (rendered.content_type, body) == ("audio/mulaw", Compander("mulaw").feed(samples))


async def test_voices_are_listed_as_polly_has_them() -> None:
    answer = await object_of(VOICES, inbound(query="Engine=neural"), listing())
    assert answer["Voices"] == [
        {
            "Id": "narrator",
            "Name": "narrator",
            "LanguageCode": "en-GB",
            "LanguageName": "English",
            "SupportedEngines": ["neural"],
            "Gender": "Female",
        },
        {
            "Id": "v1",
            "Name": "v1",
            "LanguageCode": "de",
            "LanguageName": "German",
            "SupportedEngines": ["neural"],
            "Gender": "Male",
        },
    ]
    assert VOICES.decode(inbound(query="LanguageCode=de&key=x")).body == VoiceCatalog(language="de")
    assert fault(VOICES, inbound(query="Engine=best")) == "Engine"
    assert fault(VOICES, inbound(query="Voice=x")) == "Voice"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequest("'voice' is odd", param="voice"), 400, "ValidationException"),
        (InvalidRequest("'SampleRate' is odd", param="SampleRate"), 400, "InvalidSampleRateException"),
        (InvalidRequest("x", param="SpeechMarkTypes"), 400, "MarksNotSupportedForFormatException"),
        (UnsupportedByTarget("takes at most 5", param="input"), 400, "TextLengthExceededException"),
        (Unauthenticated("x"), 403, "UnrecognizedClientException"),
        (UnknownAccessKey("x"), 403, "UnrecognizedClientException"),
        (InvalidSignature("x"), 403, "InvalidSignatureException"),
        (SignatureExpired("x"), 403, "RequestExpired"),
        (PermissionDenied("x"), 403, "AccessDeniedException"),
        (BudgetExceeded("x"), 402, "ServiceQuotaExceededException"),
        (RateLimited("x"), 400, "ThrottlingException"),
        (UpstreamRateLimited("x"), 400, "ThrottlingException"),
        (NotFound("x"), 404, "ResourceNotFoundException"),
        (GatewayError("x"), 500, "ServiceFailureException"),
        (UpstreamUnavailable("x"), 503, "ServiceUnavailableException"),
        (Overloaded("x"), 503, "ServiceUnavailableException"),
    ],
)
def test_errors_have_the_types_by_which_clients_go(error: GatewayError, status: int, kind: str) -> None:
    told, headers = SPEECH.error_head(error, "r-1")
    assert (told, headers["x-amzn-errortype"], headers["x-amzn-requestid"]) == (status, kind, "r-1")


def test_a_field_is_called_what_the_client_calls_it() -> None:
    body = SPEECH.encode_error(InvalidRequest("'voice' 'x' is not known", param="voice"), "r", started=False)
    assert orjson.loads(body) == {"message": "'VoiceId' 'x' is not known"}
