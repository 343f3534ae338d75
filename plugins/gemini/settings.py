"""Gemini's `generationConfig`, and how much the model shall think (vendors.md 3 and 3.1, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.types import Chat, OutputFormat, Target

from .names import generation

MAX_STOPS = 5
MAX_CANDIDATES = 8
INT32 = 2**31

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_LEVELS = ("minimal", "low", "medium", "high", "xhigh")  # of Gemini 3 and later
_COMMON_LEVELS = ("low", "medium", "high")  # what every model of it takes; a row's `thinking_levels` says more

# Gemini 2.5 takes tokens: what Google's own OpenAI-compatible endpoint makes of each effort.
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 32_768}
_BUDGET_RANGE = (0, 24_576)  # of gemini-2.5-flash; a row's `thinking_budget` says otherwise


def refusal(chat: Chat) -> str | None:
    """Return which limit a chat goes beyond."""
    if len(chat.stop) > MAX_STOPS:
        return f"takes at most {MAX_STOPS} stop sequences, not {len(chat.stop)}"
    if chat.n > MAX_CANDIDATES:
        return f"gives at most {MAX_CANDIDATES} choices, not {chat.n}"
    return None


def generation_config(chat: Chat, target: Target) -> dict[str, Any]:
    """Return what was asked for, {} where that is nothing."""
    config: dict[str, Any] = {
        "temperature": chat.temperature,
        "topP": chat.top_p,
        "topK": chat.top_k,
        "candidateCount": chat.n if chat.n != 1 else None,
        "maxOutputTokens": chat.max_output_tokens,
        "stopSequences": list(chat.stop) or None,
        "seed": _seed(chat.seed),
        "presencePenalty": chat.presence_penalty,
        "frequencyPenalty": chat.frequency_penalty,
        "responseLogprobs": chat.logprobs,
        "logprobs": chat.top_logprobs if chat.logprobs else None,
        "thinkingConfig": _thinking(chat, target),
    }
    config |= _output(chat.output_format)
    return {key: value for key, value in config.items() if value is not None}


def _seed(seed: int | None) -> int | None:
    """Gemini's is an int32: a larger one is folded, so that the same seed still gives the same answer."""
    return seed if seed is None or -INT32 <= seed < INT32 else seed % INT32


def _output(wanted: OutputFormat | None) -> dict[str, Any]:
    if wanted is None or wanted.kind == "text":
        return {}
    if wanted.kind == "json_object" or not wanted.schema:
        return {"responseMimeType": "application/json"}
    return {"responseMimeType": "application/json", "responseJsonSchema": dict(wanted.schema)}


def _thinking(chat: Chat, target: Target) -> dict[str, Any] | None:
    """A level from Gemini 3 on, a budget of tokens before; a budget that the client named is sent as it is."""
    options = target.model.options
    if chat.thinking_budget_tokens is not None:
        return {"thinkingBudget": chat.thinking_budget_tokens, "includeThoughts": True}
    if chat.reasoning_effort not in _EFFORTS:
        return None
    if generation(target) >= 3:
        return {"thinkingLevel": _level(chat.reasoning_effort, options.get("thinking_levels", _COMMON_LEVELS))}
    low, high = options.get("thinking_budget", _BUDGET_RANGE)
    return {"thinkingBudget": max(low, min(high, _BUDGETS[chat.reasoning_effort]))}


def _level(effort: str, taken: Sequence[str]) -> str:
    """Return the lowest level the model takes that is no less than what was asked for, else its highest."""
    rank: Mapping[str, int] = {level: place for place, level in enumerate(_LEVELS)}
    wanted = {"none": 0, "max": rank["xhigh"]}.get(effort, rank.get(effort, 0))
    known = sorted((level for level in taken if level in rank), key=rank.__getitem__) or list(_COMMON_LEVELS)
    return next((level for level in known if rank[level] >= wanted), known[-1]).upper()
