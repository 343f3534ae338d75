"""What a live session holds of its limits: a step at a time, the rest of a limit to its end, and settled once."""

from __future__ import annotations

import pytest

from gateway.errors import RateLimited
from gateway.middlewares.quota import refused
from gateway.middlewares.tab import Tab
from gateway.stores.limits import Claim, Hold, Limiter, Meter, meters_of
from gateway.types import STEP_SECONDS, Budget, Growing, Limit, Rate, Session
from tests.given import Clock

STEP_MS = round(STEP_SECONDS * 1000)


def meters(**more: object) -> dict[str, Meter]:
    limit = Limit("l", rates=(("audio_ms", Rate(25_000, 3_600)), ("requests", Rate(9, 3_600))), concurrent=2, **more)  # type: ignore[arg-type]
    return {meter.what: meter for meter in meters_of(limit)}


async def tab_of(limiter: Limiter, found: dict[str, Meter]) -> Tab:
    amounts = {"audio_ms": STEP_MS, "requests": 1, "concurrent": 1, "budget": 100}

    def claims(what: Growing | None = None) -> list[Claim]:
        return [Claim(meter, "key=ann", amounts[meter.what]) for meter in found.values()]

    hold = await limiter.reserve(claims())
    assert isinstance(hold, Hold)
    return Tab(limiter, hold, claims, refused)


def taken(limiter: Limiter, meter: Meter) -> int:
    return meter.amount - limiter.local.state(Claim(meter, "key=ann", 0)).left


async def test_a_further_step_is_of_what_grows_and_no_further_call() -> None:
    limiter, found = Limiter(Clock()), meters()
    tab = await tab_of(limiter, found)
    assert await tab.more("seconds") == 1.0
    assert await tab.more("tokens") == 1.0, "no limit counts them"
    assert {name: taken(limiter, meter) for name, meter in found.items()} == {
        "audio_ms": 2 * STEP_MS,
        "requests": 1,
        "concurrent": 1,
    }


async def test_the_last_step_is_what_is_left_and_then_it_is_refused() -> None:
    limiter, found = Limiter(Clock()), meters()
    tab = await tab_of(limiter, found)
    assert [await tab.more("seconds") for _ in range(2)] == [1.0, 0.5]
    with pytest.raises(RateLimited, match="the limit 'l' for 'key=ann', 25 audio seconds per hour, is used up"):
        await tab.more("seconds")
    assert taken(limiter, found["audio_ms"]) == 25_000


@pytest.mark.parametrize("used_ms", [0, 4_000, 10_000, 17_000, 24_000])
async def test_what_was_used_takes_the_place_of_all_steps_together_once(used_ms: int) -> None:
    limiter, found = Limiter(Clock()), meters(budgets=(Budget(1_000, "total"),))
    tab = await tab_of(limiter, found)
    await tab.more("seconds")
    used = {"audio_ms": used_ms, "budget": used_ms // 100}
    for _ in range(2):
        tab.settle(lambda claim: used.get(claim.meter.what, claim.amount))
    assert taken(limiter, found["audio_ms"]) == used_ms
    assert taken(limiter, found["budget"]) == used_ms // 100
    assert taken(limiter, found["requests"]) == 1
    assert limiter.local.held == 0


async def test_a_session_asks_for_a_step_only_where_it_needs_one_and_counts_nothing_that_is_refused() -> None:
    asked: list[str] = []
    parts = iter([1.0, 0.5])

    async def cover(what: Growing) -> float:
        asked.append(what)
        part = next(parts, None)
        if part is None:
            raise RateLimited("used up")
        return part

    session = Session()
    session.covers.append(cover)
    await session.use(STEP_SECONDS)
    assert asked == []
    assert not session.fits(0.1)
    await session.use(1.0)
    await session.use(STEP_SECONDS * 1.5 - 1.0)
    assert asked == ["seconds", "seconds"]
    with pytest.raises(RateLimited):
        await session.use(0.001)
    assert session.seconds == STEP_SECONDS * 2.5
    with pytest.raises(RateLimited):
        await session.spent(0.0, 1_000_000)
