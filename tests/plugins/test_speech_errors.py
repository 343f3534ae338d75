"""What each speech vendor's error answers mean: whose fault, whether to go elsewhere, when to come back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.plugin import load_plugin
from tests.plugins.spoken import PLUGINS


def plugin(name: str) -> Any:
    return load_plugin(name, (PLUGINS,)).value


def google(status: int, message: str = "odd", **detail: str) -> tuple[int, dict[str, str], Any]:
    return status, {}, {"error": {"code": status, "message": message, "details": [detail] if detail else []}}


def polly(kind: str, status: int = 400, message: str = "odd") -> tuple[int, dict[str, str], Any]:
    return status, {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/"}, {"message": message}


def deepgram(status: int, message: str = "odd") -> tuple[int, dict[str, str], Any]:
    return status, {}, {"err_code": "X", "err_msg": message, "request_id": "r"}


def eleven(status: int, kind: str = "odd") -> tuple[int, dict[str, str], Any]:
    return status, {}, {"detail": {"status": kind, "message": "odd"}}


TABLE: list[tuple[str, tuple[int, Mapping[str, str], Any], str]] = [
    ("google_tts", google(400), "UpstreamRejected"),
    ("google_tts", google(400, "`input.text` is longer than the limit of 5000 bytes."), "UnsupportedByTarget"),
    ("google_tts", google(400, "Voice 'x' does not exist. Is it misspelled?"), "UnsupportedByTarget"),
    ("google_tts", google(400, reason="API_KEY_INVALID"), "UpstreamRefusedUs"),
    ("google_tts", google(401), "UpstreamRefusedUs"),
    ("google_tts", google(403), "UpstreamRefusedUs"),
    ("google_tts", google(404), "UpstreamNotFound"),
    ("google_tts", google(429), "UpstreamRateLimited"),
    ("google_tts", google(500), "UpstreamUnavailable"),
    ("google_tts", google(503), "UpstreamUnavailable"),
    ("polly", polly("InvalidSsmlException"), "UpstreamRejected"),
    ("polly", polly("ValidationException"), "UpstreamRejected"),
    ("polly", polly("ValidationException", message="Value 'x' at 'voiceId' is unknown"), "UnsupportedByTarget"),
    ("polly", polly("TextLengthExceededException"), "UnsupportedByTarget"),
    ("polly", polly("EngineNotSupportedException"), "UnsupportedByTarget"),
    ("polly", polly("LanguageNotSupportedException"), "UnsupportedByTarget"),
    ("polly", polly("LexiconNotFoundException", 404), "UnsupportedByTarget"),
    ("polly", polly("ThrottlingException"), "UpstreamRateLimited"),
    ("polly", polly("ServiceFailureException", 500), "UpstreamUnavailable"),
    ("polly", polly("UnrecognizedClientException", 403), "UpstreamRefusedUs"),
    ("polly", polly("ExpiredTokenException"), "UpstreamRefusedUs"),
    ("polly", polly("ServiceQuotaExceededException", 402), "UpstreamRefusedUs"),
    ("polly", (400, {}, {"__type": "com.amazon.coral.service#ThrottlingException"}), "UpstreamRateLimited"),
    ("deepgram", deepgram(400), "UpstreamRejected"),
    ("deepgram", deepgram(400, "No such model/language/tier combination found."), "UnsupportedByTarget"),
    ("deepgram", deepgram(413), "UnsupportedByTarget"),
    ("deepgram", deepgram(401), "UpstreamRefusedUs"),
    ("deepgram", deepgram(402), "UpstreamRefusedUs"),
    ("deepgram", deepgram(403), "UpstreamRefusedUs"),
    ("deepgram", deepgram(404), "UpstreamNotFound"),
    ("deepgram", deepgram(429), "UpstreamRateLimited"),
    ("deepgram", deepgram(503), "UpstreamUnavailable"),
    ("elevenlabs", eleven(400), "UpstreamRejected"),
    ("elevenlabs", eleven(400, "max_character_limit_exceeded"), "UnsupportedByTarget"),
    ("elevenlabs", eleven(404, "voice_not_found"), "UnsupportedByTarget"),
    ("elevenlabs", eleven(400, "model_not_found"), "UpstreamNotFound"),
    ("elevenlabs", eleven(401, "invalid_api_key"), "UpstreamRefusedUs"),
    ("elevenlabs", eleven(401, "quota_exceeded"), "UpstreamRefusedUs"),
    ("elevenlabs", eleven(429, "too_many_concurrent_requests"), "UpstreamRateLimited"),
    ("elevenlabs", eleven(429, "system_busy"), "UpstreamUnavailable"),
    ("elevenlabs", eleven(500), "UpstreamUnavailable"),
    ("elevenlabs", (422, {}, {"detail": "text"}), "UpstreamRejected"),
]
ONLY_THE_CLIENT_CAN_MEND = {"UpstreamRejected"}


@pytest.mark.parametrize(("name", "answer", "wanted"), TABLE, ids=[f"{row[0]}-{row[1][0]}-{row[2]}" for row in TABLE])
def test_an_error_is_told_for_what_it_is(name: str, answer: tuple[int, Mapping[str, str], Any], wanted: str) -> None:
    status, headers, body = answer
    error = plugin(name).parse_error(status, headers, json.dumps(body).encode())
    assert type(error).__name__ == wanted
    assert error.can_fail_over == (wanted not in ONLY_THE_CLIENT_CAN_MEND)


@pytest.mark.parametrize("name", ["google_tts", "polly", "deepgram", "elevenlabs"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad Gateway</html>",
        b"null",
        b"[]",
        b"[1]",
        b'"x"',
        b"{}",
        b'{"error":1}',
        b'{"detail":[1]}',
        b"\xff\xfe",
        b'{"error":{"message":null,"details":5}}',
        b'{"detail":{"status":[],"message":{}}}',
        b'{"message":{"a":1}}',
    ],
)
@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500])
def test_any_body_gives_an_error_in_words(name: str, body: bytes, status: int) -> None:
    error = plugin(name).parse_error(status, {"retry-after": "2"}, body)
    assert error.message
    assert "<" not in error.message
    assert len(error.message) <= 2_000
    if status == 429:
        assert (type(error).__name__, error.retry_after_s) == ("UpstreamRateLimited", 2.0)


@pytest.mark.parametrize("name", ["google_tts", "polly", "deepgram", "elevenlabs"])
def test_what_is_said_about_keys_is_not_repeated(name: str) -> None:
    secret = "sk-canary-0123456789"
    for body in (
        {"error": {"message": secret}},
        {"message": secret},
        {"err_msg": secret},
        {"detail": {"message": secret}},
    ):
        for status in (401, 403):
            assert secret not in plugin(name).parse_error(status, {}, json.dumps(body).encode()).message
