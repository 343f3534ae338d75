"""Any text at all: a token, or refused, and never a fault of ours."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from gateway.config.model import ClaimNames
from gateway.errors import PermissionDenied, Unauthenticated
from gateway.issuers.table import Issuers
from tests.issuers.following import accepts, forged, issuer
from tests.issuers.provider import claims, encoded, signer


@given(st.text() | st.builds(".".join, st.lists(st.text("abcXYZ019-_=", max_size=40), min_size=2, max_size=4)))
def test_any_text_is_no_token(text: str) -> None:
    issuers = Issuers()
    issuers.use([issuer("https://login.example", public_key=signer("ES256").pem)])
    assert not accepts(issuers, text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "alg", "kid", "crit", "b64", "cty", "typ"])


@given(st.dictionaries(NAMES, values), st.dictionaries(NAMES, values), st.binary(max_size=80))
def test_whatever_a_forged_token_holds_it_is_refused(
    header: dict[str, Any], payload: dict[str, Any], signature: bytes
) -> None:
    issuers = Issuers()
    issuers.use([issuer("https://login.example", public_key=signer("ES256").pem)])
    for sound_header, sound_payload in (
        (header, payload),
        ({**header, "alg": "ES256"}, {**payload, "iss": "https://login.example"}),
    ):
        assert not accepts(issuers, forged(sound_header, sound_payload, signature))


@given(st.dictionaries(NAMES, values))
def test_whatever_an_issuer_signs_is_accepted_or_refused(payload: dict[str, Any]) -> None:
    issuers = Issuers()
    names = ClaimNames("sub", "aud", "iat", "nbf", models="exp")
    issuers.use([issuer("https://login.example", public_key=signer("ES256").pem, claims=names, roles={"a": "admin"})])
    text = f"{encoded({'alg': 'ES256'})}.{encoded({**claims('https://login.example'), **payload})}"
    raw = signer("ES256")
    signature = ECAlgorithm(ECAlgorithm.SHA256).sign(text.encode(), raw.key)
    with suppress(Unauthenticated, PermissionDenied):
        issuers.find(f"{text}.{encoded(signature)}")


@pytest.mark.parametrize("depth", [10, 1000, 6000])
def test_a_deep_token_is_refused(depth: int) -> None:
    issuers = Issuers()
    issuers.use([issuer("https://login.example", public_key=signer("ES256").pem)])
    deep = b"[" * (depth // 2) + b"]" * (depth // 2)
    head = encoded(b'{"alg":"ES256","x":%b}' % deep)
    assert not accepts(issuers, f"{head}.{encoded(claims('https://login.example'))}.x")
    payload = encoded(b'{"iss":%b}' % deep)
    assert not accepts(issuers, f"{encoded({'alg': 'ES256'})}.{payload}.x")
