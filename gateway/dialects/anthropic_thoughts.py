"""Thinking in Anthropic's blocks, also that of other vendors, so that it comes back through a client that knows none.

Anthropic's own passes as it is. What another vendor has signed travels in the opaque fields `signature` and `data`,
which clients return unread, behind a mark that says whose it is; see `FOREIGN`.
"""

from __future__ import annotations

from typing import Any

from gateway.types import Thinking

OWN = "anthropic"
FOREIGN = "gateway:"  # then `signed:` or `sealed:`, the vendor, a colon, and the vendor's own text


def seal(kind: str, vendor: str, text: str) -> str:
    """Return an opaque text that says whose it is: `kind` is `signed` (a signature) or `sealed` (redacted thinking)."""
    return text if vendor == OWN else f"{FOREIGN}{kind}:{vendor}:{text}"


def unseal(text: str) -> tuple[str, str, str]:
    """Return (kind, vendor, text) of what `seal` made; what bears no mark is Anthropic's, and its kind is ""."""
    if not text.startswith(FOREIGN):
        return "", OWN, text
    kind, _, rest = text.removeprefix(FOREIGN).partition(":")
    vendor, _, inner = rest.partition(":")
    return kind, vendor, inner


def read_thinking(text: str, signature: str) -> Thinking:
    """Return a `thinking` block that a client sent back."""
    _, vendor, inner = unseal(signature)
    return Thinking(text, inner or None, vendor=vendor)


def read_redacted(data: str) -> Thinking:
    """Return a `redacted_thinking` block that a client sent back."""
    kind, vendor, inner = unseal(data)
    if kind == "signed":
        return Thinking("", inner or None, vendor=vendor)
    return Thinking(inner, is_redacted=True, vendor=vendor)


def start_block(text: str, signature: str | None, vendor: str, *, is_redacted: bool) -> dict[str, Any]:
    """Return the block by which a thought begins; a bare signature has nothing to show and is hidden as a whole."""
    if is_redacted:
        return {"type": "redacted_thinking", "data": seal("sealed", vendor, text)}
    if signature is not None and not text and vendor != OWN:
        return {"type": "redacted_thinking", "data": seal("signed", vendor, signature)}
    return {"type": "thinking", "thinking": "", "signature": ""}
