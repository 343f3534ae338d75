"""Keys of ours carry 256 bits and a checksum, and whatever a client sends can be looked up."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.keys.secret import LENGTH, digest_of, is_damaged, new_secret


def test_a_key_is_whole_and_no_two_are_alike() -> None:
    made = {new_secret() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(re.fullmatch(r"gw_[0-9A-Za-z]{49}", key) for key in made)
    assert not any(is_damaged(key) for key in made)


@pytest.mark.parametrize("number", [0, 1, 2**256 - 1])
def test_every_number_has_its_place(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbits", lambda bits: number)
    key = new_secret()
    assert len(key) == LENGTH == 52
    assert not is_damaged(key)


@given(st.integers(0, LENGTH - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_one_wrong_character_is_seen(place: int, character: str) -> None:
    key = new_secret()
    other = key[:place] + character + key[place + 1 :]
    assert is_damaged(other) == (other != key and other.startswith("gw_"))


@pytest.mark.parametrize("cut", [1, 6, 48])
def test_a_key_that_was_cut_is_seen(cut: int) -> None:
    assert is_damaged(new_secret()[:-cut])
    assert is_damaged(new_secret() + "x" * cut)


@pytest.mark.parametrize("foreign", ["", "sk-live-0123456789abcdef", "GW_", "Bearer gw_"])
def test_what_is_no_key_of_ours_is_not_judged(foreign: str) -> None:
    assert not is_damaged(foreign)


@given(st.binary(max_size=200))
def test_any_bytes_have_a_digest(sent: bytes) -> None:
    text = sent.decode(errors="surrogateescape")
    assert len(digest_of(text)) == 32
    assert is_damaged(text) in (True, False)
