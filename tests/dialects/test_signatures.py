"""Signed requests: what botocore signs passes, and any byte that is changed afterwards does not."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.signatures import Pair, check, pair_of, read_claim, stored_id
from gateway.errors import InvalidSignature, SignatureExpired
from gateway.types import Head

DIGEST = bytes(range(32))
PAIR = pair_of("a signing secret of the operator", DIGEST, "key_0123456789ab")
BODY = b'{"Text":"Good morning.","OutputFormat":"mp3","VoiceId":"Joanna"}'


def signed(
    method: str = "POST",
    target: str = "/polly/v1/speech",
    body: bytes = BODY,
    pair: Pair = PAIR,
    service: str = "polly",
    more: dict[str, str] | None = None,
) -> Head:
    """Return the head of a request that botocore signs now."""
    request = AWSRequest(
        method, f"http://gw.test:8001{target}", {"Content-Type": "application/json", **(more or {})}, body
    )
    SigV4Auth(Credentials(pair.access_key_id, pair.secret_access_key), service, "eu-central-1").add_auth(request)
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    path, _, query = target.partition("?")
    return Head("r", method, path, {}, {"host": "gw.test:8001", **headers}, "127.0.0.1", raw_query=query)


def now() -> float:
    return datetime.now(UTC).timestamp()


def passes(head: Head, body: bytes = BODY, secret: str = PAIR.secret_access_key, at: float | None = None) -> bool:
    """Return whether it is taken; whatever else it raises than the errors of signatures fails the test."""
    try:
        claim = read_claim(head.headers, "polly", now() if at is None else at)
        if claim.access_key_id != PAIR.access_key_id:
            return False  # by whose secret it is checked: another id is another's, or nobody's
        check(claim, secret, head, body)
    except (InvalidSignature, SignatureExpired):
        return False
    return True


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/polly/v1/speech", BODY),
        ("POST", "/v1/speech", b""),
        ("GET", "/polly/v1/voices?LanguageCode=en-US&Engine=neural", b""),
        ("GET", "/polly/v1/voices?NextToken=a%2Bb%3D%3D&Empty=", b""),
        ("POST", "/a%20b/c:d~e/%C3%A4", b"\x00\xff"),
    ],
)
def test_what_botocore_signs_is_taken(method: str, target: str, body: bytes) -> None:
    assert passes(signed(method, target, body, more={"X-Amz-Security-Token": "a  b"}), body)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_change_of_a_signed_byte_is_refused(data: st.DataObject) -> None:
    head = signed(target="/polly/v1/voices?Engine=neural&LanguageCode=en-US")
    part = data.draw(
        st.sampled_from(
            ["method", "path", "query", "body", "authorization", "secret", "host", "x-amz-date", "content-type"]
        )
    )
    body, secret = BODY, PAIR.secret_access_key
    if part == "body":
        body = changed(data, BODY.decode()).encode(errors="replace")
    elif part == "secret":
        secret = changed(data, secret)
    elif part == "query":
        head = replace(head, raw_query=changed(data, head.raw_query))
    elif part == "path":
        head = replace(head, path=changed(data, head.path))
    elif part == "method":
        head = replace(head, method="PUT")
    else:
        head = replace(head, headers={**head.headers, part: changed(data, head.headers[part])})
    assert not passes(head, body, secret)


def changed(data: st.DataObject, text: str) -> str:
    """Return the text with one character another, gone or put in; spaces around a header's value are no change."""
    at = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda one: one != text[at]))
    return data.draw(
        st.sampled_from(
            [text[:at] + put + text[at + 1 :], text[:at] + text[at + 1 :] + "!", text[:at] + put + text[at:]]
        )
    )


@pytest.mark.parametrize(("skew_s", "is_taken"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_a_request_is_good_for_five_minutes_either_way(skew_s: float, is_taken: bool) -> None:
    head = signed()
    signed_at = datetime.strptime(head.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    assert passes(head, at=signed_at + skew_s) == is_taken
    if not is_taken:
        with pytest.raises(SignatureExpired, match=r"was signed 301 s (ago|from now); 300 s are the most"):
            read_claim(head.headers, "polly", signed_at + skew_s)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"authorization": "AWS4-HMAC-SHA256 Credential=x"}, "no whole signature"),
        ({"x-amz-meta": "unsigned"}, "every x-amz- header have to be signed"),
        ({"x-amz-date": "yesterday"}, "X-Amz-Date has to say when"),
        ({"x-amz-date": "20200101T000000Z"}, "not that of X-Amz-Date"),
    ],
)
def test_a_broken_signature_is_told(fault: dict[str, str], message: str) -> None:
    head = signed()
    with pytest.raises(InvalidSignature, match=message):
        read_claim({**head.headers, **fault}, "polly", now())


def test_what_is_signed_has_to_be_there_once_and_the_host_with_it() -> None:
    head = signed()
    given = head.headers["authorization"]
    for wrong in (
        "content-type;x-amz-date",
        "content-type;host;host;x-amz-date",
        "host;content-type;x-amz-date",
        "gone;host;x-amz-date",
    ):
        with pytest.raises(InvalidSignature):
            read_claim(
                {**head.headers, "authorization": re.sub("SignedHeaders=[^,]+", f"SignedHeaders={wrong}", given)},
                "polly",
                now(),
            )


def test_a_signature_for_another_service_is_refused() -> None:
    with pytest.raises(InvalidSignature, match="signed for the service 's3'"):
        read_claim(signed(service="s3").headers, "polly", now())


def test_a_body_that_its_own_header_denies_is_refused() -> None:
    head = signed(more={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    assert not passes(head)


def test_a_pair_follows_from_the_key_and_the_secret_and_from_nothing_else() -> None:
    secret = "a signing secret of the operator"
    assert pair_of(secret, DIGEST, "key_0123456789ab") == PAIR
    assert PAIR.access_key_id == "GWAK0123456789AB"
    assert stored_id(PAIR.access_key_id) == "key_0123456789ab"
    declared = pair_of(secret, DIGEST)
    assert declared.access_key_id.startswith("GWAS")
    assert stored_id(declared.access_key_id) is None
    others = [pair_of(secret + "!", DIGEST), pair_of(secret, DIGEST[::-1]), PAIR, declared]
    assert len({pair.secret_access_key for pair in others}) == 4
    assert all(len(pair.secret_access_key) == 40 for pair in others)


@given(st.text(max_size=80), st.sampled_from(["authorization", "x-amz-date"]))
def test_no_header_makes_it_fail_otherwise(text: str, name: str) -> None:
    with pytest.raises((InvalidSignature, SignatureExpired)):
        read_claim({**signed().headers, name: "AWS4-HMAC-SHA256 " + text}, "polly", now())
