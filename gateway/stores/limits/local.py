"""Counters in this process. Nothing here awaits, so calls at the same time cannot race past a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.stores.limits import periods
from gateway.stores.limits.meters import Claim, State
from gateway.stores.limits.windows import GRAIN_S, WindowStorage, counted, until_below
from gateway.types import EMPTY, Period

Amounts = Mapping[str, int]  # counter's key -> the amount that holds there in place of the meter's own


@dataclass(slots=True)
class Money:
    """Of one subject in one period, in nano-dollars."""

    spent: int = 0
    held: int = 0


@dataclass(slots=True)
class Held:
    """A claim that was granted: `place` is the number of its window, or the name of its period."""

    claim: Claim
    place: int | str = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """The claim that cannot be granted, and after how many seconds it could; None: not by waiting."""

    claim: Claim
    wait_s: float | None


class LocalCounters:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._windows = WindowStorage(now)
        self._money: dict[Period, dict[str, dict[str, Money]]] = {}  # period -> its name -> counter's key
        self._running: dict[str, int] = {}  # counter's key -> calls at once

    def reserve(self, claims: Sequence[Claim], amounts: Amounts = EMPTY) -> tuple[list[Held] | Refused, list[State]]:
        """Grant all claims or none, and say what is left of each. Of several that refuse, the one with the longest wait
        is told. `amounts` are limits that hold in place of the meters' own."""
        now = self._now()
        looks = [
            self._look(claim, amounts.get(claim.key, claim.meter.amount) if amounts else claim.meter.amount, now)
            for claim in claims
        ]
        for look in looks:
            if not look.is_free:
                return self._refused(looks, now), [each.state(now, 0) for each in looks]
        held = [Held(look.claim, self._take(look, now)) for look in looks]
        return held, [look.state(now, look.claim.amount) for look in looks]

    def _refused(self, looks: Sequence[_Look], now: float) -> Refused:
        waits = [(look, look.wait_s(now)) for look in looks if not look.is_free]
        look, wait_s = max(waits, key=lambda pair: float("inf") if pair[1] is None else pair[1])
        return Refused(look.claim, wait_s)

    def settle(self, held: Held, used: int) -> int | None:
        """Put what was used in the place of what was held. Returns what is spent of a budget since then."""
        claim = held.claim
        meter = claim.meter
        match meter.kind:
            case "window":
                if used != claim.amount and isinstance(held.place, int):
                    self._windows.correct(claim.key, meter.window_s, held.place, used - claim.amount)
            case "concurrent":
                left = self._running.get(claim.key, 0) - claim.amount
                if left > 0:
                    self._running[claim.key] = left
                else:
                    self._running.pop(claim.key, None)
            case _:
                table = self._money.get(meter.period, {}).get(str(held.place))
                if table is not None:  # else it is a period that is long over
                    money = table.setdefault(claim.key, Money())
                    money.held -= claim.amount
                    money.spent += used
                    return money.spent
        return None

    def state(self, claim: Claim, amount: int | None = None) -> State:
        now = self._now()
        return self._look(claim, claim.meter.amount if amount is None else amount, now).state(now, 0)

    def restore(self, claim: Claim, amount: int, *, is_previous_window: bool = False) -> None:
        """Begin with what the ledger says was used of a meter in its running period or window."""
        meter = claim.meter
        if meter.kind == "money":
            self._table(meter.period, self._now()).setdefault(claim.key, Money()).spent = amount
        elif meter.kind == "window":
            number = self._windows.add(claim.key, meter.window_s, 0, self._now())[0]
            self._windows.correct(claim.key, meter.window_s, number - is_previous_window, amount)

    def is_counted(self, claim: Claim) -> bool:
        """Return whether anything is counted of it in its running period or window."""
        return self._look(claim, claim.meter.amount, self._now()).taken > 0

    def subjects(self) -> Iterator[tuple[str, Money | int]]:
        """Yield every counter of money and of calls at once that is in use, for an operator to see."""
        for names in self._money.values():
            for table in list(names.values())[-1:]:
                yield from table.items()
        yield from self._running.items()

    @property
    def held(self) -> int:
        """Nano-dollars and calls that are held just now: 0 where nothing is under way."""
        money = sum(row.held for names in self._money.values() for table in names.values() for row in table.values())
        return money + sum(self._running.values())

    def _look(self, claim: Claim, most: int, now: float) -> _Look:
        meter = claim.meter
        if meter.kind == "window":
            window = self._windows.rolled(claim.key, meter.window_s, now)
            return _Look(claim, most, counted(window, meter.window_s, now), window)
        if meter.kind == "concurrent":
            return _Look(claim, most, self._running.get(claim.key, 0), None)
        money = self._table(meter.period, now).get(claim.key)
        return _Look(claim, most, 0 if money is None else money.spent + money.held, None)

    def _take(self, look: _Look, now: float) -> int | str:
        claim, meter = look.claim, look.claim.meter
        if meter.kind == "window":
            look.window = self._windows.add(claim.key, meter.window_s, claim.amount, now)
            return look.window[0]
        if meter.kind == "concurrent":
            self._running[claim.key] = look.taken + claim.amount
            return 0
        table = self._table(meter.period, now)
        money = table.get(claim.key)
        if money is None:
            money = table[claim.key] = Money()
        money.held += claim.amount
        return next(reversed(self._money[meter.period]))

    def _table(self, period: Period, now: float) -> dict[str, Money]:
        """The counters of the running period. The one before is kept for calls that began in it."""
        names = self._money.setdefault(period, {})
        name = periods.name_of(period, now)
        newest = next(reversed(names), None)
        if newest is None or newest < name:
            names[name] = {}
            for old in list(names)[:-2]:
                del names[old]
            newest = name
        return names[newest]


class _Look:
    """One look at a counter: how much is taken of how much, and whether a claim fits."""

    __slots__ = ("claim", "is_free", "most", "taken", "window")

    def __init__(self, claim: Claim, most: int, taken: int, window: list[int] | None) -> None:
        self.claim = claim
        self.most = most
        self.taken = taken
        self.window = window
        kind, left = claim.meter.kind, most - taken
        fits = claim.amount <= (left if kind != "window" or left > 0 else 0)
        self.is_free = claim.is_soft or (fits and (kind != "money" or left > 0))

    def wait_s(self, now: float) -> float | None:
        """After how many seconds a claim that does not fit now could; None: not by waiting."""
        meter, amount = self.claim.meter, self.claim.amount
        if meter.kind == "concurrent":
            return 1.0  # when a call ends is not known
        if amount > self.most:
            return None
        if meter.kind == "window":
            return until_below(self.window, meter.window_s, now, self.most - amount + 1) + GRAIN_S
        return periods.ends_in_s(meter.period, now)

    def state(self, now: float, granted: int) -> State:
        """What is left, and after how many seconds all of it would be, `granted` being taken since the look."""
        meter = self.claim.meter
        left = max(0, self.most - self.taken - granted)
        if meter.kind == "window":
            return State(left, until_below(self.window, meter.window_s, now, 1))
        return State(left, 0.0 if meter.kind == "concurrent" else periods.ends_in_s(meter.period, now))
