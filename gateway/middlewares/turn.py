"""Is there room at this target? Calls at once per provider and model, which only an attempt can tell. Where there is
none the next target that has some is asked, and where none has, the call waits its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

from gateway.config.model import Config, Route
from gateway.errors import TargetBusy
from gateway.services import Services
from gateway.stores.slots import NoSlot, Slot, Slots, SlotTable, policies_of
from gateway.types import Call, Done, Event, Handler, Middleware, Reply, Target, Usage, Verbatim, replace

MARGIN_S = 0.01  # before the call's own deadline, or the vendor would pass for the slow one
PATIENCE = 0.5  # of failover.first_content_s: what is left after a wait is the vendor's


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return Turn(services.slots, route.failover.first_content_s * PATIENCE) if policies_of(config) else None


def table_for(config: Config, services: Services) -> SlotTable | None:
    """Return what `with_room_first` goes by; None where no provider is limited."""
    return services.slots if policies_of(config) else None


def with_room_first(table: SlotTable, call: Call, targets: list[Target]) -> list[Target]:
    """Return the targets with those last that are at a limit, where another has room; the receipt says which."""
    full = {target.name: slots for target in targets if (slots := _full(table, target)) is not None}
    if not full or len(full) == len(targets):
        return targets  # all are: then a call waits for the one that is wanted most
    call.receipt.skipped.extend(
        (name, f"is at its limit of {slots.limit} calls at once") for name, slots in full.items()
    )
    room = [target for target in targets if target.name not in full]
    return [*room, *(target for target in targets if target.name in full)]


class Turn:
    def __init__(self, table: SlotTable, patience_s: float) -> None:
        self._table = table
        self._patience_s = patience_s

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        target, attempt = call.target, call.attempt
        if target is None or attempt is None:
            raise RuntimeError("failover opens the attempt before its turn comes")
        limits = self._table.of(target)
        if not limits:
            return await handler(call)
        now = asyncio.get_running_loop().time
        held: list[Slot] = []

        async def close() -> None:
            for slot in held:
                slot.release()

        began_s = asked_s = now()
        until_s = min(call.deadline_s - MARGIN_S, began_s + self._patience_s)
        try:
            try:
                for slots in limits:  # always in the same order, so that no two calls wait for each other
                    held.append(await self._take(slots, call, target, until_s))
            finally:
                asked_s = now()
                attempt.queued_s = asked_s - began_s
            reply = await handler(call)
        except BaseException as error:
            for slot in held:
                slot.failed(error, asked_s)
                slot.release()
            raise
        adaptive = [slot for slot in held if slot.is_adaptive]
        events = _taught(reply.events, adaptive, asked_s) if adaptive else reply.events
        return replace(reply, events=events, closers=(close, *reply.closers))

    async def _take(self, slots: Slots, call: Call, target: Target, until_s: float) -> Slot:
        if slots.is_full and not _is_patient(slots) and any(_others_with_room(self._table, call)):
            raise TargetBusy(f"{target.name} is at its limit of {slots.limit} calls at once", retry_after_s=1.0)
        try:
            return await slots.take(call.client.tenant, until_s)
        except NoSlot as refusal:
            raise TargetBusy(
                f"{slots.name} is at its limit of {slots.limit} calls at once, {refusal.why}",
                retry_after_s=refusal.retry_after_s,
            ) from refusal


async def _taught(events: AsyncIterator[Event], slots: Sequence[Slot], asked_s: float) -> AsyncIterator[Event]:
    """Pass the answer on, and tell adaptive limits how long its first content took: its head may come at once."""
    is_awaited = True
    try:
        async for event in events:
            if is_awaited and _is_content(event):
                is_awaited = False
                for slot in slots:
                    slot.answered(asked_s)
            yield event
    except BaseException as error:
        if is_awaited:
            for slot in slots:
                slot.failed(error, asked_s)
        raise


def _full(table: SlotTable, target: Target) -> Slots | None:
    """Return the limit that a target is at, where its calls are not to wait for that."""
    return next((slots for slots in table.of(target) if slots.is_full and not _is_patient(slots)), None)


def _is_patient(slots: Slots) -> bool:
    return slots.policy is not None and slots.policy.is_patient


def _others_with_room(table: SlotTable, call: Call) -> Iterator[Target]:
    """Yield the targets that are yet to be tried and have room."""
    receipt = call.receipt
    done = {attempt.target for attempt in receipt.attempts} | {name for name, _ in receipt.skipped}
    for target in call.targets:
        if target.name not in done and not any(slots.is_full for slots in table.of(target)):
            yield target


def _is_content(event: Event) -> bool:
    return not isinstance(event, Usage | Done) and not (isinstance(event, Verbatim) and not event.is_content)
