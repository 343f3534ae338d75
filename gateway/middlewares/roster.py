"""Whom a call may be sent to: who can serve it and is kept shut by no gate, or serves a model named in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from gateway.config.model import Fault
from gateway.middlewares.candidates import Candidates, candidates, first_choice, shut
from gateway.middlewares.candidates import error as nobody_left
from gateway.middlewares.choice import Chooser
from gateway.middlewares.turn import with_room_first
from gateway.stores.slots import SlotTable
from gateway.stores.watching import Gate
from gateway.types import EMPTY, Call, Target, replace

FALLBACK_HEADER = "x-gateway-fallback"


class Roster:
    """`fallbacks` says by fault which model serves in place of which; `substitutes` has the targets of those."""

    def __init__(
        self,
        gates: Sequence[Gate] = (),
        fallbacks: Mapping[str, Mapping[str, str]] = EMPTY,
        substitutes: Mapping[str, tuple[Target, ...]] = EMPTY,
        chooser: Chooser | None = None,
        slots: SlotTable | None = None,
    ) -> None:
        self._gates = gates
        self._fallbacks = fallbacks
        self._substitutes = substitutes
        self._chooser = chooser
        self._slots = slots

    def of(self, call: Call, *, is_made: bool = True) -> tuple[Call, tuple[Target, ...]]:
        """Return who is asked, in which order, be it as another model. Raises where there is nobody.

        The call that is returned has these targets and no others, for gates that are asked again. Of one that is not
        made nothing is remembered, so that it takes nobody's turn.
        """
        found = self._found(call)
        if not found.targets and not found.shut and found.refused and all(one.is_too_long for one in found.refused):
            fallback = self.fallback(call, "context_window")
            if fallback is not None:
                return self.diverted(call, fallback, "context_window", is_made=is_made)
        targets = self._in_order(call, found, is_made=is_made)
        call.receipt.first_choice = first_choice(call, found, targets[0])
        return call if targets == call.targets else replace(call, targets=targets), targets

    def alone(self, call: Call) -> tuple[Call, Target]:
        """Return who alone is asked, in no other's place. Raises where there is nobody."""
        found = self._found(call)
        if not found.targets:
            raise nobody_left(call, found)
        return replace(call, targets=found.targets[:1]), found.targets[0]

    def shut(self, call: Call, target: Target) -> str | None:
        """Return why a target is not to be asked now, None where it may be."""
        return shut(call, target, self._gates)

    def wants(self, fault: Fault) -> bool:
        """Say whether any model is named for a fault."""
        return bool(self._fallbacks.get(fault))

    def fallback(self, call: Call, fault: Fault) -> Call | None:
        """Return the call as the model serves it that is named for this fault; None where there is none."""
        named = self._fallbacks.get(fault)
        if not named:
            return None
        model = named.get(call.model) or next(
            (other for pattern, other in named.items() if fnmatchcase(call.model, pattern)), None
        )
        targets = tuple(
            target
            for target in self._substitutes.get(model or "", ())
            if target.model.operation == (call.operation if call.operation != "tokens" else "chat")
        )
        if model is None or model == call.model or not targets:
            return None
        return replace(call, model=model, targets=targets)

    def diverted(
        self, call: Call, fallback: Call, fault: Fault, *, is_made: bool = True
    ) -> tuple[Call, tuple[Target, ...]]:
        """Return the other call and who is asked for it. Raises where that is nobody."""
        call.receipt.headers[FALLBACK_HEADER] = f"{call.model} -> {fallback.model} ({fault})"
        targets = self._in_order(fallback, self._found(fallback), is_made=is_made)
        return replace(fallback, targets=targets), targets

    def _found(self, call: Call) -> Candidates:
        found = candidates(call, self._gates, self._chooser)
        call.receipt.skipped.extend(found.dropped)
        return found

    def _in_order(self, call: Call, found: Candidates, *, is_made: bool) -> tuple[Target, ...]:
        """Return the targets as they are asked, which the call's receipt is told. Raises where there are none."""
        if not found.targets:
            raise nobody_left(call, found)
        targets = found.targets
        if self._slots is not None:
            targets = tuple(with_room_first(self._slots, call, list(targets)))
        if self._chooser is not None and is_made:
            self._chooser.note(call, targets)
        return targets
