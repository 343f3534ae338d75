"""What would another target have answered? A share of the calls is sent to it as well, once they are over.

The copy has a receipt, a client and a row of the ledger of its own, all named SHADOW. So its caller's answer, limits
and budgets know nothing of it; limits per provider count it, since the vendor does.
"""

from __future__ import annotations

import asyncio
import io
import math
import os
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import IO

from gateway.chain import close
from gateway.config.model import Config, Route
from gateway.errors import GatewayError, UpstreamTimeout
from gateway.middlewares.ledger import WriteAhead
from gateway.services import Services
from gateway.stores.ledger import settled
from gateway.telemetry.logs import LOGGER, log_shadow
from gateway.types import SHADOW, Call, Choice, Client, Handler, Middleware, Receipt, Recording, Reply, Shadow

COMPLETE = "ok"
NOBODY = 499  # the status of a copy that was ended with the process
MOST_S = 600.0  # of a copy: nobody waits for it, and a place is taken
COPIED_BYTES = 1_048_576  # a recording is copied up to here, and lies on disk beyond; see server/body.py


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    has_shadow = any(alias.choice is not None and alias.choice.shadow is not None for alias in config.models)
    return Shadowing(services) if has_shadow else None


class Shadowing:
    def __init__(self, services: Services, rand: Callable[[], float] | None = None) -> None:
        self._services = services
        self._ledger = WriteAhead(services.ledger, services.calibration) if services.ledger.is_on else None
        self._rand = rand or Random().random  # which calls are copied is no secret

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        choice = choice_of(call)
        shadow = choice.shadow if choice is not None else None
        if choice is None or shadow is None or not _may_see(call, shadow) or self._rand() * 100 >= shadow.percent:
            return await handler(call)
        reply = await handler(call)

        async def copy() -> None:
            last = call.receipt.last
            if last is not None and last.outcome == COMPLETE:
                self._begin(call, choice, shadow, last.target, handler)

        return replace(reply, closers=(copy, *reply.closers))  # the first is closed last

    def _begin(self, call: Call, choice: Choice, shadow: Shadow, answered_by: str, handler: Handler) -> None:
        """Begin the copy, unless too many are under way, or the target is out or has no room: callers go first."""
        services = self._services
        is_out = services.breakers.is_out(shadow.target)
        if is_out or any(slots.is_full for slots in services.slots.of(shadow.target)):
            services.metrics.record_shadow(shadow.target.name, "ejected" if is_out else "dropped", None)
            return
        try:
            copied, release = _copied(call, shadow, asyncio.get_running_loop().time())
        except OSError as error:  # no file left to open: the caller's answer is not to fail for it
            LOGGER.warning("a call was not copied to %s: %s", shadow.target.name, error)
            self._services.metrics.record_shadow(shadow.target.name, "dropped", None)
            return
        work = self._run(copied, answered_by, handler)
        if not self._services.shadows.begin(f"{choice.model} {shadow.target.name}", shadow.in_flight, work, release):
            self._services.metrics.record_shadow(shadow.target.name, "dropped", None)

    async def _run(self, call: Call, answered_by: str, handler: Handler) -> None:
        """Ask the shadow, read its answer to the end, and write down what came of it."""
        services, receipt = self._services, call.receipt
        status, outcome = NOBODY, "cancelled"
        try:
            async with asyncio.timeout_at(call.deadline_s):
                reply = await (self._ledger(call, handler) if self._ledger is not None else handler(call))
                try:
                    async for _ in reply.events:
                        pass
                finally:
                    await close(reply)
            status, outcome = 200, COMPLETE
        except GatewayError as error:
            status, outcome = error.status, error.code
        except TimeoutError:
            status, outcome = UpstreamTimeout.status, UpstreamTimeout.code
        finally:
            now_s = asyncio.get_running_loop().time()
            if receipt.entry is not None:
                services.ledger.settle(settled(receipt.entry, receipt, status, now_s))
            services.metrics.record_shadow(call.targets[0].name, outcome, receipt.cost_nano_usd)
            log_shadow(receipt, outcome, answered_by, now_s)


def choice_of(call: Call) -> Choice | None:
    """Return how the call's model chooses; None where it has nothing but an order."""
    return next((target.place.choice for target in call.targets if target.place is not None), None)


def _may_see(call: Call, shadow: Shadow) -> bool:
    """Whether the shadow may be sent the call: not where its client, or its key, keeps it to other providers."""
    allowed = call.client.scopes.providers
    return not call.provider and (not allowed or shadow.target.provider.name in allowed)


def _copied(call: Call, shadow: Shadow, now_s: float) -> tuple[Call, Callable[[], None]]:
    """Return the call as it is sent to the shadow, and what gives back a file of it. A call's own ends with it."""
    mine = call.receipt
    receipt = Receipt(
        id=f"{mine.id}-shadow",
        started_s=now_s,
        generation=mine.generation,
        route=SHADOW,
        operation=mine.operation,
        dialect=mine.dialect,
        client=SHADOW,
        tenant=SHADOW,
        model=mine.model,
    )
    body, file = call.body, None
    if isinstance(body, Recording) and body.url is None:
        file = _kept(body.audio.file, body.audio.size_bytes)
        body = replace(body, audio=replace(body.audio, file=file))
    copied = replace(
        call,
        id=receipt.id,
        body=body,
        head=replace(call.head, client=Client(SHADOW, SHADOW)),
        receipt=receipt,
        deadline_s=now_s + min(call.deadline_s - mine.started_s, MOST_S),
        content_by_s=math.inf,
        targets=(shadow.target,),
        target=None,
    )
    return copied, file.close if file is not None else _nothing


def _nothing() -> None:
    """There is no file to give back."""


def _kept(file: IO[bytes], size_bytes: int) -> IO[bytes]:
    """Return a file that stays when the call's own is closed, as that one is about to be. Never waits for a disk."""
    if size_bytes > COPIED_BYTES:
        file.flush()
        return os.fdopen(os.dup(file.fileno()), "rb")
    file.seek(0)
    return io.BytesIO(file.read())
