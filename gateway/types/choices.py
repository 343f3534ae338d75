"""Which of a model's targets are asked, in which order: strategies, conditions and shadows as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from gateway.types.providers import Target
from gateway.types.words import Operation

Strategy = Literal["priority", "weighted", "round-robin", "fastest", "least-busy", "cheapest", "sticky"]
SizeUnit = Literal["input_tokens", "chars", "audio_s"]

SHADOW = "(shadow)"  # the key, tenant and route of copies: no key, tenant or route can be called so
SESSION_HEADER = "x-gateway-session"  # where `sticky` looks unless the model names another


@dataclass(frozen=True, slots=True)
class Words:
    """What a text may be: patterns with `*`, compiled to one."""

    patterns: tuple[str, ...]
    compiled: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Size:
    """From so much to so much of what a client sends, both included. `most` is infinite where nothing is said."""

    unit: SizeUnit
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of certain days; one that ends before it begins goes on over midnight."""

    days: frozenset[int]  # on which it begins, Monday is 0
    from_min: int  # minutes of the day
    to_min: int  # exclusive; 1440 is the end of the day
    zone: tzinfo
    text: str  # as it is said to people


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """How much of a limit's budget is left, in percent, both included; of several periods the least counts."""

    limit: str
    least_percent: float
    most_percent: float


@dataclass(frozen=True, slots=True)
class When:
    """All that is said has to hold for a target to be asked."""

    operations: frozenset[Operation] = frozenset()
    languages: tuple[str, ...] = ()  # lower case
    sizes: tuple[Size, ...] = ()
    tags: tuple[tuple[str, Words], ...] = ()
    headers: tuple[tuple[str, Words], ...] = ()
    hours: Hours | None = None
    budget_left: BudgetLeft | None = None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A target that is sent a copy of some calls, in the background."""

    target: Target
    percent: float
    in_flight: int  # at once, at most


@dataclass(frozen=True, slots=True)
class Choice:
    """How a model chooses among its targets. `model` is the alias, which may be a pattern."""

    model: str
    strategy: Strategy = "priority"
    session_header: str = SESSION_HEADER
    shadow: Shadow | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A target's place among those of its model. `name` is as it was configured, so it may end in `*`."""

    choice: Choice
    name: str
    weight: float = 1.0
    group: int = 1  # the targets of later groups are asked when those of earlier ones have failed
    when: When | None = None
