"""Deterministic usage of a chat: tests compute the same numbers with these functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from operator import eq
from typing import Any

from tests.vendors.openai.chat_choices import Choice, reasoning_tokens, text_of
from tests.vendors.openai.models import ModelRule
from tests.vendors.sse import compact
from tests.vendors.tokens import BYTES_PER_TOKEN, count_tokens

MESSAGE_TOKENS = 4  # fixed cost of a message besides its text
PART_TOKENS = {"image_url": 85, "input_audio": 50, "file": 100}  # fixed cost of a part that is not text
MIN_CACHED_TOKENS = 1024  # OpenAI caches prompts from this length, in steps of the next
CACHE_STEP_TOKENS = 128


class PromptCache:
    """Remembers the last prompt of each model and cache key, and tells how much of the next one repeats it."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], bytes] = {}

    def cached_tokens(self, body: Mapping[str, Any]) -> int:
        """Return the repeated tokens in whole steps, 0 when fewer than the minimum; remembers this prompt."""
        key = (body["model"], body.get("prompt_cache_key") or "")
        prompt = compact(body["messages"])
        before, self._last[key] = self._last.get(key, b""), prompt
        same_bytes = _same_bytes(before, prompt)
        tokens = min(same_bytes // BYTES_PER_TOKEN, prompt_tokens(body)) // CACHE_STEP_TOKENS * CACHE_STEP_TOKENS
        return tokens if tokens >= MIN_CACHED_TOKENS else 0

    def clear(self) -> None:
        """Forget all prompts."""
        self._last.clear()


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Return 4 per message, its text's tokens, fixed amounts for other parts, and the tools as compact JSON."""
    tools = count_tokens(compact(body["tools"]).decode()) if body.get("tools") else 0
    return tools + sum(_message_tokens(message) for message in body["messages"])


def chat_usage(
    body: Mapping[str, Any], rule: ModelRule, choices: Sequence[Choice], cached_tokens: int
) -> dict[str, Any]:
    """Return the `usage` object; cached and reasoning tokens are parts of the sums, not added to them."""
    prompt = prompt_tokens(body)
    reasoning = reasoning_tokens(body, rule) * len(choices)
    completion = sum(choice.tokens() for choice in choices) + reasoning
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _message_tokens(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    other = sum(PART_TOKENS.get(part["type"], 0) for part in parts)
    calls = compact(message["tool_calls"]).decode() if message.get("tool_calls") else ""
    return MESSAGE_TOKENS + count_tokens(text_of(content)) + other + count_tokens(calls)


def _same_bytes(one: bytes, other: bytes) -> int:
    return sum(1 for _ in takewhile(bool, map(eq, one, other)))
