"""A call of the gateway's own, beside a client's: accounted for as one more of that client, with a row of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.chain import close
from gateway.config.model import Config, Route
from gateway.errors import GatewayError
from gateway.middlewares import quota
from gateway.services import Services
from gateway.stores.ledger import settled
from gateway.telemetry.logs import log_request
from gateway.types import Call, Event, Handler, Receipt

NOBODY = 499  # the status of a row whose call was given up
TOTAL_S = 600.0  # where the route has no deadline: nobody waits for it


class Errands:
    """Runs calls of a route's clients beside them, under the same limits."""

    def __init__(self, route: Route, config: Config, services: Services) -> None:
        self._quota = quota.build(route, config, services)
        self._services = services
        self._total_s = route.total_s or TOTAL_S
        names = {target.name for alias in config.models for target in alias.targets}
        self._targets = frozenset(names)

    def derive(self, call: Call, purpose: str) -> Call:
        """Return a call like this one, with a receipt and a deadline of its own."""
        loop, mine = asyncio.get_running_loop(), call.receipt
        receipt = Receipt(
            id=f"{mine.id}-{purpose}",
            started_s=loop.time(),
            generation=mine.generation,
            route=mine.route,
            operation=mine.operation,
            dialect=mine.dialect,
            client=mine.client,
            tenant=mine.tenant,
            tags=mine.tags,
            model=mine.model,
            cache=purpose,
            lookup=mine.lookup,
        )
        until_s = loop.time() + self._total_s
        return replace(call, id=receipt.id, receipt=receipt, deadline_s=until_s, content_by_s=until_s)

    async def run(self, call: Call, handler: Handler) -> list[Event]:
        """Return the whole answer. Raises what the limits or the targets do."""
        status = NOBODY
        try:
            reply = await (self._quota(call, handler) if self._quota is not None else handler(call))
            try:
                events = [event async for event in reply.events]
            finally:
                await close(reply)
            status = 200
            return events
        except GatewayError as error:
            status = error.status
            raise
        finally:
            self._account(call.receipt, status)

    def _account(self, receipt: Receipt, status: int) -> None:
        now_s = asyncio.get_running_loop().time()
        if receipt.entry is not None:
            self._services.ledger.settle(settled(receipt.entry, receipt, status, now_s))
        self._services.metrics.record(receipt, status, now_s, self._targets)
        log_request(receipt, status, now_s)
