"""The counters of one process by the words of their tests: rates that are taken, budgets reserved and settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.config import quantities
from gateway.stores.limits import Claim, Meter, State, meters_of, periods
from gateway.stores.limits.local import LocalCounters
from gateway.types import Budget, Limit, Period, Rate

Held = tuple[Claim, State]


def meter_of(rate: Rate) -> Meter:
    return meters_of(Limit("limit", rates=(("requests", rate),)))[0]


def money_of(period: Period, limit_nano_usd: int) -> Meter:
    return meters_of(Limit("limit", budgets=(Budget(limit_nano_usd, period),)))[0]


@dataclass(frozen=True)
class Refusal:
    rate: Rate
    wait_s: float


class Rates:
    def __init__(self, now: Callable[[], float]) -> None:
        self.counters = LocalCounters(now)

    @staticmethod
    def parse(text: str) -> Rate:
        return quantities.rate(text)

    def take(self, rates: Sequence[Rate], who: str) -> Refusal | None:
        refused, _ = self.counters.reserve([Claim(meter_of(rate), who, 1) for rate in rates])
        if refused is None:
            return None
        assert refused.wait_s is not None
        return Refusal(refused.claim.meter.limit.rates[0][1], refused.wait_s)

    def left(self, rate: Rate, who: str) -> tuple[int, float]:
        state = self.counters.state(Claim(meter_of(rate), who, 1))
        assert state.reset_s is not None
        return state.left, state.reset_s


class Budgets:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.counters = LocalCounters(now)

    def reserve(self, who: str, period: Period, limit_nano_usd: int, nano_usd: int) -> Held | None:
        refused, states = self.counters.reserve([Claim(money_of(period, limit_nano_usd), who, nano_usd)])
        return None if refused is not None else states[0]

    def settle(self, held: Held, cost_nano_usd: int) -> None:
        claim, state = held
        self.counters.settle(claim, state.place, cost_nano_usd)

    def spent(self, who: str, period: Period) -> int:
        whole = 10**15
        return whole - self.counters.state(Claim(money_of(period, whole), who, 0)).left

    def resets_in_s(self, period: Period) -> float | None:
        return periods.ends_in_s(period, self._now())
