"""What is to happen in a run, drawn from its seed: who asks what and when he leaves, what ails which vendor, which
configuration is loaded when."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from tests.proofs.virtual.variants import KEYS, VARIANTS
from tests.vendors.faults import Fault, FaultKind

ASKS = (8, 24)
WITHIN_S = 10.0
VENDORS = ("alpha", "beta", "gamma")
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
KINDS: tuple[FaultKind, ...] = (
    "status", "html", "redirect", "refuse", "slow_headers", "slow_first_event", "stall_mid_stream", "cut_mid_stream",
    "cut_without_terminator", "malformed_event", "error_event_in_200", "truncated_json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `leaves_after_s`: the client goes then, whatever it has; `pause_s`: it reads that slowly."""

    number: int
    at_s: float
    text: str
    key: str
    is_streamed: bool
    is_shared: bool  # others ask the same
    leaves_after_s: float | None = None
    pause_s: float = 0.0
    cache_control: str = ""

    @property
    def request_id(self) -> str:
        return f"chaos-{self.number:04d}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What ails a vendor from one moment to another: a fault, no listener, or one that answers no connection."""

    vendor: str
    at_s: float
    until_s: float
    what: Fault | Literal["down", "deaf"]


@dataclass(frozen=True, slots=True)
class Reload:
    at_s: float
    variant: int | None  # None: a file that is refused


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    first: int  # the variant of the start
    asks: tuple[Ask, ...]
    troubles: tuple[Trouble, ...]
    reloads: tuple[Reload, ...]
    paces_s: tuple[float, ...]  # from event to event, by vendor


def plan_of(seed: int) -> Plan:
    """Return what happens under a seed."""
    chance = random.Random(f"plan {seed}")
    asks = tuple(_ask(number, chance) for number in range(chance.randint(*ASKS)))
    return Plan(
        seed,
        chance.randrange(len(VARIANTS)),
        asks,
        tuple(_trouble(chance) for _ in range(chance.randint(0, 8))),
        tuple(
            Reload(chance.uniform(0, WITHIN_S), chance.choice([*range(len(VARIANTS)), None]))
            for _ in range(chance.randint(0, 3))
        ),
        tuple(chance.choice((0.0, 0.02, 0.1)) for _ in VENDORS),
    )


def _ask(number: int, chance: random.Random) -> Ask:
    is_shared = chance.random() < 0.4
    text = f"shared {' '.join(WORDS[: chance.randint(3, 6)])}" if is_shared else f"number {number} {' '.join(WORDS)}"
    return Ask(
        number,
        chance.choice((0.0, 1.0, chance.uniform(0, WITHIN_S), chance.uniform(0, WITHIN_S))),  # some all at once
        text,
        chance.choice(KEYS),
        chance.random() < 0.6,
        is_shared,
        chance.choice((chance.uniform(0, 0.05), chance.uniform(0, 3.0))) if chance.random() < 0.3 else None,
        chance.uniform(0.01, 0.3) if chance.random() < 0.2 else 0.0,
        chance.choice(("", "", "", "no-cache", "no-store")),
    )


def _trouble(chance: random.Random) -> Trouble:
    at_s = chance.uniform(-1, WITHIN_S)
    until_s = at_s + chance.choice((0.2, 2.0, 30.0)) * chance.random()
    drawn = chance.random()
    what: Fault | Literal["down", "deaf"] = "down" if drawn < 0.1 else "deaf" if drawn < 0.15 else _fault(chance)
    return Trouble(chance.choice(VENDORS), at_s, until_s, what)


def _fault(chance: random.Random) -> Fault:
    return Fault(
        chance.choice(KINDS),
        status=chance.choice((429, 500, 502, 503, 529)),
        retry_after_s=chance.choice((None, 1.0, 5.0)),
        delay_s=chance.choice((0.3, 1.5, 60.0)),
        after_events=chance.choice((None, 0, 1, 2, 5, 50)),
        times=chance.choice((1, 3, None)),
    )
