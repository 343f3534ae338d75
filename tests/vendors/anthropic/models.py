"""The models this fake Anthropic serves and what each accepts: a table, to be corrected as facts come in.

Sources: anthropic 2.12.0 and vendors.md 2 (2026-11-23). UNV marks what was not checked live.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tests.vendors.anthropic.errors import Refusal
from tests.vendors.faults import split_model

CREATED_AT = "2026-09-01T00:00:00Z"
EFFORTS = ("low", "medium", "high", "xhigh", "max")


Thinking = Literal["budget", "both", "adaptive", "always"]  # the modes a model takes; `always` cannot be disabled


@dataclass(frozen=True, slots=True)
class ModelRule:
    """What one model accepts. Sources: the vendor's model pages and migration guides, read 2026-11-23."""

    id: str
    display_name: str
    max_tokens: int = 128_000
    context_tokens: int = 1_000_000
    thinking: Thinking = "adaptive"
    thinks_unasked: bool = False
    efforts: tuple[str, ...] = EFFORTS
    has_sampling: bool = False  # on version 2023-06-01
    has_prefill: bool = False
    has_system_turns: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the model as `GET /models/{id}` does."""
        return {
            "type": "model",
            "id": self.id,
            "display_name": self.display_name,
            "created_at": CREATED_AT,
            "lifecycle": "active",
            "max_input_tokens": self.context_tokens,
            "max_tokens": self.max_tokens,
        }


RULES: tuple[ModelRule, ...] = (
    ModelRule("claude-opus-5-5", "Claude Opus 5.5", thinking="always", thinks_unasked=True),
    ModelRule("claude-sonnet-5-5", "Claude Sonnet 5.5", thinks_unasked=True),
    ModelRule("claude-haiku-5-5", "Claude Haiku 5.5", thinks_unasked=True),
    ModelRule("claude-opus-4-8", "Claude Opus 4.8"),
    ModelRule("claude-sonnet-4-6", "Claude Sonnet 4.6", thinking="both", has_sampling=True, has_system_turns=False),
    ModelRule(
        "claude-haiku-4-5", "Claude Haiku 4.5", 64_000, 200_000, "budget",
        efforts=(), has_sampling=True, has_prefill=True, has_system_turns=False,
    ),
)  # fmt: skip
BY_ID = {rule.id: rule for rule in RULES}


def find_model(name: Any) -> ModelRule:
    """Return a model's rule, the fault suffix of its name left aside; refuse unknown names with 404."""
    rule = BY_ID.get(split_model(name)[0]) if isinstance(name, str) else None
    if rule is None:
        raise Refusal(f"model: {name}", 404, "not_found_error")
    return rule
