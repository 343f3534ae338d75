"""Counters in this process. Nothing here awaits, so calls at the same time cannot race past a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.stores.limits import periods
from gateway.stores.limits.meters import Claim, State
from gateway.stores.limits.windows import GRAIN_S, WindowStorage, correct, counted, until_below
from gateway.types import EMPTY, Period

Amounts = Mapping[str, int]  # counter's key -> the amount that holds there in place of the meter's own


@dataclass(slots=True)
class Money:
    """Of one subject in one period, in nano-dollars."""

    spent: int = 0
    held: int = 0


@dataclass(slots=True)
class Span:
    """A period that runs, or the one before it."""

    ends_at: float | None  # by the clock; None: never
    money: dict[str, Money] = field(default_factory=dict)  # by counter's key; empty once the period is long over

    def ends_in_s(self, now: float) -> float | None:
        return None if self.ends_at is None else self.ends_at - now


States = Sequence[tuple[Claim, State]]
Place = tuple[list[int], int] | Span | None  # of a claim that was granted: its window and that one's number, or period


@dataclass(frozen=True, slots=True)
class Refused:
    """The claim that cannot be granted, and after how many seconds it could; None: not by waiting."""

    claim: Claim
    wait_s: float | None


class LocalCounters:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._windows = WindowStorage(now)
        self._spans: dict[Period, list[Span]] = {}  # the newest last
        self._running: dict[str, int] = {}  # counter's key -> calls at once

    def reserve(self, claims: Sequence[Claim], amounts: Amounts = EMPTY) -> tuple[Refused | None, States]:
        """Grant all claims or none, and say what is left of each. Of several that refuse, the one with the longest wait
        is told. `amounts` are limits that hold in place of the meters' own."""
        now = self._now()
        states: list[tuple[Claim, State]] = []
        begun: list[Claim] = []
        for claim in claims:
            state = self._take(claim, _most(claim, amounts) if amounts else claim.meter.amount, now, begun)
            if state is None:
                for taken, its in reversed(states):
                    self._give_back(taken, its.place, is_new=taken in begun)
                looks = [self._look(each, _most(each, amounts), now) for each in claims]
                return self._refused(looks, now), [(look.claim, look.state(now)) for look in looks]
            states.append((claim, state))
        return None, states

    def _refused(self, looks: Sequence[_Look], now: float) -> Refused:
        waits = [(look, look.wait_s(now)) for look in looks if not look.is_free]
        look, wait_s = max(waits, key=lambda pair: float("inf") if pair[1] is None else pair[1])
        return Refused(look.claim, wait_s)

    def settle(self, claim: Claim, place: Place, used: int) -> int | None:
        """Put what was used in the place of what was held. Returns what is spent of a budget since then."""
        if isinstance(place, Span):
            money = place.money.get(claim.key)
            if money is not None:  # else it is a period that is long over
                money.held -= claim.amount
                money.spent += used
                return money.spent
        elif place is not None:
            if used != claim.amount:
                correct(*place, used - claim.amount)
        else:
            left = self._running.get(claim.key, 0) - claim.amount
            if left > 0:
                self._running[claim.key] = left
            else:
                self._running.pop(claim.key, None)
        return None

    def state(self, claim: Claim, amount: int | None = None) -> State:
        now = self._now()
        return self._look(claim, claim.meter.amount if amount is None else amount, now).state(now)

    def restore(self, claim: Claim, amount: int, *, is_previous_window: bool = False) -> None:
        """Begin with what the ledger says was used of a meter in its running period or window."""
        meter = claim.meter
        if meter.kind == "money":
            self._span(meter.period, self._now()).money.setdefault(claim.key, Money()).spent = amount
        elif meter.kind == "window":
            number = self._windows.add(claim.key, meter.window_s, 0, self._now())[0]
            self._windows.correct(claim.key, meter.window_s, number - is_previous_window, amount)

    def is_counted(self, claim: Claim) -> bool:
        """Return whether anything is counted of it in its running period or window."""
        return self._look(claim, claim.meter.amount, self._now()).taken > 0

    def subjects(self) -> Iterator[tuple[str, Money | int]]:
        """Yield every counter of money and of calls at once that is in use, for an operator to see."""
        for spans in self._spans.values():
            yield from spans[-1].money.items()
        yield from self._running.items()

    @property
    def held(self) -> int:
        """Nano-dollars and calls that are held just now: 0 where nothing is under way."""
        rows = (row for spans in self._spans.values() for span in spans for row in span.money.values())
        return sum(row.held for row in rows) + sum(self._running.values())

    def _take(self, claim: Claim, most: int, now: float, begun: list[Claim]) -> State | None:
        """Count a claim where it fits into what is left of `most`, and say what is left then; else None.

        `begun` gets those for which nothing counted before.
        """
        meter, key, amount = claim.meter, claim.key, claim.amount
        kind = meter.kind
        if kind == "window":
            length_s = meter.window_s
            window = self._windows.rolled(key, length_s, now)
            left = most - counted(window, length_s, now)
            if not (0 < left >= amount or _is_free(claim, left)):
                return None
            if window is None:
                window = self._windows.begin(key, length_s, amount, now)
                begun.append(claim)
            else:
                self._windows.add(key, length_s, amount, now, window)
            return State(max(0, left - amount), until_below(window, length_s, now, 1), (window, window[0]))
        if kind == "concurrent":
            running = self._running.get(key, 0)
            left = most - running
            if not (0 < left >= amount or _is_free(claim, left)):
                return None
            self._running[key] = running + amount
            return State(max(0, left - amount), 0.0)
        span = self._span(meter.period, now)
        money = span.money.get(key)
        left = most if money is None else most - money.spent - money.held
        if not (0 < left >= amount or _is_free(claim, left)):
            return None
        if money is None:
            money = span.money[key] = Money()
            begun.append(claim)
        money.held += amount
        return State(max(0, left - amount), span.ends_in_s(now), span)

    def _give_back(self, claim: Claim, place: Place, *, is_new: bool) -> None:
        """Undo `_take`, of which nothing stays: strangers who are refused fill no table.

        What another call has begun stays, also where it counts nothing yet: it may be settled to more.
        """
        self.settle(claim, place, 0)
        if isinstance(place, Span):
            if is_new and place.money[claim.key] == Money():
                del place.money[claim.key]
        elif place is not None and is_new and not any(place[0][1:]):
            self._windows.clear_sliding_window(claim.key, claim.meter.window_s)

    def _look(self, claim: Claim, most: int, now: float) -> _Look:
        meter = claim.meter
        if meter.kind == "window":
            window = self._windows.rolled(claim.key, meter.window_s, now)
            return _Look(claim, most, counted(window, meter.window_s, now), window)
        if meter.kind == "concurrent":
            return _Look(claim, most, self._running.get(claim.key, 0), None)
        money = self._span(meter.period, now).money.get(claim.key)
        return _Look(claim, most, 0 if money is None else money.spent + money.held, None)

    def _span(self, period: Period, now: float) -> Span:
        """The running period. The one before is kept for calls that began in it."""
        spans = self._spans.get(period)
        if spans is not None:
            newest = spans[-1]
            if newest.ends_at is None or now < newest.ends_at:
                return newest
        else:
            spans = self._spans[period] = []
        newest = Span(periods.ends_at(period, now))
        spans.append(newest)
        for old in spans[:-2]:
            old.money.clear()
        del spans[:-2]
        return newest


class _Look:
    """One look at a counter: how much is taken of how much, and whether a claim fits."""

    __slots__ = ("claim", "is_free", "most", "taken", "window")

    def __init__(self, claim: Claim, most: int, taken: int, window: list[int] | None) -> None:
        self.claim = claim
        self.most = most
        self.taken = taken
        self.window = window
        self.is_free = _is_free(claim, most - taken)

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

    def state(self, now: float) -> State:
        """What is left, and after how many seconds all of it would be."""
        meter = self.claim.meter
        left = max(0, self.most - self.taken)
        if meter.kind == "window":
            return State(left, until_below(self.window, meter.window_s, now, 1))
        return State(left, 0.0 if meter.kind == "concurrent" else periods.ends_in_s(meter.period, now))


def _most(claim: Claim, amounts: Amounts) -> int:
    return amounts.get(claim.key, claim.meter.amount)


def _is_free(claim: Claim, left: int) -> bool:
    """Return whether a claim is granted where so much is left. Of money that is used up not even nothing is."""
    if claim.is_soft:
        return True
    kind = claim.meter.kind
    fits = claim.amount <= (left if kind != "window" or left > 0 else 0)
    return fits and (kind != "money" or left > 0)
