"""What is logged of a text is without what may be a secret, wherever it was cut."""

from __future__ import annotations

import re

import pytest

from gateway.config.model import LogContent
from gateway.telemetry.redaction import Content, redacted

POLICY = LogContent(max_chars=200)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("write to jane.doe+x@mail.example.com now", "write to [email] now"),
        ("my key is sk-proj-abcdefghij0123456789 ok", "my key is [key] ok"),
        ("gw_" + "a" * 49, "[key]"),
        ("AKIAIOSFODNN7EXAMPLE1234", "[key]"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: [key]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_-def", "[key]"),
        ("password: hunter2, then", "[key], then"),
        ('{"api_key": "abcdef"}', '{"[key]"}'),
        ("card 4111 1111 1111 1111 thanks", "card [card] thanks"),
        ("4111111111111111", "[card]"),
        ("DE89 3704 0044 0532 0130 00 is mine", "[iban] is mine"),
        ("from 192.168.1.77", "from [ip]"),
        ("call +49 (0)30 1234567 or 030/1234567", "call [phone] or [phone]"),
    ],
)
def test_what_may_be_a_secret_is_taken_out(text: str, shown: str) -> None:
    assert redacted(text, POLICY) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Good morning.",
        "In 2026 we sold 1,234,567 at 19.99",
        "version 3.11.7",
        "a@b",
        "123456",
        "skeleton-key",
        "語",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert redacted(text, POLICY) == text


def test_what_an_operator_names_is_taken_out_too() -> None:
    policy = LogContent(redact=(re.compile(r"\bCUST-\d+\b"),))
    assert redacted("for CUST-1234 and CUST-x", policy) == "for [redacted] and CUST-x"


@pytest.mark.parametrize("length", [199, 200, 201])
def test_a_text_is_cut_at_its_length(length: int) -> None:
    assert redacted("x" * length, POLICY) == ("x" * min(length, 200)) + ("…" if length > 200 else "")


@pytest.mark.parametrize("at", range(150, 206))
def test_no_cut_leaves_part_of_a_secret(at: int) -> None:
    text = "x " * (at // 2) + "sk-canary-0123456789abcdefghijklmnop" + " and more"
    assert "canary" not in redacted(text, POLICY)


def test_pieces_are_put_together_before_they_are_looked_at() -> None:
    content = Content(POLICY, "hello")
    for piece in ("jane@", "mail.exam", "ple.com"):
        content.add(piece)
    assert content.told() == {"input": "hello", "output": "[email]"}


def test_no_more_is_kept_than_is_needed() -> None:
    content = Content(POLICY)
    for _ in range(10_000):
        content.add("x" * 100)
    assert content.output_chars < 1000
    assert content.told()["output"] == "x" * 200 + "…"
    assert "x" not in repr(content).replace("max_chars", "")
