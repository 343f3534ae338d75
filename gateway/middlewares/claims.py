"""What a call claims of the limits that are for it, what it used in the end, what its client is told of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from gateway.middlewares.estimate import upper_cost, upper_units
from gateway.stores.limits import Claim, Meter, State, meters_of
from gateway.types import NANO_USD, Attempt, Call, Limit, Recording, Units

Factor = Callable[[str], float]  # target -> by how much estimates of its tokens are off

MAX_KNOWN = 1_000  # of a limit at a route: subjects of which claims are kept, some 250 bytes a meter
_ONE_EACH = ("requests", "concurrent")  # of which every call counts one

_VALUES: Mapping[str, Callable[[Call], str]] = {
    "key": lambda call: call.client.name,
    "tenant": lambda call: call.client.tenant,
    "route": lambda call: call.receipt.route,
    "operation": lambda call: call.operation,
    "model": lambda call: call.model,
    "provider": lambda call: call.target.provider.name if call.target is not None else "",
    "address": lambda call: call.head.remote,
}


_HEADERS = {
    what: (f"x-ratelimit-limit-{word}", f"x-ratelimit-remaining-{word}", f"x-ratelimit-reset-{word}")
    for what, word in (
        ("requests", "requests"),
        ("tokens", "tokens"),
        ("characters", "characters"),
        ("audio_ms", "audio-seconds"),
        ("concurrent", "concurrent"),
    )
}
_HEADERS["budget"] = ("", "x-gateway-budget-left-usd", "")


def plain(target: str) -> float:
    """The factor where nothing was learned."""
    return 1.0


def is_per_target(limit: Limit) -> bool:
    """Return whether only the target of an attempt says whether, or whose, a limit is."""
    return "provider" in limit.per or "provider" in limit.only


class Rule:
    """A limit with its meters, and what is the same for each call of a subject: a claim of one of each meter."""

    __slots__ = ("_is_per_key", "_known", "_values", "limit", "meters")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.meters = meters_of(limit)
        self._is_per_key = limit.per == ("key",)  # as most are
        self._values = tuple((name, _VALUES[name]) for name in limit.per)
        self._known: dict[str, tuple[Claim, ...]] = {}

    def is_for(self, call: Call) -> bool:
        return all(_is_among(_VALUES[name](call), patterns) for name, patterns in self.limit.only.items())

    def of_one(self, call: Call) -> tuple[Claim, ...]:
        """Return a claim of one of each meter, for whom a call is counted."""
        if self._is_per_key:
            subject = f"key={call.client.name}"
        else:
            subject = " ".join([f"{name}={value(call)}" for name, value in self._values]) or "all"
        known = self._known.get(subject)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = self._known[subject] = tuple(Claim(meter, subject, 1) for meter in self.meters)
        return known


def rules_of(limits: Iterable[Limit]) -> tuple[Rule, ...]:
    """Return limits with their meters, which are made once."""
    return tuple(map(Rule, limits))


def claims_of(rules: Iterable[Rule], call: Call, factor: Factor = plain, *, beyond: Limit | None = None) -> list[Claim]:
    """Return what a call claims. `factor` says by how much estimates of a target's tokens are off.

    Of `beyond` nothing is refused: its budget is used up, and a cheaper model serves.
    """
    claims: list[Claim] = []
    estimate = _Estimate(call, factor)
    for rule in rules:
        limit = rule.limit
        if limit.only and not rule.is_for(call):
            continue
        for one in rule.of_one(call):
            meter = one.meter
            if meter.what in _ONE_EACH:
                claims.append(one)
                continue
            amount = estimate.of(meter)
            if amount or meter.kind != "window":
                is_soft = limit is beyond and meter.kind == "money"
                claims.append(Claim(meter, one.subject, amount, is_soft, one.key))
    return claims


def used(attempts: Sequence[Attempt], cost_nano_usd: int | None, claim: Claim) -> int:
    """Return what was used of a claim's meter by what was tried."""
    match claim.meter.what:
        case "requests" | "concurrent":
            return claim.amount
        case "budget":
            return cost_nano_usd or 0
        case "tokens":
            return sum([attempt.units.input_tokens + attempt.units.output_tokens for attempt in attempts])
        case "characters":
            return sum([attempt.units.characters for attempt in attempts])
        case _:
            return sum([round(attempt.units.audio_seconds * 1000) for attempt in attempts])


def told(states: Sequence[tuple[Claim, State]]) -> dict[str, str]:
    """Return the headers: of each unit the limit that is nearest to its end, and the smallest budget left."""
    headers: dict[str, str] = {}
    for claim, state in states:
        meter = claim.meter
        what = meter.what
        most_named, left_named, reset_named = _HEADERS[what]
        if left_named in headers:
            meter, state = _nearest(states, what)
        left = state.left
        if what == "budget":
            headers[left_named] = f"{left // NANO_USD}.{left % NANO_USD:09}"
            continue
        most = meter.amount
        if what == "audio_ms":
            most, left = most // 1000, left // 1000
        headers[most_named] = str(most)
        headers[left_named] = str(left)
        headers[reset_named] = f"{math.ceil(state.reset_s or 0)}s"
    return headers


def _nearest(states: Sequence[tuple[Claim, State]], what: str) -> tuple[Meter, State]:
    """Return the meter of several of the same kind of which the least share is left; of budgets the least money."""

    def left(pair: tuple[Meter, State]) -> float:
        meter, state = pair
        return state.left if what == "budget" else state.left / (meter.amount or 1)

    return min(((claim.meter, state) for claim, state in states if claim.meter.what == what), key=left)


class _Estimate:
    """What is claimed before it is known: the upper estimate of what a client can ask for, made once for all meters.

    Of what is to come out no more is claimed than a whole window holds, or nothing could ever pass a small limit.
    """

    __slots__ = ("_call", "_factor", "_nano_usd", "_units")

    def __init__(self, call: Call, factor: Factor) -> None:
        self._call = call
        self._factor = factor
        self._nano_usd: int | None = None
        self._units: Units | None = None

    def of(self, meter: Meter) -> int:
        if meter.kind == "money":
            if self._nano_usd is None:
                self._nano_usd = upper_cost(self._call, factor=self._factor)
                self._call.receipt.reserved_nano_usd = self._nano_usd
            return self._nano_usd
        units = self._units
        if units is None:
            dearest = max([self._factor(target.name) for target in self._call.targets], default=1.0)
            units = self._units = upper_units(self._call, dearest)
        if meter.unit == "tokens":
            return units.input_tokens + min(units.output_tokens, max(0, meter.amount - units.input_tokens))
        if meter.unit == "characters":
            return units.characters
        body = self._call.body
        audio_ms = round(units.audio_seconds * 1000)
        is_guess = isinstance(body, Recording) and body.duration_s is None
        return min(audio_ms, meter.amount) if is_guess else audio_ms


def _is_among(value: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)
