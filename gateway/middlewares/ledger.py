"""Was it written down? The row of a request is in the ledger before a vendor is asked; the server settles it."""

from __future__ import annotations

import time

from gateway.config.model import Config, Route
from gateway.middlewares.estimate import upper_cost
from gateway.services import Services
from gateway.stores.calibration import Calibration
from gateway.stores.ledger import Entry, Ledger
from gateway.types import Call, Handler, Middleware, Receipt, Reply


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return WriteAhead(services.ledger, services.calibration) if services.ledger.is_on else None


class WriteAhead:
    def __init__(self, ledger: Ledger, calibration: Calibration) -> None:
        self._ledger = ledger
        self._calibration = calibration

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        receipt = call.receipt
        reserved = receipt.reserved_nano_usd
        if reserved is None:
            reserved = upper_cost(call, factor=self._calibration.factor)
        entry = receipt.entry = opening(self._ledger, receipt, reserved)
        await self._ledger.open(entry)
        return await handler(call)


def opening(ledger: Ledger, receipt: Receipt, reserved_nano_usd: int) -> Entry:
    """Return the entry of a request that begins."""
    number, instance = ledger.numbered()
    return Entry(
        number,
        instance,
        receipt.id,
        time.time(),
        receipt.client,
        receipt.tenant,
        receipt.route,
        receipt.operation,
        receipt.model,
        reserved_nano_usd,
        tags=receipt.tags,
    )
