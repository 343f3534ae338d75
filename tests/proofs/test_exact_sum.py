"""A hundred thousand requests, one in twenty of them failing in one of several ways: limits, ledger and the days' sums
all come to the same nano-dollar as a sum by hand.

Real are the middlewares quota, ledger, failover and cost, the counters and the SQLite file. Not taken part: HTTP, the
dialects and the vendors' plugins, for which a hundred thousand requests take ten minutes.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from gateway.chain import close, compose
from gateway.config.model import Failover as Policy
from gateway.errors import GatewayError, UpstreamCut, UpstreamUnavailable
from gateway.middlewares.cost import Meter
from gateway.middlewares.failover import Failover
from gateway.middlewares.ledger import WriteAhead
from gateway.middlewares.quota import Quota
from gateway.stores.calibration import Calibration
from gateway.stores.ledger import Ledger, settled, usage
from gateway.stores.limits import Limiter
from gateway.types import Budget, Call, Client, Done, Event, Handler, Limit, Price, Reply, TextDelta, Units, Usage
from tests.given import call, reply, target
from tests.stores.entries import asked

REQUESTS = 100_000
AT_ONCE = 400
FAULTS = 0.05
PRICE = Price(input_per_mtok=75_000_000, output_per_mtok=333_333_333, cached_input_per_mtok=12_345_678, per_request=7)
MICRO = 1_000_000


class Vendor:
    """Draws what each request uses and how it fails, and adds up by hand what it costs."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.cost_nano_usd = 0
        self.failed = 0

    async def __call__(self, asked: Call) -> Reply:
        chance = self._chance
        fault = chance.choice(("refused", "cut", "left")) if chance.random() < FAULTS else ""
        self.failed += bool(fault)
        if fault == "refused":
            raise UpstreamUnavailable("down")
        given, cached, made = chance.randrange(1, 9_000), chance.randrange(0, 2), chance.randrange(1, 3_000)
        cached *= given // 3
        micro = (given - cached) * 75_000_000 + cached * 12_345_678 + made * 333_333_333 + 7 * MICRO
        self.cost_nano_usd += micro // MICRO + (2 * (micro % MICRO) >= MICRO)
        units = Usage(Units(input_tokens=given, cached_input_tokens=cached, output_tokens=made))
        await asyncio.sleep(0)
        return reply(units, TextDelta("a"), *_ending(fault))


def _ending(fault: str) -> tuple[Event | BaseException, ...]:
    if fault == "cut":
        return (UpstreamCut("in the middle"),)
    return (asyncio.CancelledError(),) if fault == "left" else (TextDelta("b"), Done())


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_sums_are_exact_over_a_hundred_thousand_requests(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'gateway.db'}"
    ledger, limiter, calibration, vendor = Ledger(), Limiter(time.time), Calibration(), Vendor(7)
    limit = Limit("each", per=("key",), concurrent=AT_ONCE, budgets=(Budget(10**15, "total"),))
    await ledger.start(url)
    handler = compose(
        (
            Quota((limit,), limiter),
            WriteAhead(ledger, calibration),
            Failover(Policy(attempts=1, first_content_s=60), is_verbatim=False),
            Meter(calibration),
        ),
        vendor,
    )
    model = target(price=PRICE)
    numbers = iter(range(REQUESTS))

    async def serve() -> None:
        for number in numbers:
            one = call(targets=(model,), client=Client(f"key-{number % 7}", "tenant"), stream=True)
            one.receipt.id, one.receipt.client = f"request-{number}", one.client.name
            status = await _status(handler, one)
            assert one.receipt.entry is not None
            ledger.settle(settled(one.receipt.entry, one.receipt, status, 1.0))

    await asyncio.gather(*(serve() for _ in range(AT_ONCE)))
    await ledger.aclose()
    assert limiter.local.held == 0
    counted = [row for _, row in limiter.local.subjects() if not isinstance(row, int)]
    assert sum(row.spent for row in counted) == vendor.cost_nano_usd
    what = "COUNT(*), COUNT(DISTINCT request_id), SUM(cost_nano_usd), SUM(state = 'settled')"
    found = asked(url, f"SELECT {what} FROM requests")
    assert found == [(REQUESTS, REQUESTS, vendor.cost_nano_usd, REQUESTS)]
    assert sum(line.sums["cost_nano_usd"] for line in usage(url, "key", "")) == vendor.cost_nano_usd
    assert 0.9 * FAULTS * REQUESTS < vendor.failed < 1.1 * FAULTS * REQUESTS


async def _status(handler: Handler, one: Call) -> int:
    """Serve one request as the server does, and return what it ends with."""
    answer: Reply | None = None
    try:
        answer = await handler(one)
        async for _ in answer.events:
            pass
    except GatewayError as error:
        return error.status
    except asyncio.CancelledError:
        return 499
    finally:
        if answer is not None:
            await close(answer)
    return 200
