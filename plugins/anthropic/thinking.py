"""How much a model shall think, as Anthropic is told it: an effort, a budget, or to leave it (vendors.md 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from gateway.types import EMPTY, Call, Chat, Part, Target, Text, Thinking, ToolResult, ToolUse

from .options import can_stop_thinking, reasoning

MIN_BUDGET_TOKENS = 1_024  # the API's own, and a budget has to stay below max_tokens
DEFAULT_MAX_TOKENS = 4_096  # where neither the client nor the model's row sets the limit that the API requires

# What each effort is in tokens, for models that know budgets only, and back for those that know none any more.
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
    if call.dialect.startswith("anthropic.") and "thinking" in chat.extra:
        return Plan(max_tokens, dict(chat.extra["thinking"]), chat.reasoning_effort)
    match reasoning(target):
        case "effort":
            return _by_effort(chat, target, max_tokens)
        case "budget":
            return _by_budget(chat, most, max_tokens)
    asked = {"reasoning_effort": chat.reasoning_effort, "thinking_budget_tokens": chat.thinking_budget_tokens}
    return Plan(max_tokens, lost=frozenset(name for name, value in asked.items() if value not in (None, "none", 0)))


def _by_effort(chat: Chat, target: Target, max_tokens: int) -> Plan:
    """For models that refuse a budget: one that was asked for becomes thinking at the effort that is nearest to it."""
    effort, budget = chat.reasoning_effort, chat.thinking_budget_tokens
    effort = "low" if effort == "minimal" else effort
    if budget == 0 or (budget is None and effort == "none"):
        effort = None if effort == "none" else effort
        if can_stop_thinking(target):
            return Plan(max_tokens, {"type": "disabled"}, effort)
        return Plan(max_tokens, effort=effort or "low")
    if budget is None:
        return Plan(max_tokens, effort=effort)
    nearest = next((name for name, tokens in _BUDGETS.items() if name != "minimal" and budget <= tokens), "max")
    given = effort if effort not in (None, "none") else nearest if budget > 0 else None
    return Plan(max_tokens, {"type": "adaptive"}, given)


def _by_budget(chat: Chat, most: int | None, max_tokens: int) -> Plan:
    effort, budget = chat.reasoning_effort, chat.thinking_budget_tokens
    source = "thinking_budget_tokens" if budget is not None else "reasoning_effort"
    if budget is None and effort is not None:
        budget = 0 if effort == "none" else _BUDGETS[effort]
    if not budget:
        return Plan(max_tokens, {"type": "disabled"} if budget == 0 else {})
    budget = _BUDGETS["medium"] if budget < 0 else budget
    if chat.max_output_tokens is None:
        max_tokens = min(most or budget + DEFAULT_MAX_TOKENS, max(max_tokens, budget + DEFAULT_MAX_TOKENS))
    budget = min(max(budget, MIN_BUDGET_TOKENS), max_tokens - 1)
    if budget < MIN_BUDGET_TOKENS or is_forced(chat) or _lacks_its_thoughts(chat):
        return Plan(max_tokens, lost=frozenset({source}))
    return Plan(max_tokens, {"type": "enabled", "budget_tokens": budget})


def is_forced(chat: Chat) -> bool:
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
