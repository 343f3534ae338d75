"""Reasoning that goes out to a client and must come back to its own vendor, whoever that is, as `encrypted_content`.

What is OpenAI's own travels as OpenAI has it, so that it also serves on the verbatim path; what is another vendor's
gets a prefix that says whose it is. Redacted thinking has its sealed content in `Thinking.text`.
"""

from __future__ import annotations

from typing import Any

from gateway import json
from gateway.types import Thinking

_PREFIX = "gateway1"  # the format's version: parts by ":", which no vendor's name holds
OWN = "openai"


def seal(thinking: Thinking, item_id: str) -> dict[str, Any]:
    """Return `id` and `encrypted_content` of a reasoning item; the latter is None where nothing is sealed."""
    sealed = thinking.text if thinking.is_redacted else thinking.signature
    if sealed is None:
        return {"id": item_id, "encrypted_content": None}
    if thinking.vendor == OWN:
        own = json.loads(sealed)  # as the plugin wrote it
        return {"id": own["id"] or item_id, "encrypted_content": own["encrypted_content"]}
    kind = "redacted" if thinking.is_redacted else "plain"
    return {"id": item_id, "encrypted_content": f"{_PREFIX}:{thinking.vendor}:{kind}:{sealed}"}


def unseal(sealed: str, item_id: str, text: str) -> Thinking:
    """Return the thinking that a client sends back."""
    prefix, _, rest = sealed.partition(":")
    if prefix != _PREFIX:
        signature = json.dumps({"id": item_id, "encrypted_content": sealed}).decode()
        return Thinking(text, signature, vendor=OWN)
    vendor, _, rest = rest.partition(":")
    kind, _, inner = rest.partition(":")
    if kind == "redacted":
        return Thinking(inner, is_redacted=True, vendor=vendor)
    return Thinking(text, inner, vendor=vendor)
