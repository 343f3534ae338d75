"""A vendor's answer shows no secret, wherever its bytes are cut, and is as long as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.types import Provider
from gateway.upstream.masking import hidden, masked
from tests.given import target

SAID = b'{"error": "no key sk-sk-canary, nor org-1234567"} sk-sk'


def provider() -> Provider:
    made = target(credentials={"api_key": "sk-sk-canary", "short": "1234567"}).provider
    headers = {"authorization": "Token org-1234567", "x-version": "no secret"}
    return replace(made, headers=headers, secret_headers=frozenset({"authorization"}))


async def through(*chunks: bytes, is_error: bool = True) -> list[bytes]:
    async def given() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [chunk async for chunk in masked(given(), provider(), is_error=is_error)]


@pytest.mark.parametrize("at", range(len(SAID)))
async def test_secrets_are_stars_wherever_the_answer_is_cut(at: int) -> None:
    expected = b'{"error": "no key ************, nor ***********"} sk-sk'
    assert b"".join(await through(SAID[:at], SAID[at:])) == expected
    assert b"".join(await through(*(SAID[place : place + 1] for place in range(len(SAID))))) == expected


async def test_what_cannot_be_a_secret_is_not_held_back() -> None:
    assert await through(b"data: 1\n\n", b"data: sk-", b"x") == [b"data: 1\n\n", b"data: ", b"sk-x"]


async def test_what_was_asked_for_keeps_whatever_may_be_a_word() -> None:
    assert await through(SAID, is_error=False) == [SAID]
    made = target(credentials={"api_key": "sk-0123456789abc"}).provider

    async def given() -> AsyncIterator[bytes]:
        yield b"the key is sk-0123456789abc"

    assert [chunk async for chunk in masked(given(), made, is_error=False)] == [b"the key is " + b"*" * 16]


def test_a_text_says_that_something_is_hidden_and_short_words_stay() -> None:
    assert hidden("sk-sk-canary org-1234567 1234567 Token", provider()) == "[hidden] [hidden] 1234567 Token"
