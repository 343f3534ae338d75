"""Deterministic usage: what the prompt has in tokens, and what of it the vendor's cache read or wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.vendors.anthropic.saying import Said
from tests.vendors.anthropic.turns import merged
from tests.vendors.sse import compact
from tests.vendors.tokens import count_tokens

MESSAGE_TOKENS = 4  # fixed cost of a turn besides what it holds
PART_TOKENS = {"image": 85, "document": 100}  # fixed cost of a block that is not text
MIN_CACHED_TOKENS = 1024


class PromptCache:
    """The prefixes that were marked by `cache_control`, as the vendor would keep them for five minutes."""

    def __init__(self) -> None:
        self._known: set[tuple[str, bytes]] = set()

    def look_up(self, body: Mapping[str, Any]) -> tuple[int, int]:
        """Return the tokens (read, written) of the longest marked prefix, which is then known; 0 when it is short."""
        pieces = list(_pieces(body))
        marks = [place for place, (_, block) in enumerate(pieces) if block.get("cache_control")]
        if body.get("cache_control"):
            marks.append(len(pieces) - 1)
        if not marks:
            return 0, 0
        prefix = pieces[: max(marks) + 1]
        tokens = sum(count for count, _ in prefix)
        if tokens < MIN_CACHED_TOKENS:
            return 0, 0
        key = (body["model"], compact([block for _, block in prefix]))
        if key in self._known:
            return tokens, 0
        self._known.add(key)
        return 0, tokens

    def clear(self) -> None:
        """Forget all prompts."""
        self._known.clear()


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Return the tokens of tools, system and messages."""
    return sum(count for count, _ in _pieces(body))


def usage_of(body: Mapping[str, Any], said: Said, cached: tuple[int, int]) -> dict[str, Any]:
    """Return the `usage` object: input_tokens leave out what was read from or written to the cache."""
    read, written = cached
    return {
        "input_tokens": prompt_tokens(body) - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": said.output_tokens,
        "output_tokens_details": {"thinking_tokens": said.thinking_tokens},
        "service_tier": "standard",
    }


def _pieces(body: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    for tool in body.get("tools") or ():
        yield count_tokens(compact(tool).decode()), tool
    system = body.get("system") or []
    for block in [{"type": "text", "text": system}] if isinstance(system, str) else system:
        yield count_tokens(block["text"]), block
    for _, content in merged(body["messages"]):
        for index, block in enumerate(content):
            yield _tokens(block) + (MESSAGE_TOKENS if index == 0 else 0), block


def _tokens(block: Mapping[str, Any]) -> int:
    if block["type"] == "text":
        return count_tokens(block["text"])
    if block["type"] in PART_TOKENS:
        return PART_TOKENS[block["type"]]
    return count_tokens(compact(block).decode())
