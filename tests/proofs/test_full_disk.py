"""A disk without room and a file that somebody has locked: requests are served on, and their rows come later."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from gateway.stores.ledger.writer import WAIT_S
from tests.harness import ROUTES, SANDBOX, Process, process
from tests.stores.entries import asked, rows, sums_are_those_of_the_rows

ROOM = "600k"
SERVED = 60
BACK_S = 15.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for some hundred rows."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder))
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may make a small file system to fill, and not in every container")
    try:
        yield folder
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return path


async def chat(client: aiohttp.ClientSession, request_id: str) -> int:
    body = {"model": "chat", "messages": [{"role": "user", "content": request_id}]}
    async with client.post("/v1/chat/completions", json=body, headers={"x-request-id": request_id}) as answer:
        await answer.read()
        return answer.status


async def served_on(gateway: Process, client: aiohttp.ClientSession, prefix: str) -> None:
    """Send requests that are all answered in spite of a ledger that is away, and that are logged as little as that."""
    loop = asyncio.get_running_loop()
    start, started_s = len(gateway.log), loop.time()
    assert [await chat(client, f"{prefix}-{number}") for number in range(4)] == [200] * 4
    told = await gateway.wait_for_log(lambda line: "their rows wait in memory" in str(line["message"]), start)
    assert "gateway.db" in str(told["message"])
    started_s = loop.time()
    assert [await chat(client, f"{prefix}-{number}") for number in range(4, SERVED)] == [200] * (SERVED - 4)
    assert loop.time() - started_s < SERVED * WAIT_S / 2  # once it is known to be away, nobody waits for it
    warnings = [line for line in gateway.log[start:] if line["message"] != "request"]
    assert len(warnings) == 1, warnings


async def is_all_there(gateway: Process, url: str, prefix: str) -> None:
    await gateway.wait_for_log(lambda line: "is written again, nothing is lost" in str(line["message"]))
    what = "SELECT COUNT(*), COUNT(DISTINCT request_id) FROM requests WHERE state = 'settled' AND request_id LIKE $1"
    async with asyncio.timeout(BACK_S):
        while await asyncio.to_thread(asked, url, what, f"{prefix}-%") != [(SERVED, SERVED)]:
            await asyncio.sleep(0.1)
    assert await asyncio.to_thread(sums_are_those_of_the_rows, url)


@pytest.mark.slow
async def test_on_a_full_disk_requests_are_served_and_their_rows_come_when_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    url = f"sqlite:{small_disk / 'gateway.db'}"
    config = f"{ROUTES}stores: {{database_url: '{url}'}}\n"
    async with process(tmp_path, SANDBOX, config) as gateway, aiohttp.ClientSession(gateway.url) as client:
        assert await chat(client, "before-it-is-full") == 200
        filler = fill(small_disk)
        await served_on(gateway, client, "full-disk")
        filler.unlink()
        await is_all_there(gateway, url, "full-disk")
        assert await chat(client, "when-there-is-room") == 200
        assert await gateway.stop() == 0
    assert {state for state, _ in rows(url)} == {"settled"}
    assert len(rows(url)) == SERVED + 2


@pytest.mark.slow
async def test_while_somebody_locks_the_file_requests_are_served_and_their_rows_come_afterwards(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'gateway.db'}"
    config = f"{ROUTES}stores: {{database_url: 'sqlite:gateway.db'}}\n"
    async with process(tmp_path, SANDBOX, config) as gateway, aiohttp.ClientSession(gateway.url) as client:
        assert await chat(client, "before-it-is-locked") == 200
        other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await served_on(gateway, client, "locked-file")
        other.execute("ROLLBACK")
        other.close()
        await is_all_there(gateway, url, "locked-file")
        assert await gateway.stop() == 0
    assert len(rows(url)) == SERVED + 1
