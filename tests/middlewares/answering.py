"""Vendors as failover's tests have them: each answers by a script."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.config.model import Failover as Policy
from gateway.middlewares.failover import Failover, Shares
from gateway.stores.latencies import Latencies
from gateway.stores.retries import HedgeShare, RetryBudget
from gateway.stores.watching import Gate
from gateway.types import EMPTY, Call, Done, Event, Reply, Target, TextDelta, Timeouts, Units, Usage
from tests.given import Closed, call, reply, target

Answer = Sequence[Event | BaseException | float] | BaseException | float
USAGE = Usage(Units(3, output_tokens=1))
GOOD: Answer = (TextDelta("a"), TextDelta("b"), USAGE, Done())
NO_REPEATS = Policy(max_wait_s=0)


def fresh_shares() -> Shares:
    return Shares(RetryBudget(time.monotonic), HedgeShare(), Latencies())


class Vendors:
    """Answers by the target's name: events, an error instead of them, or a silence and then GOOD. A list has an answer
    for each time that it is asked, the last one for all further ones. Notes who was asked.
    """

    def __init__(self, **answers: Answer | list[Answer]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.calls: list[Call] = []
        self.closed: dict[str, Closed] = {}

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(target(f"{name}/m") for name in self.answers)

    async def handler(self, given: Call) -> Reply:
        assert given.target is not None
        name = given.target.provider.name
        self.asked.append(name)
        self.calls.append(given)
        answer = self.answers[name]
        if isinstance(answer, list):
            answer = answer[min(self.asked.count(name), len(answer)) - 1]
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = GOOD
        assert not isinstance(answer, BaseException | float)
        self.closed[name] = Closed()
        return reply(*answer, closers=(self.closed[name],))

    async def ask(
        self,
        *,
        attempts: int = 3,
        first_content_s: float = 5.0,
        policy: Policy = NO_REPEATS,
        shares: Shares | None = None,
        gates: Sequence[Gate] = (),
        substitutes: Mapping[str, tuple[Target, ...]] = EMPTY,
        timeouts: Timeouts | None = None,
        **more: Any,
    ) -> tuple[Call, Reply]:
        """Ask once; `more` are fields of the call, whose targets are all unless others are given."""
        asked = call(**({"targets": self.targets} | more))
        self.last = asked
        policy = replace(policy, attempts=attempts, first_content_s=first_content_s)
        failover = Failover(
            policy, True, gates=gates, shares=shares, substitutes=substitutes, timeouts=timeouts, rand=lambda: 0.5
        )
        return asked, await failover(asked, self.handler)

    def outcomes(self) -> list[tuple[str, str]]:
        return [(attempt.target, attempt.outcome) for attempt in self.last.receipt.attempts]

    def whys(self) -> list[tuple[str, str]]:
        return [(attempt.target, attempt.why) for attempt in self.last.receipt.attempts]
