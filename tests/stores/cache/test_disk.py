"""Answers on disk: bounded, whole or not there at all, and there again after a restart."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.stores.cache import Purge
from gateway.stores.cache.codec import pack
from gateway.stores.cache.disk import MAX_WRITING, DiskStore
from gateway.types import AudioChunk, Done
from tests.given import Clock
from tests.harness import ROOT
from tests.stores.cache.kept import entry, key

LARGE = 1_000_000


async def opened(folder: Path, max_bytes: int = LARGE, clock: Clock | None = None) -> DiskStore:
    store = DiskStore(clock or Clock())
    await store.open(folder, max_bytes)
    return store


def answers(folder: Path) -> list[Path]:
    return [place for place in folder.iterdir() if place.name != "lock"]


def sound(name: str, size: int = 1000) -> Any:
    return entry(text=name, events=(AudioChunk(name.encode() * size), Done()))


async def test_an_answer_comes_back_as_it_was(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    assert await store.get(key()) is None
    assert await store.put(key(), sound("a"))
    assert await store.get(key()) == sound("a")
    (place,) = answers(tmp_path)
    assert store.size_bytes == place.stat().st_size
    assert place.stat().st_mode & 0o077 == 0  # nobody else reads what users said


async def test_it_is_there_again_after_a_restart(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.put(key("a"), sound("a"))
    await store.put(key("a").of("second/model"), sound("fallback"))
    await store.close()
    again = await opened(tmp_path)
    assert await again.get(key("a")) == sound("a")
    assert await again.get(key("a").of("second/model")) == sound("fallback")
    assert (len(again), again.size_bytes) == (2, sum(place.stat().st_size for place in answers(tmp_path)))


@pytest.mark.parametrize(("later_s", "is_there"), [(59, True), (60, False)])
async def test_its_time_goes_on_over_a_restart(tmp_path: Path, later_s: float, is_there: bool) -> None:
    clock = Clock()
    store = await opened(tmp_path, clock=clock)
    await store.put(key(), sound("a"))
    await store.close()
    clock.now_s += later_s
    again = await opened(tmp_path, clock=clock)
    assert (await again.get(key()) is not None) == is_there
    assert len(answers(tmp_path)) == is_there


@pytest.mark.parametrize(("count", "expected"), [(3, ["0", "1", "2"]), (4, ["1", "2", "3"]), (5, ["2", "3", "4"])])
async def test_it_takes_no_more_than_its_bytes_and_what_was_used_longest_ago_goes(
    tmp_path: Path, count: int, expected: list[str]
) -> None:
    written = pack(sound("0"))
    assert written is not None
    store = await opened(tmp_path, 3 * len(written))
    for number in range(count):
        await store.put(key(str(number)), sound(str(number)))
        assert store.size_bytes == sum(place.stat().st_size for place in answers(tmp_path)) <= 3 * len(written)
    assert [name for name in map(str, range(count)) if await store.get(key(name)) is not None] == expected


async def test_the_order_of_use_outlives_a_restart(tmp_path: Path) -> None:
    written = pack(sound("0"))
    assert written is not None
    store = await opened(tmp_path)
    for number in range(3):
        await store.put(key(str(number)), sound(str(number)))
        place = next(place for place in answers(tmp_path) if place.name.startswith(key(str(number)).digest))
        os.utime(place, (number, number))
    assert await store.get(key("0")) is not None  # the oldest is used
    await store.close()
    again = await opened(tmp_path, 2 * len(written))  # and the bound is now smaller
    assert [name for name in "012" if await again.get(key(name)) is not None] == ["0", "2"]


@pytest.mark.parametrize(("more", "is_kept"), [(1, True), (0, True), (-1, False)])
async def test_one_answer_may_be_as_large_as_all(tmp_path: Path, more: int, is_kept: bool) -> None:
    written = pack(sound("0"))
    assert written is not None
    store = await opened(tmp_path, len(written) + more)
    assert await store.put(key(), sound("0")) == is_kept
    assert len(answers(tmp_path)) == is_kept


async def test_a_newer_answer_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    clock = Clock()
    store = await opened(tmp_path, clock=clock)
    await store.put(key(), sound("a"))
    clock.now_s += 10
    await store.put(key(), entry(events=(AudioChunk(b"new"), Done()), now=clock.now_s))
    assert len(answers(tmp_path)) == 1
    found = await store.get(key())
    assert found is not None
    assert found.events[0] == AudioChunk(b"new")


async def test_many_at_once_keep_the_bound_and_one_whole_answer_a_key(tmp_path: Path) -> None:
    written = pack(sound("0"))
    assert written is not None
    store = await opened(tmp_path, 4 * len(written))
    await asyncio.gather(*(store.put(key(str(number % 6)), sound(str(number % 6))) for number in range(30)))
    assert store.size_bytes == sum(place.stat().st_size for place in answers(tmp_path)) <= 4 * len(written)
    for number in range(6):
        found = await store.get(key(str(number)))
        assert found is None or found.events == sound(str(number)).events
    assert store.damaged == 0


@pytest.mark.parametrize("damage", ["cut", "empty", "turned", "of another kind"])
async def test_a_damaged_answer_is_a_miss_and_goes(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(tmp_path)
    await store.put(key(), sound("a"))
    (place,) = answers(tmp_path)
    data = bytearray(place.read_bytes())
    if damage == "turned":
        data[-1] ^= 1
    damaged = {"cut": data[:-1], "empty": b"", "turned": data, "of another kind": b"AGC0" + data[4:]}
    place.write_bytes(bytes(damaged[damage]))
    with caplog.at_level(logging.WARNING):
        assert await store.get(key()) is None
    assert "cannot be read" in caplog.text
    assert (store.damaged, len(store), store.size_bytes, answers(tmp_path)) == (1, 0, 0, [])


async def test_what_somebody_removed_is_a_miss(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.put(key(), sound("a"))
    answers(tmp_path)[0].unlink()
    assert await store.get(key()) is None
    assert (len(store), store.size_bytes) == (0, 0)


async def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.put(key(), sound("a"))
    await store.close()
    (place,) = answers(tmp_path)
    (tmp_path / f"{place.name}.new").write_bytes(b"AGC1 half")
    (tmp_path / "README").write_text("not ours")
    again = await opened(tmp_path)
    assert await again.get(key()) == sound("a")
    assert sorted(each.name for each in answers(tmp_path)) == sorted(["README", place.name])


async def test_a_killed_process_leaves_whole_answers_and_no_lock(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom tests.stores.cache.test_disk import key, opened, sound\n"
        "async def main():\n"
        "    store = await opened(Path(sys.argv[1]))\n"
        "    for number in range(10**6):\n"
        "        await store.put(key(str(number)), sound(str(number)))\n"
        "        print(number, flush=True)\n"
        "asyncio.run(main())\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    last = max(int(child.stdout.readline()) for _ in range(20))
    child.kill()
    child.wait()
    child.stdout.close()
    store = await opened(tmp_path)
    assert store.is_open
    assert [await store.get(key(str(number))) for number in range(last + 1)] == [
        sound(str(number)) for number in range(last + 1)
    ]
    assert store.damaged == 0


async def test_a_folder_is_one_processs_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = await opened(tmp_path)
    second = await opened(tmp_path)
    assert "another process keeps answers in" in caplog.text
    assert not second.is_open
    assert not await second.put(key(), sound("a"))
    await first.close()
    await second.open(tmp_path, LARGE)
    assert second.is_open


async def test_a_folder_that_cannot_be_had_is_said_and_nothing_else_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    store = await opened(tmp_path / "file" / "cache")
    assert "no answers are kept on disk" in caplog.text
    assert not store.is_open
    assert await store.get(key()) is None


async def test_a_disk_that_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "cache"
    store = await opened(folder)
    for place in folder.iterdir():
        place.unlink()
    folder.rmdir()
    for _ in range(3):
        assert not await store.put(key(), sound("a"))
    assert caplog.text.count("answers cannot be written") == 1
    folder.mkdir()
    assert await store.put(key(), sound("a"))


async def test_too_many_at_once_are_not_kept(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    kept = await asyncio.gather(*(store.put(key(str(n)), sound(str(n), 10)) for n in range(MAX_WRITING + 5)))
    assert kept.count(True) == MAX_WRITING


@pytest.mark.parametrize(
    ("what", "left"),
    [
        (Purge(), ""),
        (Purge(digest=key("a").digest), "b"),
        (Purge(tenant="tenant-2"), "a"),
        (Purge(route="POST /v1/audio/speech"), "a"),
        (Purge(tenant="tenant-1", route="POST /v1/audio/speech"), "ab"),
    ],
)
async def test_what_agrees_is_purged_also_of_what_was_there_before(tmp_path: Path, what: Purge, left: str) -> None:
    keys = {"a": key("a"), "b": key("b", "tenant-2", "POST /v1/audio/speech")}
    store = await opened(tmp_path)
    for name, each in keys.items():
        await store.put(each, sound(name))
    await store.close()
    again = await opened(tmp_path)
    assert await again.purge(what) == 2 - len(left)
    assert [name for name, each in keys.items() if await again.get(each) is not None] == list(left)
    assert len(answers(tmp_path)) == len(left)


async def test_what_is_being_written_is_given_already(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    writing = asyncio.ensure_future(store.put(key(), sound("a")))
    await asyncio.sleep(0)
    assert not writing.done()
    assert await store.get(key()) == sound("a")
    assert await writing
    assert await store.get(key()) == sound("a")


async def test_what_is_being_written_while_it_is_purged_does_not_stay(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    writing = asyncio.ensure_future(store.put(key(), sound("a")))
    await asyncio.sleep(0)  # it has begun, and its row is not there yet
    assert await store.purge(Purge(tenant="tenant-1")) == 0
    assert await store.get(key()) is None
    assert not await writing
    assert await store.get(key()) is None
    assert answers(tmp_path) == []
    assert await store.put(key(), sound("a"))  # and what comes later does


@pytest.mark.parametrize(("before", "count"), [(999_999.0, 0), (1_000_000.0, 1)])
async def test_a_purge_that_is_heard_of_late_spares_what_came_since(tmp_path: Path, before: float, count: int) -> None:
    store = await opened(tmp_path)
    await store.put(key(), sound("a"))
    assert await store.purge(Purge(), before) == count
