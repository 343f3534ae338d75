"""Pain 17: a process killed at any moment, a server that vanishes under load: nothing is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import replace

import pytest

from gateway.stores.database import open_database
from gateway.stores.database.work import fetch
from gateway.stores.ledger import Ledger, LedgerAway, chores
from gateway.stores.ledger.rows import recover
from tests.harness import ROOT
from tests.postgres_server import PostgresServer
from tests.stores.entries import done, rows, sums_are_those_of_the_rows
from tests.stores.ledger.test_writer import fresh, running


async def child(url: str, rows_written: int, kept_open: int) -> asyncio.subprocess.Process:
    """Return a process that has written its rows and lives on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.stores.ledger.crashing", url, str(rows_written), str(kept_open),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"written\n"
    return process


async def killed(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


async def states(url: str) -> Counter[str]:
    return Counter(state for (state,) in await asyncio.to_thread(rows, url, "state"))


async def test_what_was_open_when_a_process_was_killed_is_charged_at_the_next_start(url: str) -> None:
    await killed(await child(url, 200, 30))
    async with running(url) as ledger:
        assert len(ledger.recovered) == 30
    assert await states(url) == {"settled": 170, "crashed": 30}
    assert sums_are_those_of_the_rows(url)
    async with running(url) as ledger:
        assert ledger.recovered == []


async def test_a_living_process_settles_what_another_left_and_not_what_it_has(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "RECOVER_EVERY_S", 0.1)
    dies, lives = await child(url, 50, 20), await child(url, 50, 7)
    async with running(url) as ledger:
        own = fresh(ledger)
        await ledger.open(own)
        await asyncio.sleep(0.5)
        assert await states(url) == {"settled": 73, "open": 28}
        await killed(dies)
        async with asyncio.timeout(5):
            while (await states(url))["crashed"] != 20:
                await asyncio.sleep(0.05)
        assert (await states(url))["open"] == 8
        ledger.settle(replace(done(), id=own.id, instance=own.instance))
    await killed(lives)
    assert await states(url) == {"settled": 74, "open": 7, "crashed": 20}
    assert sums_are_those_of_the_rows(url)


@pytest.mark.slow
async def test_a_process_killed_in_the_middle_of_its_writing_leaves_sums_that_are_those_of_the_rows(url: str) -> None:
    for after_s in (0.0, 0.1):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.stores.ledger.crashing", url, "3000", "10",
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(20):
            while not await begun(url):
                await asyncio.sleep(0.01)
        await asyncio.sleep(after_s)
        await killed(process)
        async with running(url):
            pass
        assert "open" not in await states(url)
        assert sums_are_those_of_the_rows(url)


async def begun(url: str) -> bool:
    """Whether a process is writing: it has rows open."""
    try:
        return (await states(url))["open"] > 0
    except LedgerAway:  # no tables yet
        return False


async def serve(ledger: Ledger, until: asyncio.Event) -> int:
    """Write rows as requests do until told to stop. Returns how many."""
    count = 0
    while not until.is_set():
        row = fresh(ledger)
        await ledger.open(row)
        await asyncio.sleep(0.005)
        ledger.settle(replace(done(), id=row.id, instance=row.instance))
        count += 1
    return count


@pytest.mark.slow
async def test_a_server_stopped_and_started_under_load_loses_nothing_and_counts_nothing_twice(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "RECOVER_EVERY_S", 0.05)  # the two take each other for dead as often as they can
    url = postgres.new_database()
    async with running(url) as first, running(url) as second:
        over = asyncio.Event()
        served = [asyncio.create_task(serve(ledger, over)) for ledger in (first, second) for _ in range(8)]
        for _ in range(3):
            await asyncio.sleep(0.4)
            await asyncio.to_thread(postgres.stop)
            await asyncio.sleep(0.4)
            await asyncio.to_thread(postgres.start)
        await asyncio.sleep(0.5)
        over.set()
        total = sum(await asyncio.gather(*served))
    assert await states(url) == {"settled": total}
    assert sums_are_those_of_the_rows(url)


async def test_sessions_that_break_under_load_lose_nothing(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "RECOVER_EVERY_S", 0.05)
    url = postgres.new_database()
    async with running(url) as first, running(url) as second:
        over = asyncio.Event()
        served = [asyncio.create_task(serve(ledger, over)) for ledger in (first, second) for _ in range(8)]
        other = open_database(url)
        for _ in range(10):
            await asyncio.sleep(0.1)
            await other.run(
                fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        await other.aclose()
        over.set()
        total = sum(await asyncio.gather(*served))
    assert await states(url) == {"settled": total}
    assert sums_are_those_of_the_rows(url)


async def test_the_rows_of_a_process_that_was_stopped_too_long_are_corrected_when_it_settles(url: str) -> None:
    ledger = Ledger()
    await ledger.start(url, retention_days=36_500)
    row = fresh(ledger)
    await ledger.open(row)
    await ledger.flush()
    other = open_database(url)
    assert len(await other.run(recover(other, [row.instance]))) == 1
    await other.aclose()
    ledger.settle(replace(done(), id=row.id, instance=row.instance))
    await ledger.aclose()
    assert rows(url) == [("settled", 700)]
    assert sums_are_those_of_the_rows(url)
