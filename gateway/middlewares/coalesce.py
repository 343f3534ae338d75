"""Is somebody asking the same just now? Identical calls of one tenant that are in flight share one.

What is shared stands in `flight`. Here is decided who joins whom, and what becomes of the others where a call fails
before its first content: its own caller gets the error, they try once more, together.
"""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import IO

from gateway.config.model import Cache as CachePolicy
from gateway.config.model import Config, Route
from gateway.errors import GatewayError
from gateway.middlewares.fingerprint import Fingerprints, Lookup
from gateway.middlewares.flight import Flight, Seat
from gateway.middlewares.wishes import wish_of
from gateway.services import Services
from gateway.stores.ledger import Ledger
from gateway.types import Call, Handler, Middleware, Recording, Reply

MEMORY_BYTES = 1_048_576  # up to here a recording is copied, beyond it its file is shared
ROUNDS = 2  # shared calls that one client waits for, the second where the first failed and was another's


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    if not route.is_coalesced:
        return None
    max_bytes = (route.cache or CachePolicy(0)).max_entry_bytes
    return Coalesce(services.flights, services.ledger, Fingerprints(route), max_bytes)


class Coalesce:
    """`flights` holds those that can be joined, by what they answer."""

    def __init__(self, flights: dict[str, Flight], ledger: Ledger, fingerprints: Fingerprints, max_bytes: int) -> None:
        self._flights = flights
        self._ledger = ledger
        self._fingerprints = fingerprints
        self._max_bytes = max_bytes

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        name = await self._name(call)
        if name is None:
            return await handler(call)
        before = call.receipt.cache
        for rounds in range(1, ROUNDS + 1):
            seat, is_own = self._seat(name, call, handler)
            call.receipt.cache = before if is_own else "coalesced"
            try:
                await seat.begun()
            except GatewayError as error:
                await seat.close()
                if is_own or rounds == ROUNDS or not _may_be_others(error):
                    raise
                continue
            except BaseException:
                await seat.close()
                raise
            return Reply(seat.events(), (seat.close,))
        raise RuntimeError("the last round returns or raises")

    async def _name(self, call: Call) -> str | None:
        """Return what the call shares with others like it; None where its client wants an answer of its own."""
        lookup = call.receipt.lookup
        if isinstance(lookup, Lookup):
            if call.receipt.cache == "bypass":
                return None
            return f"{lookup.key.id} {lookup.mode}"
        wish = wish_of(call.head.headers)
        if wish.is_fresh or wish.is_unkept:
            return None
        key, mode = await self._fingerprints.key(call)
        return f"{key.id} {mode}"

    def _seat(self, name: str, call: Call, handler: Handler) -> tuple[Seat, bool]:
        """Join who is under way, or depart; say which."""
        flight = self._flights.get(name)
        if flight is not None:
            return flight.seat(call), False

        def forget(over: Flight) -> None:
            if self._flights.get(name) is over:
                del self._flights[name]

        shared, handler = _owning(call, handler)
        flight = self._flights[name] = Flight(shared, self._max_bytes, self._ledger, forget)
        seat = flight.seat(call)
        flight.depart(handler)
        return seat, True


def _may_be_others(error: GatewayError) -> bool:
    """Whether another caller may fare better: his key has its own limits, and a vendor may have been ill for a moment.
    What is wrong with the request itself is wrong for all."""
    return error.blame != "client" or error.status in (402, 403, 429)


def _owning(call: Call, handler: Handler) -> tuple[Call, Handler]:
    """Give the shared call a recording's file of its own: the client's is closed with the request that brought it."""
    if not isinstance(call.body, Recording):
        return call, handler
    upload = call.body.audio
    own: IO[bytes]
    if upload.size_bytes <= MEMORY_BYTES:
        own = io.BytesIO(upload.read())
    else:
        own = os.fdopen(os.dup(upload.file.fileno()), "rb")

    async def close() -> None:
        own.close()

    async def owning(asked: Call) -> Reply:
        try:
            reply = await handler(asked)
        except BaseException:
            own.close()
            raise
        return replace(reply, closers=(close, *reply.closers))

    return replace(call, body=replace(call.body, audio=replace(upload, file=own))), owning
