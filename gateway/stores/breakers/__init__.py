"""The breakers of all targets, by name: what watches attempts, and what keeps calls from targets that are ejected.

They outlive a reload: a target that stays keeps what is known of it, with its new numbers.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from gateway.stores.breakers.breaker import Breaker, Failure, State, Trial
from gateway.stores.breakers.verdict import failure_of
from gateway.types import Call, ProbePolicy, Provider, Target

__all__ = ["Board", "Breaker", "Breakers", "Failure", "State"]

LOGGER = logging.getLogger("gateway")


class Board(Protocol):
    """Shows what breakers do, as metrics."""

    def breaker_stands(self, target: str, state: State) -> None: ...

    def breaker_moved(self, target: str, state: State) -> None: ...

    def breaker_gone(self, target: str) -> None: ...


class _Nowhere:
    def breaker_stands(self, target: str, state: State) -> None: ...

    def breaker_moved(self, target: str, state: State) -> None: ...

    def breaker_gone(self, target: str) -> None: ...


def loop_time() -> float:
    return asyncio.get_running_loop().time()


class Breakers:
    """A Gate and a Watcher of failover. Names that are not configured, as a pattern lets them pass, share the breaker
    `provider/*`, so that there are never more breakers than configured names."""

    def __init__(
        self,
        board: Board | None = None,
        clock: Callable[[], float] = loop_time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._board = board if board is not None else _Nowhere()
        self._clock = clock
        self._draw = draw
        self._breakers: dict[str, Breaker] = {}
        self._reached: dict[str, tuple[str, Mapping[str, str], Mapping[str, Any]]] = {}

    def use(self, targets: Iterable[Target]) -> None:
        """Keep the breakers of these targets, and let go of all others. What is reached at another address or with
        other credentials than before begins anew: what was learnt was of another."""
        before, self._breakers = self._breakers, {}
        reached_before, self._reached = self._reached, {}
        for target in targets:
            if not target.breaker.is_on or target.name in self._breakers:
                continue
            reached = (target.provider.base_url, target.provider.credentials, target.provider.options)
            breaker = before.pop(target.name, None)
            if breaker is not None and reached == reached_before.get(target.name):
                breaker.use(target.breaker)
            else:
                breaker = self._new(target)
            self._breakers[target.name] = breaker
            self._reached[target.name] = reached
            self._board.breaker_stands(target.name, breaker.state)
        for name in before:
            self._board.breaker_gone(name)

    def find(self, target: Target) -> Breaker | None:
        """Return the target's breaker; None where it has none."""
        found = self._breakers.get(target.name)
        if found is not None or target.model.operation == "proxy":  # what passes through has one target and no model
            return found
        return self._breakers.get(f"{target.provider.name}/*")

    def all(self) -> Mapping[str, Breaker]:
        """Return every breaker by its target's name, each as it stands now."""
        now_s = self._clock()
        for breaker in self._breakers.values():
            breaker.settle(now_s)
        return self._breakers

    def now_s(self) -> float:
        return self._clock()

    def is_out(self, target: Target) -> bool:
        breaker = self.find(target)
        return breaker is not None and not breaker.is_calm and breaker.is_out(self._clock())

    def reset(self, name: str) -> bool:
        """Let a target be asked again at once; return whether it has a breaker."""
        breaker = self._breakers.get(name)
        if breaker is not None:
            breaker.reset(self._clock())
        return breaker is not None

    # ------------------------------------------------------------ requests beside the calls

    def wants_probe(self, provider: Provider, policy: ProbePolicy) -> bool:
        """Whether any of the provider's targets would learn from a probe now."""
        now_s = self._clock()
        return any(one.may_be_probed(now_s, is_always=policy.is_always) for one in self._of(provider))

    def probed(self, provider: Provider, failure: Failure | None) -> None:
        """Tell the breakers of the provider's targets what a probe came to; None: the vendor is there."""
        now_s = self._clock()
        for breaker in self._of(provider):
            breaker.probed(failure, now_s)

    def _of(self, provider: Provider) -> list[Breaker]:
        return [one for name, one in self._breakers.items() if name.startswith(f"{provider.name}/")]

    # ------------------------------------------------------------ Gate

    def reason(self, call: Call, target: Target) -> str | None:
        """Return why the target is not to be asked now. At most its model's share is kept out, and never all of
        `call.targets`: the one whose ejection ends first is asked, rather than nobody."""
        breaker = self.find(target)
        if breaker is None or breaker.is_calm:
            return None
        now_s = self._clock()
        refusal = breaker.refusal(now_s)
        if refusal is None:
            return None
        if refusal.is_hard:
            return refusal.reason if self._may_be_out(call.targets, target, breaker, now_s) else None
        return refusal.reason if any(self._is_calm(other) for other in call.targets) else None

    def _is_calm(self, target: Target) -> bool:
        breaker = self.find(target)
        return breaker is None or breaker.is_calm

    def _may_be_out(self, targets: tuple[Target, ...], target: Target, breaker: Breaker, now_s: float) -> bool:
        """Whether it is one of those that are kept out: of the ejected, those whose ejection ends last."""
        share = int(len(targets) * breaker.policy.max_ejected_percent / 100)
        most = min(max(1, share), len(targets) - 1)
        out = [
            (-other.until_s, -place, at.name)
            for place, at in enumerate(targets)
            if (other := self.find(at)) is not None and not other.is_calm and other.is_out(now_s)
        ]
        return any(name == target.name for _, _, name in sorted(out)[:most])

    # ------------------------------------------------------------ Watcher

    def began(self, target: Target) -> Watched | None:
        breaker = self.find(target)
        return Watched(breaker, breaker.begin(self._clock()), self._clock) if breaker is not None else None

    def content(self, target: Target, after_s: float) -> None:
        """A target without a breaker; the others' attempts are `Watched`."""

    def ended(self, target: Target, error: BaseException | None) -> None:
        """A target without a breaker; the others' attempts are `Watched`."""

    # ------------------------------------------------------------ transitions

    def _new(self, target: Target) -> Breaker:
        name = target.name

        def moved(breaker: Breaker, before: State) -> None:
            self._board.breaker_moved(name, breaker.state)
            _log(name, breaker, before)

        return Breaker(target.breaker, self._clock(), self._draw, moved)


class Watched:
    """One attempt, told to its target's breaker."""

    __slots__ = ("_breaker", "_clock", "_trial")

    def __init__(self, breaker: Breaker, trial: Trial, clock: Callable[[], float]) -> None:
        self._breaker = breaker
        self._trial = trial
        self._clock = clock

    def began(self, target: Target) -> None:
        """It has begun already."""

    def content(self, target: Target, after_s: float) -> None:
        self._breaker.content(self._trial, after_s, self._clock())

    def ended(self, target: Target, error: BaseException | None) -> None:
        now_s, trial = self._clock(), self._trial
        if error is None:
            self._breaker.end(trial, now_s)
            return
        usual_s = self._breaker.first_content_s
        failure = failure_of(error, now_s - trial.began_s, trial.has_content, usual_s)
        self._breaker.end(trial, now_s, failure, says_nothing=failure is None)


def _log(name: str, breaker: Breaker, before: State) -> None:
    """Write one line a transition, none a request."""
    match breaker.state:
        case "open":
            wait_s = breaker.until_s - breaker.since_s
            told = ", as its vendor asked" if breaker.is_told else ""
            LOGGER.warning("breaker of %s opens for %.1f s%s: %s", name, wait_s, told, breaker.last_error)
        case "half_open":
            LOGGER.info("breaker of %s is half-open: one call finds out whether it is back", name)
        case "returning":
            LOGGER.info("breaker of %s lets calls through again, more and more", name)
        case "closed":
            LOGGER.info("breaker of %s is closed%s", name, "" if before == "returning" else ", by an admin")
