"""Keys as they are published: what each may verify, and what is passed over."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.issuers.keys import MAX_KEYS, read_jwks, read_pem
from tests.issuers.provider import KINDS, signer


def row(**changed: Any) -> dict[str, Any]:
    full = {**signer("ES256").row, **changed}
    return {name: value for name, value in full.items() if value is not None}


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_for_its_own_kind_of_algorithms_only(kind: str) -> None:
    [key] = read_jwks({"keys": [signer(kind).row]})
    assert key.algorithms == {kind}
    others = set(KINDS) - {kind}
    assert kind in read_pem(signer(kind).pem).algorithms
    assert not read_pem(signer(kind).pem).algorithms & others


def test_what_is_not_for_signatures_or_not_understood_is_passed_over() -> None:
    passed_over = [
        row(use="enc"),
        row(key_ops=["sign"]),
        row(key_ops="verify"),
        row(kid=7),
        row(kty="oct", k="c2VjcmV0"),
        row(kty=None),
        row(crv="secp256k1"),
        row(x="AAAA"),
        row(x=7),
        row(alg="ES384"),
        row(alg="HS256"),
        row(d="AAAA"),
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        "text",
        None,
    ]
    for one in passed_over:
        assert read_jwks({"keys": [one]}) == (), one
    assert len(read_jwks({"keys": [*passed_over, row(), row(use=None, alg=None, kid=None)]})) == 2


@pytest.mark.parametrize("document", [None, [], "x", {}, {"keys": {}}, {"keys": [row()] * (MAX_KEYS + 1)}])
def test_a_document_that_is_no_set_is_told(document: Any) -> None:
    with pytest.raises(ValueError, match="keys"):
        read_jwks(document)


def test_the_largest_set_is_read() -> None:
    assert len(read_jwks({"keys": [row()] * MAX_KEYS})) == MAX_KEYS


@pytest.mark.parametrize(("bits", "is_taken"), [(1024, False), (2047, False), (2048, True)])
def test_a_short_rsa_key_is_none(bits: int, is_taken: bool) -> None:
    text = pem(rsa.generate_private_key(65537, bits))
    if is_taken:
        assert "RS256" in read_pem(text).algorithms
    else:
        with pytest.raises(ValueError, match="2048"):
            read_pem(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("nonsense", "BEGIN PUBLIC KEY"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "BEGIN PUBLIC KEY"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "openssl x509"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "P-256"),
    ],
)
def test_what_is_no_public_key_is_told_with_the_remedy(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        read_pem(text)


def test_a_private_key_is_refused() -> None:
    private = signer("ES256").key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ValueError, match="private key"):
        read_pem(private)
