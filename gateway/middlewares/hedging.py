"""A second attempt beside one that takes long: the first content wins, and the other is closed at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.middlewares.trial import Trial
from gateway.types import Attempt

LOST = "hedge_lost"
Open = Callable[[Trial], Awaitable[Trial]]


async def race(
    first: Trial, after_s: float, beside: Callable[[], Trial | None], open_: Open
) -> tuple[Trial, Attempt | None]:
    """Return the attempt that had content first, and the one that lost to it, closed by then.

    `beside` begins the second one, if there is to be one, `after_s` after the first. Where one fails, the other is
    waited for; where both do, the later error is raised. A caller that is cancelled leaves nothing running.
    """
    running: dict[asyncio.Task[Trial], Trial] = {_task(open_, first): first}
    try:
        done, _ = await asyncio.wait(running, timeout=after_s)
        if not done and (second := beside()) is not None:
            running[_task(open_, second)] = second
        return await _winner(running)
    finally:
        await _end(running)


async def _winner(running: dict[asyncio.Task[Trial], Trial]) -> tuple[Trial, Attempt | None]:
    while True:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in [task for task in running if task in done]:  # the first before the second, where both are there
            if task.exception() is None:
                winner = running.pop(task)
                loser = next(iter(running.values()), None)
                try:
                    await _end(running, LOST)
                except BaseException as error:
                    await winner.close(error)
                    raise
                return winner, loser.attempt if loser is not None and loser.attempt.outcome == LOST else None
            del running[task]
            if not running:
                task.result()  # raises


async def _end(running: dict[asyncio.Task[Trial], Trial], outcome: str = "") -> None:
    """Cancel what still runs, close what had its content too late, and wait until that is done.

    `outcome` is that of what was open until now; empty where its caller has left.
    """
    losers = dict(running)
    running.clear()
    for task, trial in losers.items():
        if outcome and trial.attempt.outcome == "open":
            trial.attempt.outcome = outcome
        task.cancel()
    for task, trial in losers.items():
        await asyncio.wait({task})
        if task.cancelled() or task.exception() is None:
            await trial.close(asyncio.CancelledError())  # also one that was cancelled before it began


def _task(open_: Open, trial: Trial) -> asyncio.Task[Trial]:
    async def run() -> Trial:
        return await open_(trial)

    return asyncio.get_running_loop().create_task(run(), name=f"attempt at {trial.target.name}")
