"""How much a model shall think, as Anthropic is told it: an effort, a budget, or to leave it (vendors.md 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from gateway.types import EMPTY, Call, Chat, Part, Target, Text, Thinking, ToolResult, ToolUse

from .options import reasoning

MIN_BUDGET_TOKENS = 1_024  # the API's own, and a budget has to stay below max_tokens
DEFAULT_MAX_TOKENS = 4_096  # where neither the client nor the model's row sets the limit that the API requires

# What each effort is in tokens, for models that know budgets only.
_BUDGETS = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_768, "max": 65_536}


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes into `thinking`, `output_config.effort` and `max_tokens`, and what of the chat has no place."""

    max_tokens: int
    thinking: Mapping[str, Any] = EMPTY
    effort: str | None = None
    lost: frozenset[str] = frozenset()

    @property
    def is_budgeted(self) -> bool:
        """Thinking by a budget allows no sampling parameters and no forced tool."""
        return self.thinking.get("type") == "enabled"


def plan(call: Call, chat: Chat, target: Target) -> Plan:
    """Return how to say what the chat asks for."""
    most = target.model.max_output_tokens
    max_tokens = chat.max_output_tokens if chat.max_output_tokens is not None else most or DEFAULT_MAX_TOKENS
    effort, budget = chat.reasoning_effort, chat.thinking_budget_tokens
    source, thinking = "thinking_budget_tokens", dict[str, Any]()
    if call.dialect.startswith("anthropic.") and "thinking" in chat.extra:
        thinking = dict(chat.extra["thinking"])
        budget = thinking.get("budget_tokens")
    elif budget is not None:
        thinking = {"type": "enabled"} if budget > 0 else {"type": "disabled"} if budget == 0 else {"type": "adaptive"}
    elif effort == "none":
        thinking = {"type": "disabled"} if reasoning(target) != "none" else {}
    elif effort is not None and reasoning(target) == "budget":
        source, budget, thinking = "reasoning_effort", _BUDGETS[effort], {"type": "enabled"}
    if thinking.get("type") == "enabled" and budget is not None:
        if chat.max_output_tokens is None:
            max_tokens = min(most or budget + DEFAULT_MAX_TOKENS, max(max_tokens, budget + DEFAULT_MAX_TOKENS))
        budget = min(max(budget, MIN_BUDGET_TOKENS), max_tokens - 1)
        if budget < MIN_BUDGET_TOKENS or _is_forced(chat) or _lacks_its_thoughts(chat):
            return Plan(max_tokens, effort=_effort(chat, target), lost=frozenset({source}))
        thinking["budget_tokens"] = budget
    lost = frozenset({"reasoning_effort"} if effort not in (None, "none") and reasoning(target) == "none" else ())
    return Plan(max_tokens, thinking, _effort(chat, target), lost)


def _effort(chat: Chat, target: Target) -> str | None:
    if reasoning(target) != "effort" or chat.reasoning_effort in (None, "none"):
        return None
    return "low" if chat.reasoning_effort == "minimal" else chat.reasoning_effort


def _is_forced(chat: Chat) -> bool:
    return chat.tool_choice is not None and chat.tool_choice.mode in ("required", "tool")


def _lacks_its_thoughts(chat: Chat) -> bool:
    """Say whether the chat is amid a tool loop whose thinking did not come back: then the API takes no more of it.

    The assistant's turn that the last results answer has to begin with thinking of this vendor's own.
    """
    after = list(takewhile(lambda message: message.role != "assistant", reversed(chat.messages)))
    rest = chat.messages[: len(chat.messages) - len(after)]
    turn = list(takewhile(lambda message: message.role == "assistant", reversed(rest)))
    parts = [part for message in reversed(turn) for part in message.parts if is_written(part)]
    has_results = any(isinstance(part, ToolResult) for message in after for part in message.parts)
    if not has_results or not any(isinstance(part, ToolUse) for part in parts):
        return False
    return not isinstance(parts[0], Thinking)


def is_written(part: Part) -> bool:
    """Say whether a part becomes a block: blanks and another vendor's thinking do not."""
    if isinstance(part, Text):
        return bool(part.text.strip())
    return not isinstance(part, Thinking) or part.vendor == "anthropic"
