"""Deterministic usage: tests compute the same numbers with these functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from operator import eq
from typing import Any

from tests.vendors.gemini.choices import Choice
from tests.vendors.sse import compact
from tests.vendors.tokens import BYTES_PER_TOKEN, count_tokens

CONTENT_TOKENS = 4  # fixed cost of a content besides its parts
MEDIA_TOKENS = 258  # Gemini's own number for one image
MIN_CACHED_TOKENS = 1024  # prompts are cached implicitly from this length


class PromptCache:
    """Remembers the last prompt of each model, and tells how much of the next one repeats it."""

    def __init__(self) -> None:
        self._last: dict[str, bytes] = {}

    def cached_tokens(self, model: str, body: Mapping[str, Any]) -> int:
        """Return the repeated tokens, 0 when fewer than the minimum; remembers this prompt."""
        prompt = compact(body["contents"])
        before, self._last[model] = self._last.get(model, b""), prompt
        same_bytes = sum(1 for _ in takewhile(bool, map(eq, before, prompt)))
        tokens = min(same_bytes // BYTES_PER_TOKEN, prompt_tokens(body))
        return tokens if tokens >= MIN_CACHED_TOKENS else 0

    def clear(self) -> None:
        """Forget all prompts."""
        self._last.clear()


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Return the tokens of contents, system instruction, and tools as compact JSON."""
    tools = count_tokens(compact(body["tools"]).decode()) if body.get("tools") else 0
    system = [body["systemInstruction"]] if body.get("systemInstruction") else []
    return tools + sum(content_tokens(content) for content in [*system, *(body.get("contents") or ())])


def content_tokens(content: Mapping[str, Any]) -> int:
    """Return 4, and each part's tokens."""
    return CONTENT_TOKENS + sum(_part_tokens(part) for part in content.get("parts") or ())


def usage_metadata(prompt: int, cached: int, choices: Sequence[Choice], thoughts: int) -> dict[str, Any]:
    """Return `usageMetadata`; thoughts are counted beside the candidates' tokens, cached ones within the prompt's."""
    said = sum(choice.tokens() for choice in choices)
    thought = thoughts * len(choices)
    usage: dict[str, Any] = {"promptTokenCount": prompt}
    usage |= {"candidatesTokenCount": said} if said else {}
    usage |= {"totalTokenCount": prompt + said + thought}
    usage |= {"cachedContentTokenCount": cached} if cached else {}
    usage |= {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}]}
    return usage | ({"thoughtsTokenCount": thought} if thought else {})


def _part_tokens(part: Mapping[str, Any]) -> int:
    if "text" in part:
        return count_tokens(part["text"])
    for name in ("functionCall", "functionResponse"):
        if name in part:
            return count_tokens(compact({key: part[name].get(key) for key in ("name", "args", "response")}).decode())
    return MEDIA_TOKENS
