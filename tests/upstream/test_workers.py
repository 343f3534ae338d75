"""gateway/upstream/workers.py, worker_process.py and gateway/worker.py together, with real processes."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import UpstreamCut, UpstreamUnavailable, UpstreamUnreachable
from gateway.types import Form, Upload, UpstreamRequest, UpstreamResponse
from gateway.upstream.workers import WorkerPool

FILE = str(Path(__file__).with_name("worker_file.py"))


OTHERS: set[int] = set()  # children of other tests' fixtures


@pytest.fixture(autouse=True)
def only_own_children() -> None:
    OTHERS.clear()
    OTHERS.update(children())


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(FILE, 2, name="test")
    yield pool
    await pool.aclose()
    assert children() == []


def children() -> list[int]:
    """The process ids of this process's children that a test has made, zombies included."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == os.getpid() and int(stat.parent.name) not in OTHERS:
            found.append(int(stat.parent.name))
    return found


async def until_no_children() -> None:
    async with asyncio.timeout(5):
        while children():
            await asyncio.sleep(0.001)


def ask(what: str, body: bytes | Form = b"") -> UpstreamRequest:
    return UpstreamRequest("POST", f"local:/{what}", {"content-type": "application/json"}, body)


async def read(response: UpstreamResponse) -> bytes:
    return b"".join([chunk async for chunk in response.chunks])


async def exchange(pool: WorkerPool, what: str, body: bytes | Form = b"") -> bytes:
    response = await pool.answer(ask(what, body))
    try:
        return await read(response)
    finally:
        await response.close()


async def test_the_head_and_body_of_an_answer_are_what_work_yields(pool: WorkerPool) -> None:
    response = await pool.answer(ask("echo", b"\0\xff body"))
    assert response.status == 201
    assert response.headers["content-type"] == "text/plain"
    assert await read(response) == b"\0\xff body"


async def test_an_answer_without_head_or_body_is_an_empty_200(pool: WorkerPool) -> None:
    response = await pool.answer(ask("nothing"))
    assert (response.status, dict(response.headers), await read(response)) == (200, {}, b"")


async def test_one_process_is_started_and_kept(pool: WorkerPool) -> None:
    assert children() == []
    pids = set()
    for _ in range(5):
        response = await pool.answer(ask("echo"))
        pids.add(response.headers["x-pid"])
        assert await read(response) == b""
    assert len(pids) == 1


async def test_large_answers_arrive_whole(pool: WorkerPool) -> None:
    assert await exchange(pool, "large") == b"".join(bytes([number]) * 100_001 for number in range(64))


async def test_a_form_goes_out_as_fields_and_the_bytes_of_its_file(pool: WorkerPool) -> None:
    content = os.urandom(3_000_000)
    upload = Upload("ä.wav", "audio/wav", len(content), io.BytesIO(content))
    answer = json.loads(await exchange(pool, "describe", Form((("model", "m"), ("é", "ü\n")), (("file", upload),))))
    assert answer["request"]["fields"] == [["model", "m"], ["é", "ü\n"]]
    assert answer["request"]["files"] == [
        {"name": "file", "filename": "ä.wav", "content_type": "audio/wav", "size_bytes": 3_000_000}
    ]
    assert answer["digest"] == hashlib.sha256(content).hexdigest()


async def test_a_file_that_is_shorter_than_it_says_does_not_hang(pool: WorkerPool) -> None:
    upload = Upload("a.wav", "audio/wav", 1000, io.BytesIO(b"short"))
    with pytest.raises(UpstreamUnreachable, match=r"less of 'a.wav' than its 1000 bytes"):
        await pool.answer(ask("echo", Form((), (("file", upload),))))
    assert await exchange(pool, "echo", b"next") == b"next"


async def test_a_worker_gets_no_credentials_from_the_environment(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-secret")
    assert b"canary-secret" not in await exchange(pool, "describe")


async def test_what_is_printed_does_not_get_among_the_frames(
    pool: WorkerPool, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await exchange(pool, "print") == b"clean"
    await pool.aclose()
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == ["python prints", "a C library printsa child prints"]


async def test_an_error_with_a_status_is_an_answer_that_names_the_field(pool: WorkerPool) -> None:
    response = await pool.answer(ask("refuse"))
    assert response.status == 400
    assert json.loads(await read(response)) == {
        "error": {"code": "invalid_request", "message": "the file is not audio", "param": "file"}
    }


async def test_any_other_exception_is_a_500_and_the_worker_lives(
    pool: WorkerPool, capfd: pytest.CaptureFixture[str]
) -> None:
    response = await pool.answer(ask("crash"))
    assert response.status == 500
    assert b"the codec broke" in await read(response)
    assert "RuntimeError: the codec broke" in capfd.readouterr().err
    worker = children()
    assert await exchange(pool, "echo", b"next") == b"next"
    assert children() == worker


async def test_an_exception_after_the_head_is_a_cut(pool: WorkerPool) -> None:
    response = await pool.answer(ask("crash-midway"))
    with pytest.raises(UpstreamCut, match="the codec broke"):
        await read(response)


async def test_a_process_that_dies_before_its_head_is_unreachable(pool: WorkerPool) -> None:
    with pytest.raises(UpstreamUnreachable, match="'test' was killed by signal 9"):
        await pool.answer(ask("die"))
    assert await exchange(pool, "echo", b"next") == b"next"


async def test_a_process_that_dies_after_its_head_cuts_the_answer(pool: WorkerPool) -> None:
    response = await pool.answer(ask("die-midway"))
    chunks = aiter(response.chunks)
    assert await anext(chunks) == b"the beginning"
    with pytest.raises(UpstreamCut, match="killed by signal 9"):
        await anext(chunks)
    await response.close()
    assert await exchange(pool, "echo", b"next") == b"next"


@pytest.mark.parametrize("order", ["die", "die-midway"])
async def test_the_log_says_that_a_worker_died(pool: WorkerPool, caplog: pytest.LogCaptureFixture, order: str) -> None:
    with pytest.raises((UpstreamUnreachable, UpstreamCut)):
        await read(await pool.answer(ask(order)))
    assert [record.getMessage() for record in caplog.records if record.name == "gateway"] == [
        "a worker of 'test' was killed by signal 9; the next call starts another"
    ]


async def test_a_worker_killed_from_outside_while_idle_is_replaced(pool: WorkerPool) -> None:
    response = await pool.answer(ask("echo"))
    await read(response)
    os.kill(int(response.headers["x-pid"]), signal.SIGKILL)
    await until_no_children()
    await asyncio.sleep(0.005)  # one turn of the loop, in which it sees the pipe close
    assert await exchange(pool, "echo", b"next") == b"next"


async def test_a_slow_reader_makes_the_worker_wait(pool: WorkerPool, tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    response = await pool.answer(ask("flood", str(progress).encode()))
    await anext(aiter(response.chunks))
    await asyncio.sleep(0.3)
    written = int(progress.read_text())
    await asyncio.sleep(0.2)
    assert int(progress.read_text()) == written < 2_000_000
    await response.close()


async def test_closing_an_answer_ends_its_process_at_once_and_another_one_serves(pool: WorkerPool) -> None:
    response = await pool.answer(ask("sleep-midway"))
    assert await anext(aiter(response.chunks)) == b"the beginning"
    started_s = time.monotonic()
    await response.close()
    await response.close()
    await until_no_children()
    assert time.monotonic() - started_s < 0.5
    assert await exchange(pool, "echo", b"next") == b"next"


async def test_reading_after_close_is_a_cut_not_an_end(pool: WorkerPool) -> None:
    response = await pool.answer(ask("sleep-midway"))
    await response.close()
    with pytest.raises(UpstreamCut, match="closed before its end"):
        await read(response)


async def test_closing_wakes_whoever_reads(pool: WorkerPool) -> None:
    response = await pool.answer(ask("sleep-midway"))
    reader = asyncio.ensure_future(read(response))
    await asyncio.sleep(0.05)
    await response.close()
    with pytest.raises(UpstreamCut):
        await reader


@pytest.mark.parametrize("delay_s", [0.0, 0.002, 0.02, 0.05, 0.1, 0.3])
async def test_cancelling_while_it_waits_for_the_head_frees_the_place(pool: WorkerPool, delay_s: float) -> None:
    for _ in range(2):
        asking = asyncio.ensure_future(pool.answer(ask("sleep", b"30")))
        await asyncio.sleep(delay_s)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert await asyncio.gather(*(exchange(pool, "echo", b"next") for _ in range(3))) == [b"next"] * 3


async def test_twenty_requests_share_two_workers(pool: WorkerPool) -> None:
    answers = await asyncio.gather(*(exchange(pool, "echo", str(number).encode()) for number in range(20)))
    assert answers == [str(number).encode() for number in range(20)]
    assert len(children()) == 2


async def test_too_many_waiting_requests_are_refused() -> None:
    pool = WorkerPool(FILE, 1, name="test", max_waiting=1)
    first = asyncio.ensure_future(pool.answer(ask("sleep", b"30")))
    second = asyncio.ensure_future(pool.answer(ask("sleep", b"30")))
    await asyncio.sleep(0)
    with pytest.raises(UpstreamUnavailable, match="raise its option 'workers'"):
        await pool.answer(ask("echo"))
    for waiting in (second, first):
        waiting.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert await exchange(pool, "echo", b"free") == b"free"
    await pool.aclose()


async def test_a_file_that_cannot_be_loaded_is_unreachable(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("import a_module_that_is_not_there\n")
    pool = WorkerPool(str(file), 1, name="broken")
    with pytest.raises(UpstreamUnreachable, match="'broken' exited with status 1"):
        await pool.answer(ask("echo"))
    await pool.aclose()
    assert children() == []


async def test_aclose_ends_busy_and_idle_processes_and_leaks_nothing() -> None:
    before = len(os.listdir("/proc/self/fd"))
    pool = WorkerPool(FILE, 3, name="test")
    responses = [await pool.answer(ask("sleep-midway")) for _ in range(2)]
    await exchange(pool, "echo")
    waiting = [asyncio.ensure_future(pool.answer(ask("sleep", b"30"))) for _ in range(3)]
    await asyncio.sleep(0.15)
    await pool.aclose()
    assert children() == []
    for response in responses:
        await response.close()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UpstreamUnreachable, UpstreamUnavailable, UpstreamUnavailable]
    with pytest.raises(UpstreamUnavailable, match="shutting down"):
        await pool.answer(ask("echo"))
    await asyncio.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) == before
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
