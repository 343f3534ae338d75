"""The sandbox's token rule: one token for every 4 bytes of UTF-8, rounded up for each part; a file or picture is 85."""

from __future__ import annotations

from collections.abc import Iterator

TOKEN_BYTES = 4
MEDIA_TOKENS = 85  # what OpenAI counts for a picture in low detail; here for anything that is not text


def count(text: str) -> int:
    """Return how many tokens one part of text is."""
    return -(-len(text.encode()) // TOKEN_BYTES)


def first(text: str, tokens: int) -> str:
    """Return the longest start of `text` that is at most `tokens`."""
    if tokens < 0:
        return ""
    return text.encode()[: tokens * TOKEN_BYTES].decode(errors="ignore")


def pieces(text: str) -> Iterator[str]:
    """Yield `text` in pieces of a token or a little more: a character is never split."""
    start, size_bytes = 0, 0
    for at, character in enumerate(text):
        size_bytes += len(character.encode())
        if size_bytes >= TOKEN_BYTES:
            yield text[start : at + 1]
            start, size_bytes = at + 1, 0
    if start < len(text):
        yield text[start:]
