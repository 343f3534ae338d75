"""Who would be asked for a call, in which order, and why are the others not? Decided without asking anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.errors import GatewayError, UpstreamUnavailable
from gateway.middlewares import usable
from gateway.middlewares.choice import Chooser
from gateway.middlewares.usable import Refusal
from gateway.stores.watching import Gate
from gateway.types import Call, Target, quick


@quick
@dataclass(frozen=True, slots=True)
class Candidates:
    """A call's targets in the order in which they are asked; those that cannot serve it; those that are shut now."""

    targets: tuple[Target, ...]
    refused: tuple[Refusal, ...] = ()
    shut: tuple[tuple[Target, str], ...] = ()  # (target, why)

    @property
    def dropped(self) -> tuple[tuple[str, str], ...]:
        """(target, why it is not asked), of all that are not."""
        if not self.refused and not self.shut:
            return ()
        refused = tuple((refusal.target, refusal.reason) for refusal in self.refused)
        return refused + tuple((target.name, reason) for target, reason in self.shut)


def candidates(call: Call, gates: Sequence[Gate] = (), chooser: Chooser | None = None) -> Candidates:
    """Return who would be asked. Nothing is remembered of it, so that asking twice is asking once.

    Strategies that draw lots may answer otherwise the next time.
    """
    able, refused = usable.split(call)
    asked, closed = _open(call, able, gates)
    if chooser is not None:
        asked = chooser.rank(call, asked)
    return Candidates(tuple(asked), tuple(refused), tuple(closed))


def first_choice(call: Call, found: Candidates, first: Target) -> str:
    """Return the name of the target whose answer is the model's own; "" where whoever is asked stands in for one.

    Of a model without a strategy that is the first of its targets, also where it cannot serve this call. Of the others
    it is `first`, who is asked first, unless one that would go before it always is shut or has no room.
    """
    if first.place is None:
        return call.targets[0].name
    passed_over = [target for target, _ in found.shut] + list(found.targets)
    stands_in = any(_is_before(call, target, first) for target in passed_over)
    return "" if stands_in else first.name


def _is_before(call: Call, one: Target, other: Target) -> bool:
    """Whether a target goes before another whatever the call."""
    if one.place is None or other.place is None:
        return False
    if one.place.group != other.place.group or one.place.choice.strategy != "priority":
        return one.place.group < other.place.group
    names = [target.name for target in call.targets]
    return names.index(one.name) < names.index(other.name)


def error(call: Call, found: Candidates) -> GatewayError:
    """Return the error for a call for which nobody is left to ask."""
    if found.shut:
        reasons = "; ".join(f"{target.name} {reason}" for target, reason in found.shut)
        return UpstreamUnavailable(f"nobody is left to serve {call.model!r}: {reasons}; try again later")
    if found.refused:
        return usable.error(call, list(found.refused))
    return UpstreamUnavailable(
        f"model {call.model!r} has no provider that is on; set the credentials of one in providers.yaml"
    )


def shut(call: Call, target: Target, gates: Sequence[Gate]) -> str | None:
    """Return why one of `call.targets`, who are left to serve it, is not to be asked now; None where it may be."""
    for gate in gates:
        reason = gate.reason(call, target)
        if reason is not None:
            return reason
    return None


def _open(call: Call, targets: list[Target], gates: Sequence[Gate]) -> tuple[list[Target], list[tuple[Target, str]]]:
    """Return those that every gate lets be asked, and why the others are not."""
    closed: list[tuple[Target, str]] = []
    for gate in gates:  # each is asked about those that the gates before it left
        asked = call if len(targets) == len(call.targets) else replace(call, targets=tuple(targets))
        reasons = [gate.reason(asked, target) for target in targets]
        if any(reasons):
            pairs = list(zip(targets, reasons, strict=True))
            closed += [(target, reason) for target, reason in pairs if reason is not None]
            targets = [target for target, reason in pairs if reason is None]
    return targets, closed
