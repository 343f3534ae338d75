"""Tokens of a real issuer over real sockets: what is accepted, and for how long that stands."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from gateway.config.model import ClaimNames
from gateway.errors import PermissionDenied
from gateway.issuers import table
from gateway.types import Client, Scopes
from tests.given import Clock
from tests.issuers.following import accepts, following, issuer
from tests.issuers.provider import KINDS, Signer, claims, identity_provider, signer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_discovered", [True, False])
async def test_a_token_signed_by_a_published_key_is_its_bearers(kind: str, is_discovered: bool) -> None:
    async with identity_provider(signer(kind)) as provider:
        address = "" if is_discovered else f"{provider.url}/keys"
        async with following(issuer(provider, jwks_url=address)) as issuers:
            ends = int(time.time()) + 100
            found = issuers.find(provider.token(signer(kind), exp=ends))
            assert found == Client("login:ada", "login:ada", expires_at=ends + 30)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_signed_by_the_configured_key_needs_no_network(kind: str) -> None:
    async with following(issuer("https://login.example", public_key=signer(kind).pem)) as issuers:
        assert accepts(issuers, signer(kind).sign(claims("https://login.example")))
        assert accepts(issuers, signer(kind).sign(claims("https://login.example"), kid=None))
        assert not accepts(issuers, signer(kind, "other").sign(claims("https://login.example")))


async def test_a_token_signed_by_the_shared_secret_is_accepted() -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    async with following(issuer("login", secret=secret, algorithms=("HS256",))) as issuers:
        by = Signer("", "HS256", secret)
        assert accepts(issuers, by.sign(claims("login"), kid=None))
        assert not accepts(issuers, replace(by, key=secret[::-1]).sign(claims("login"), kid=None))


async def test_tokens_are_found_by_all_their_text_and_verified_anew_after_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table, "MAX_VERIFIED", 2)
    clock = Clock(time.time())
    async with identity_provider() as provider, following(issuer(provider), clock=clock) as issuers:
        tokens = [provider.token(sub=name, exp=int(clock.now_s) + 1000) for name in ("ada", "bob", "eve")]
        for token, name in zip(tokens, ("ada", "bob", "eve"), strict=True):
            found = issuers.find(token)
            assert found is not None
            assert found.name == f"login:{name}"
            assert issuers.find(token) is found
        assert len(issuers._verified) == 2
        assert all(len(digest) == 32 for digest in issuers._verified)
        last = issuers.find(tokens[2])
        clock.now_s += 59.9
        assert issuers.find(tokens[2]) is last
        clock.now_s += 0.1
        again = issuers.find(tokens[2])
        assert again is not last
        assert again == last


async def test_claims_say_what_a_token_is_for() -> None:
    names = ClaimNames("email", "org.id", "groups", models="gw.models", operations="gw.operations")
    async with identity_provider() as provider:
        async with following(issuer(provider, claims=names, roles={"ops": "operator", "root": "admin"})) as issuers:
            found = issuers.find(
                provider.token(
                    email="ada@example.com",
                    org={"id": "acme"},
                    groups=["staff", "ops"],
                    gw={"models": ["fast", "gpt-*"], "operations": "chat embeddings"},
                )
            )
            assert found is not None
            assert (found.name, found.tenant, found.role) == ("login:ada@example.com", "acme", "operator")
            assert found.scopes == Scopes(operations=("chat", "embeddings"), models=("fast", "gpt-*"))
            with pytest.raises(PermissionDenied, match=r"gw\.models"):
                issuers.find(provider.token(email="a", org={"id": "acme"}, gw={"models": [], "operations": "chat"}))


async def test_a_reload_keeps_keys_and_ends_issuers() -> None:
    async with identity_provider() as provider, following(issuer(provider)) as issuers:
        token = provider.token()
        assert accepts(issuers, token)
        issuers.use([issuer(provider, tenant="staff")])
        found = issuers.find(token)
        assert found is not None
        assert found.tenant == "staff"
        assert provider.asked == 1
        issuers.use([issuer("https://login.example", public_key=signer().pem)])
        assert not accepts(issuers, token)
        issuers.use([])
        assert issuers.find(token) is None
