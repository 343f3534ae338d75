"""Has the gateway room for one more? Who has to wait sends his body meanwhile; who cannot wait need not send it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.errors import Overloaded
from gateway.stores.slots import NoSlot, Slot, Slots
from gateway.types import Call, Handler, Inbound, Receipt, Reply

UNQUEUED = frozenset({"models", "voices"})  # lists what there is, and asks nobody


async def admitted(
    slots: Slots, receipt: Receipt, until_s: float, read: Callable[[], Awaitable[Inbound]]
) -> tuple[Slot, Inbound]:
    """Return the right to run, and what `read` does. Raises Overloaded, or what `read` raises; nothing is held then.

    A body that nobody reads hides from the kernel that the client has hung up, so a wait is no time to leave it unread.
    """
    if not slots.is_full:
        slot = await _slot(slots, receipt, until_s)  # which waits for nothing
        try:
            return slot, await read()
        except BaseException:
            slot.release()
            raise
    turn = asyncio.ensure_future(_slot(slots, receipt, until_s))
    reading: asyncio.Future[Inbound] | None = None
    try:
        await asyncio.sleep(0)  # the turn has stepped: it is refused by now, or waits
        if turn.done():
            return turn.result(), await read()
        reading = asyncio.ensure_future(read())
        await asyncio.wait((turn, reading), return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()  # a body that cannot be taken needs no turn
        return await turn, await reading
    except BaseException:
        await _undo(turn, reading)
        raise


def timed(handler: Handler, slot: Slot) -> Handler:
    """Return the chain, so that an adaptive limit learns how long the first content took; the cache's says nothing."""

    async def handle(call: Call) -> Reply:
        began_s = asyncio.get_running_loop().time()
        try:
            reply = await handler(call)
        except BaseException as error:
            slot.failed(error, began_s)
            raise
        last = call.receipt.last
        if last is not None and last.was_asked:
            slot.answered(began_s)
        return reply

    return handle


async def _slot(slots: Slots, receipt: Receipt, until_s: float) -> Slot:
    now = asyncio.get_running_loop().time
    before_s = now()
    try:
        return await slots.take(receipt.tenant, until_s)
    except NoSlot as refusal:
        receipt.is_one_of_many = not refusal.is_news
        raise Overloaded(
            f"the gateway is at its limit of {slots.limit} calls at once, {refusal.why}",
            retry_after_s=refusal.retry_after_s,
        ) from refusal
    finally:
        receipt.queued_s = now() - before_s


async def _undo(turn: asyncio.Future[Slot], reading: asyncio.Future[Inbound] | None) -> None:
    """Leave the queue, give the slot back, and read no more."""
    if turn.done() and not turn.cancelled() and turn.exception() is None:
        turn.result().release()
    begun = [future for future in (turn, reading) if future is not None]
    for future in begun:
        future.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
