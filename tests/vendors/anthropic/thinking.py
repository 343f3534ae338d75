"""Thinking blocks that only this vendor can have made: each is signed, and a changed or foreign one is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from tests.vendors.anthropic.errors import Refusal

_SECRET = b"the simulator's own"


def thinking_block(text: str, *, is_shown: bool = True) -> dict[str, Any]:
    """Return a signed block; where its text is not shown, the signature alone carries it."""
    sealed = base64.b64encode(text.encode()).decode()
    signature = f"{sealed}.{_sign('thinking', sealed)}"
    return {"type": "thinking", "thinking": text if is_shown else "", "signature": signature}


def redacted_block(text: str) -> dict[str, Any]:
    """Return a block whose text nobody can read, and whose seal the vendor can check."""
    sealed = base64.b64encode(text.encode()).decode()
    return {"type": "redacted_thinking", "data": f"{sealed}.{_sign('redacted', sealed)}"}


def check_blocks(messages: list[dict[str, Any]]) -> None:
    """Refuse thinking that did not come from here, or not as it left."""
    for place, message in enumerate(messages):
        content = message["content"]
        for index, block in enumerate(content if isinstance(content, list) else ()):
            if not _is_own(block):
                kind = block["type"]
                field = "signature" if kind == "thinking" else "data"
                raise Refusal(f"messages.{place}.content.{index}: Invalid `{field}` in `{kind}` block")


def check_tool_loop(messages: list[dict[str, Any]]) -> None:
    """With thinking enabled, an assistant's turn whose tools are being answered has to begin with its thinking."""
    if messages[-1]["role"] != "user" or not _has(messages[-1], "tool_result"):
        return
    for place in range(len(messages) - 2, -1, -1):
        if messages[place]["role"] == "assistant":
            content = messages[place]["content"]
            first = content[0]["type"] if isinstance(content, list) and content else "text"
            if first not in ("thinking", "redacted_thinking"):
                where = f"messages.{place}.content.0.type"
                raise Refusal(
                    f"{where}: Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` is "
                    "enabled, a final `assistant` message must start with a thinking block."
                )
            return


def _has(message: dict[str, Any], kind: str) -> bool:
    content = message["content"]
    return isinstance(content, list) and any(block["type"] == kind for block in content)


def _is_own(block: dict[str, Any]) -> bool:
    if block["type"] == "thinking":
        sealed, _, signature = block["signature"].partition(".")
        shown = base64.b64encode(block["thinking"].encode()).decode()
        return shown in ("", sealed) and hmac.compare_digest(_sign("thinking", sealed), signature)
    if block["type"] == "redacted_thinking":
        sealed, _, signature = block["data"].partition(".")
        return hmac.compare_digest(_sign("redacted", sealed), signature)
    return True


def _sign(kind: str, text: str) -> str:
    digest = hmac.new(_SECRET, f"{kind}:{text}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
