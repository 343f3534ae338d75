"""Everything about a token that has it refused."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Unauthenticated
from tests.given import Clock
from tests.issuers.following import accepts, following, forged, issuer
from tests.issuers.provider import IdentityProvider, claims, encoded, identity_provider, signer


def confused(provider: IdentityProvider) -> str:
    """HS256 with the public key, which everybody has, for a secret."""
    text = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'key-1'})}.{encoded(claims(provider.url))}"
    return f"{text}.{encoded(hmac.new(signer().pem.encode(), text.encode(), hashlib.sha256).digest())}"


def resigned(provider: IdentityProvider) -> str:
    """The claims of one token with the signature of another."""
    first, second = provider.token(), provider.token(sub="eve")
    return ".".join((*second.split(".")[:2], first.split(".")[2]))


WRONG: dict[str, Callable[[IdentityProvider], str]] = {
    "signed by another's key": lambda provider: provider.token(signer("RS256", "thief")),
    "signed by another's key of the same name": lambda provider: signer("RS256", "thief").sign(
        claims(provider.url), kid="key-1"
    ),
    "the signature of another token": resigned,
    "no signature": lambda provider: provider.token().rpartition(".")[0] + ".",
    "of another audience": lambda provider: provider.token(aud="another"),
    "of other audiences": lambda provider: provider.token(aud=["another", "third"]),
    "of no audience": lambda provider: provider.token(aud=None),
    "of another issuer": lambda provider: provider.token(iss="https://another.example"),
    "of nearly the issuer": lambda provider: provider.token(iss=provider.url + "/"),
    "of no issuer": lambda provider: provider.token(iss=None),
    "without an end": lambda provider: provider.token(exp=None),
    "of nobody": lambda provider: provider.token(sub=None),
    "alg none": lambda provider: forged({"alg": "none"}, claims(provider.url)),
    "alg None": lambda provider: forged({"alg": "None", "kid": "key-1"}, claims(provider.url)),
    "alg no text": lambda provider: forged({"alg": ["RS256"]}, claims(provider.url)),
    "no alg": lambda provider: forged({"kid": "key-1"}, claims(provider.url)),
    "confused": confused,
    "of another kind of key": lambda provider: forged(
        {"alg": "ES256", "kid": "key-1"}, claims(provider.url), b"x" * 64
    ),
    "an algorithm that is not accepted": lambda provider: replace(signer(), algorithm="RS512").sign(
        claims(provider.url)
    ),
    "critical": lambda provider: signer().sign(claims(provider.url), crit=["exp"]),
    "nested": lambda provider: signer().sign(claims(provider.url), cty="JWT"),
    "with a key of its own": lambda provider: signer("RS256", "thief").sign(
        claims(provider.url), jwk=signer("RS256", "thief").row
    ),
    "with an address of keys": lambda provider: signer("RS256", "thief").sign(
        claims(provider.url), jku=f"{provider.url}/keys"
    ),
    "encrypted": lambda provider: provider.token() + ".x.y",
    "oversized": lambda provider: provider.token(padding="x" * 8192),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_token_that_is_wrong_is_refused(what: str) -> None:
    async with identity_provider() as provider, following(issuer(provider)) as issuers:
        assert accepts(issuers, provider.token())
        token = WRONG[what](provider)
        assert not accepts(issuers, token), what
        assert not accepts(issuers, token), what  # the second time too


async def test_a_token_of_8192_bytes_is_taken_and_one_more_is_not() -> None:
    async with identity_provider() as provider, following(issuer(provider)) as issuers:
        for padding in range(5500, 5900):
            token = provider.token(padding="x" * padding)
            if len(token) in (8191, 8192):
                assert accepts(issuers, token)
            elif len(token) in (8193, 8194):
                assert not accepts(issuers, token)
                return
    raise AssertionError("no token had the size")


@pytest.mark.parametrize("was_seen", [False, True])
async def test_a_token_ends_to_the_second_also_where_it_was_verified_before(was_seen: bool) -> None:
    clock = Clock(2_000_000_000.0)
    async with identity_provider() as provider, following(issuer(provider, leeway_s=5), clock=clock) as issuers:
        token = provider.token(iat=2_000_000_000, nbf=2_000_000_000, exp=2_000_000_010)
        if was_seen:
            assert accepts(issuers, token)
            clock.now_s = 2_000_000_014.99
            assert accepts(issuers, token)
        clock.now_s = 2_000_000_015.0
        with pytest.raises(Unauthenticated, match="expired"):
            issuers.find(token)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
async def test_a_token_begins_to_the_second(claim: str) -> None:
    clock = Clock(2_000_000_000.0)
    async with identity_provider() as provider, following(issuer(provider), clock=clock) as issuers:
        times: dict[str, Any] = {"iat": None, "nbf": None, claim: 2_000_000_031, "exp": 2_000_000_100}
        token = provider.token(**times)
        assert not accepts(issuers, token)
        clock.now_s = 2_000_000_001.0
        assert accepts(issuers, token)


async def test_a_token_without_a_key_id_is_verified_where_one_key_fits() -> None:
    async with identity_provider(signer(), signer("ES256", "key-2")) as provider:
        async with following(issuer(provider)) as issuers:
            assert accepts(issuers, signer().sign(claims(provider.url), kid=None))
    async with identity_provider(signer(), signer("RS256", "key-2")) as provider:
        async with following(issuer(provider)) as issuers:
            with pytest.raises(Unauthenticated, match="kid"):
                issuers.find(signer().sign(claims(provider.url), kid=None))
