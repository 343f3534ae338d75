"""The simulators' token count: one token per 4 bytes of UTF-8, rounded up, so that tests can compute exact usage."""

from __future__ import annotations

BYTES_PER_TOKEN = 4


def count_tokens(text: str) -> int:
    """Return ceil(bytes / 4); 0 for the empty text."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def cut_to_tokens(text: str, max_tokens: int) -> str:
    """Return the longest prefix of `text`, of whole characters, that counts at most `max_tokens`."""
    return text.encode()[: max(max_tokens, 0) * BYTES_PER_TOKEN].decode(errors="ignore")
