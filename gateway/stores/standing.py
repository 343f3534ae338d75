"""How targets do in this process, and whose turn it is: what strategies choose by, and what outlives a reload."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.errors import GatewayError, TargetLimited
from gateway.stores.watching import OutOfTime
from gateway.types import Target

NEWS = 0.1  # how much one answer moves an average at least: about the last twenty tell
MEMORY_S = 30.0  # after a pause of so long most of what an average held is replaced by one answer
HALF_LIFE_S = 60.0  # a target that is not asked is thought twice as fast after so long, until it is tried again
FAILED_S = 10.0  # what an attempt that failed counts as: slower than what anybody would wait for
MAX_TARGETS = 1_000  # more than any configuration has; patterns let clients name others
MAX_TURNS = 10_000  # of models and targets together


@dataclass(slots=True)
class Known:
    """What is known of one target."""

    in_flight: int = 0
    latency_s: float | None = None  # to the first content, an average; None: nobody knows
    learnt_s: float = 0.0
    asked_s: float = 0.0


class Standing:
    """A `Watcher` of failover: attempts in flight and the time to the first content of each target, by its name.

    `now` is monotonic, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._targets: OrderedDict[str, Known] = OrderedDict()  # the one that was asked last at the end
        self._turns: OrderedDict[tuple[str, str], int] = OrderedDict()  # the one that was first last at the end
        self._turn = 0

    # ---------------------------------------------------------------- what is watched

    def began(self, target: Target) -> _Attempt:
        known = self._targets.get(target.name)
        if known is None:
            known = self._targets[target.name] = Known()
            self._forget()
        self._targets.move_to_end(target.name)
        known.in_flight += 1
        known.asked_s = self._now()
        return _Attempt(self)

    def content(self, target: Target, after_s: float) -> None:
        self._learn(target.name, after_s)

    def ended(self, target: Target, error: BaseException | None) -> None:
        known = self._targets.get(target.name)
        if known is not None:
            known.in_flight = max(0, known.in_flight - 1)
        if _is_failure(error):
            self._learn(target.name, FAILED_S)

    # ---------------------------------------------------------------- what is asked

    def known(self, name: str) -> Known | None:
        """Return what was seen of a target, None where nothing was."""
        return self._targets.get(name)

    def in_flight(self, name: str) -> int:
        """Return how many attempts at a target are under way."""
        known = self._targets.get(name)
        return known.in_flight if known is not None else 0

    def latency_s(self, name: str) -> float | None:
        """Return in how many seconds a target is thought to give its first content; None: nobody knows.

        The longer it was not asked, the less: so it is tried again. From then on it is what was learnt, until it
        answers: one call tries, and not all that come meanwhile.
        """
        known = self._targets.get(name)
        if known is None or known.latency_s is None:
            return None
        return known.latency_s * math.exp2((known.asked_s - self._now()) / HALF_LIFE_S)

    def is_waited_for(self, name: str) -> bool:
        """Return whether a target that nobody knows is being tried."""
        known = self._targets.get(name)
        return known is not None and known.latency_s is None and known.in_flight > 0

    def turns(self, rota: str, names: Sequence[str]) -> list[int]:
        """Return when each of `names` was first the last time, as a number that grows; 0: it never was."""
        return [self._turns.get((rota, name), 0) for name in names]

    def take_turn(self, rota: str, name: str) -> None:
        """Remember who is first now. Whoever is left out once for whatever reason takes none of another's."""
        self._turn += 1
        self._turns[rota, name] = self._turn
        self._turns.move_to_end((rota, name))
        if len(self._turns) > MAX_TURNS:
            self._turns.popitem(last=False)

    # ---------------------------------------------------------------- within

    def _learn(self, name: str, seconds: float) -> None:
        known = self._targets.get(name)
        if known is None:
            return
        now = self._now()
        if known.latency_s is None:
            known.latency_s = seconds
        else:
            news = max(NEWS, 1 - math.exp((known.learnt_s - now) / MEMORY_S))
            known.latency_s += news * (seconds - known.latency_s)
        known.learnt_s = now

    def _forget(self) -> None:
        """Let go of the target that was asked least lately, and of none that is being asked."""
        if len(self._targets) <= MAX_TARGETS:
            return
        oldest = next((name for name, known in self._targets.items() if not known.in_flight), None)
        if oldest is not None:
            del self._targets[oldest]


class _Attempt:
    """One attempt, whose call may be out of time: once it had content, that is no fault of its target."""

    __slots__ = ("_has_content", "_standing")

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._has_content = False

    def began(self, target: Target) -> None:
        """It has begun already."""

    def content(self, target: Target, after_s: float) -> None:
        self._has_content = True
        self._standing.content(target, after_s)

    def ended(self, target: Target, error: BaseException | None) -> None:
        self._standing.ended(target, None if self._has_content and isinstance(error, OutOfTime) else error)


def _is_failure(error: BaseException | None) -> bool:
    """Whether an attempt failed by the vendor's fault. What nobody wanted, or our limits stopped, says nothing."""
    if error is None or isinstance(error, asyncio.CancelledError | GeneratorExit | TargetLimited):
        return False
    return not isinstance(error, GatewayError) or error.blame == "upstream"
