"""What a call claims of the limits that are for it, what it used in the end, what its client is told of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from gateway.middlewares.estimate import upper_cost, upper_units
from gateway.stores.limits import Claim, Meter, State, meters_of
from gateway.types import NANO_USD, Attempt, Call, Limit, Recording, Units

Rule = tuple[Limit, tuple[Meter, ...]]
Factor = Callable[[str], float]  # target -> by how much estimates of its tokens are off

# Every call that is answered counts one of these, and it stays counted when the call fails.
_ONE_EACH = ("requests",)

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


def plain(target: str) -> float:
    """The factor where nothing was learned."""
    return 1.0


def is_per_target(limit: Limit) -> bool:
    """Return whether only the target of an attempt says whether, or whose, a limit is."""
    return "provider" in limit.per or "provider" in limit.only


def rules_of(limits: Iterable[Limit]) -> tuple[Rule, ...]:
    """Return limits with their meters, which are made once."""
    return tuple((limit, meters_of(limit)) for limit in limits)


def claims_of(rules: Iterable[Rule], call: Call, factor: Factor = plain, *, beyond: Limit | None = None) -> list[Claim]:
    """Return what a call claims. `factor` says by how much estimates of a target's tokens are off.

    Of `beyond` nothing is refused: its budget is used up, and a cheaper model serves.
    """
    claims: list[Claim] = []
    estimate = _Estimate(call, factor)
    for limit, meters in rules:
        if limit.only and not all(_is_among(_VALUES[name](call), limit.only[name]) for name in limit.only):
            continue
        match limit.per:
            case ("key",):
                subject = f"key={call.client.name}"
            case per:
                subject = " ".join([f"{name}={_VALUES[name](call)}" for name in per]) or "all"
        for meter in meters:
            amount = estimate.of(meter)
            if amount or meter.kind != "window":
                claims.append(Claim(meter, subject, amount, is_soft=limit is beyond and meter.kind == "money"))
    return claims


def used(attempts: Sequence[Attempt], cost_nano_usd: int | None, claim: Claim) -> int:
    """Return what was used of a claim's meter by what was tried."""
    match claim.meter.what:
        case "budget":
            return cost_nano_usd or 0
        case "tokens":
            return sum([attempt.units.input_tokens + attempt.units.output_tokens for attempt in attempts])
        case "characters":
            return sum([attempt.units.characters for attempt in attempts])
        case "audio_ms":
            return sum([round(attempt.units.audio_seconds * 1000) for attempt in attempts])
        case _:
            return claim.amount


def told(states: Sequence[tuple[Claim, State]]) -> dict[str, str]:
    """Return the headers: of each unit the limit that is nearest to its end, and the smallest budget left."""
    headers: dict[str, str] = {}
    nearest: dict[str, tuple[float, Meter, State]] = {}
    for claim, state in states:
        meter = claim.meter
        share = state.left if meter.kind == "money" else state.left / (meter.amount or 1)
        name = meter.what
        known = nearest.get(name)
        if known is None or share < known[0]:
            nearest[name] = (share, meter, state)
    for name, (_, meter, state) in nearest.items():
        if name == "budget":
            headers["x-gateway-budget-left-usd"] = f"{state.left / NANO_USD:.9f}"
            continue
        scale = 1000 if name == "audio_ms" else 1
        most, left, reset = _HEADERS[name]
        headers[most] = str(meter.amount // scale)
        headers[left] = str(state.left // scale)
        headers[reset] = f"{math.ceil(state.reset_s or 0)}s"
    return headers


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
        if meter.kind == "concurrent" or meter.unit in _ONE_EACH:
            return 1
        if meter.kind == "money":
            if self._nano_usd is None:
                self._nano_usd = upper_cost(self._call, factor=self._factor)
                self._call.receipt.reserved_nano_usd = self._nano_usd
            return self._nano_usd
        units = self._units
        if units is None:
            targets = self._call.targets
            dearest = max((self._factor(target.name) for target in targets), default=1.0)
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
