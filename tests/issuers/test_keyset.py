"""Keys that are fetched: rotated, withdrawn, not to be had."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import IssuerAway
from tests.issuers.following import QUICK, accepts, following, forged, issuer, until
from tests.issuers.provider import claims, identity_provider, signer


async def test_an_unknown_key_has_the_keys_fetched_and_the_next_token_is_accepted() -> None:
    new = signer("RS256", "new")
    async with identity_provider() as provider, following(issuer(provider)) as issuers:
        provider.rows = [signer().row, new.row]
        assert not accepts(issuers, provider.token(new))
        await until(lambda: accepts(issuers, provider.token(new)))
        assert provider.asked == 2


async def test_unknown_keys_have_the_keys_fetched_once_in_a_while_only() -> None:
    async with identity_provider() as provider, following(issuer(provider)) as issuers:
        ends = time.monotonic() + 0.5
        while time.monotonic() < ends:
            assert not accepts(issuers, provider.token(signer("ES256", "unknown")))
            await asyncio.sleep(0.005)
        assert 3 <= provider.asked <= 4  # at the start, at once, and every 0.2 s


async def test_what_a_withdrawn_key_signed_ends_with_the_next_fetch() -> None:
    async with identity_provider(signer(), signer("RS256", "new")) as provider:
        async with following(issuer(provider), pace=replace(QUICK, refresh_s=0.05)) as issuers:
            token = provider.token()
            assert accepts(issuers, token)
            provider.rows = [signer("RS256", "new").row]
            await until(lambda: not accepts(issuers, token))
            assert accepts(issuers, provider.token(signer("RS256", "new")))


async def test_while_no_keys_were_fetched_tokens_are_neither_accepted_nor_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with identity_provider() as provider:
        provider.status = 500
        async with following(issuer(provider), waits=False) as issuers:
            await until(lambda: provider.asked >= 3)
            with pytest.raises(IssuerAway, match="keys of issuer 'login' cannot be fetched") as caught:
                issuers.find(provider.token())
            assert caught.value.retry_after_s == QUICK.retry_s
            assert not accepts(issuers, forged({"alg": "none"}, claims(provider.url)))  # before any key is looked for
            [said] = [record.message for record in caplog.records if "cannot be fetched" in record.message]
            assert f"{provider.url}/keys answered 500; its tokens are answered with 503" in said
            provider.status = 200
            await until(lambda: any("fetched again" in record.message for record in caplog.records))
            assert accepts(issuers, provider.token())


FAILURES: dict[str, dict[str, Any]] = {
    "an error": {"status": 503},
    "a redirect": {"status": 302},
    "no JSON": {"body": b"<html>"},
    "no set": {"body": b"[]"},
    "no list": {"body": b'{"keys": {}}'},
    "too much": {"body": b'{"keys": [' + b" " * 65_536 + b"]}"},
    "another's document": {"discovery": {"issuer": "https://another.example"}},
    "an address without TLS": {"discovery": {"jwks_uri": "http://192.0.2.1/keys"}},
    "no address": {"discovery": {"jwks_uri": 1}},
}


@pytest.mark.parametrize("what", FAILURES)
async def test_the_last_good_keys_are_kept_where_a_fetch_fails(what: str, caplog: pytest.LogCaptureFixture) -> None:
    async with identity_provider() as provider:
        async with following(issuer(provider), pace=replace(QUICK, refresh_s=0.05)) as issuers:
            token = provider.token(sub="later")
            for name, value in FAILURES[what].items():
                setattr(provider, name, value)
            await until(lambda: any("known serve on" in record.message for record in caplog.records))
            assert accepts(issuers, token)
            assert token not in caplog.text
