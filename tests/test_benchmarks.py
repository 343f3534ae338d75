"""The benchmarks run; what they measure is not for a test to judge."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks import (
    breakers,
    cache,
    failover,
    hotspots,
    latency,
    live,
    overload,
    reload,
    run,
    scale,
    telemetry,
    translate,
)
from benchmarks.rig import (
    guards,
    open_loop,
    processes,
    rounds,
    stats,
    stream_loop,
    stream_run,
    subjects,
    table,
    wire,
    wrk,
)
from gateway.config.yaml import MAX_FILE_BYTES


async def test_what_translating_costs_is_measured_for_every_pair(capsys: pytest.CaptureFixture[str]) -> None:
    await translate.main(rounds=1, chats=2, streams=1)
    report = capsys.readouterr().out
    assert report.count("over verbatim  ") + report.count("verbatim\n") == 18


@pytest.mark.slow
def test_what_a_cache_saves_is_measured_of_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    cache.main(rounds=1, requests=16)
    report = capsys.readouterr().out
    assert all(name in report for name in cache.KINDS)
    assert "promised 2.5" in report


@pytest.mark.slow
async def test_what_breakers_cost_is_measured_with_one_that_is_open(tmp_path: Path) -> None:
    found = await breakers.measure(tmp_path, rounds=1, calls=20)
    assert found.open_p99_us > 0


@pytest.mark.slow
async def test_what_a_refusal_adds_is_measured_and_how_often_vendors_are_asked_when_all_fail(tmp_path: Path) -> None:
    found = await failover.measure(tmp_path, rounds=1, calls=5, all_fail=30)
    assert found.p99_ms >= found.p50_ms
    assert 10 / 30 <= found.attempts <= 2


@pytest.mark.slow
async def test_what_a_reload_costs_and_leaves_is_measured_beside_its_promises(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await reload.main(routes=20, keys=100, timed=3, reloads=3, settling=1)
    report = capsys.readouterr().out
    assert report.startswith("20 routes, 100 keys:")
    assert report.count("promised <= ") == 3
    assert "descriptors +0, tasks +0 " in report


@pytest.mark.slow
async def test_what_it_costs_a_call_to_be_told_is_measured() -> None:
    found = await telemetry.measure(rounds=1, calls=50)
    assert 0 < found.metrics_us < found.all_us
    assert found.traced_us > found.untraced_us


@pytest.mark.slow
async def test_what_overload_costs_is_measured_beside_its_promises(capsys: pytest.CaptureFixture[str]) -> None:
    await overload.main(rounds=1, for_s=1.0, learned_s=0.1)
    report = capsys.readouterr().out
    assert report.count("goodput / peak ") == 4
    assert report.count("promised >= 0.9") == report.count("promised <= 20 ms") == 1
    assert report.count("flood: ") == 4
    assert report.count("quiet: ") == 1


@pytest.mark.slow
async def test_what_live_audio_costs_is_measured_and_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    await live.main(sockets=8, seconds=0.5, stalling=4)
    report = capsys.readouterr().out
    for name in ("direct", "through"):
        (line,) = [line for line in report.splitlines() if line.startswith(name)]
        assert " 0 lost, 0 out of order" in line
    assert "us of processor time a message" in report


# ---------------------------------------------------------------- the rig


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 5), (0.51, 6), (0.9, 9), (0.99, 10), (1.0, 10)])
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    assert stats.percentile([10, 1, 9, 2, 8, 3, 7, 4, 6, 5], share) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="percentile"):
        stats.percentile([], 0.5)


def test_rounds_give_a_median_and_the_quartiles_around_it() -> None:
    found = stats.spread([5.0, 1.0, 2.0, 100.0, 3.0])
    assert (found.median, found.low, found.high, found.iqr, found.rounds) == (3.0, 2.0, 5.0, 3.0, 5)
    assert stats.spread([7.0]).iqr == 0
    assert stats.ratios([2.0, 9.0], [4.0, 3.0]) == [0.5, 3.0]


def test_requests_of_an_open_loop_are_due_at_random_and_as_many_as_asked_for() -> None:
    due = list(open_loop.schedule(1000, 10, seed=3))
    assert due == sorted(due)
    assert 9_500 < len(due) < 10_500
    assert due[-1] < 10
    gaps = sorted(later - now for now, later in pairwise(due))
    assert gaps[len(gaps) // 2] == pytest.approx(0.001 * 0.693, rel=0.1)  # the median of an exponential distribution


async def test_an_open_loop_counts_those_who_would_have_come_while_the_server_stood_still(tmp_path: Path) -> None:
    """A server that answers at once stands still for half a second: half of a second's requests wait for it."""

    class Stalls(asyncio.Protocol):
        until_s = 0.0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self._transport = transport

        def data_received(self, data: bytes) -> None:
            loop = asyncio.get_running_loop()
            Stalls.until_s = Stalls.until_s or loop.time() + 0.5
            loop.call_at(max(loop.time(), Stalls.until_s), self._transport.write, wire.answer(b"{}"))

    server = await asyncio.get_running_loop().create_server(Stalls, "127.0.0.1", 0)
    async with server:
        load = wrk.Load("/", "{}")
        ask = partial(latency.open_loop, load=load, folder=tmp_path, per_s=100, for_s=1, more=("--connections", "1"))
        found = (await asyncio.to_thread(ask, server.sockets[0].getsockname()[1]))["small"]
    assert found["count"] > 70
    assert found["p90_ms"] > 300  # a closed loop would have sent one request meanwhile, and its p90 would be nothing


def test_an_open_loop_reports_failures_apart_from_latencies() -> None:
    tally = open_loop.Tally()
    tally.answered("small", 1.0, 1.002, is_good=True)
    tally.answered("small", 1.0, 9.0, is_good=False)
    report = tally.report()
    assert report["failed"] == 1
    assert report["small"] == {
        "count": 1,
        **dict.fromkeys(("p50_ms", "p90_ms", "p99_ms", "p99.9_ms"), pytest.approx(2)),
    }


@pytest.mark.parametrize(
    ("clocks_ms", "is_steady"), [([10.0, 11.4], True), ([10.0, 11.6], False), ([10.0], True), ([], True)]
)
def test_a_clock_that_changes_is_told_of(clocks_ms: list[float], is_steady: bool) -> None:
    assert (guards.clock_warning(clocks_ms) is None) is is_steady


def test_the_clock_is_taken_on_its_core_and_this_process_comes_home() -> None:
    home = os.sched_getaffinity(0)
    assert guards.clock_ms(max(home)) > 0
    assert os.sched_getaffinity(0) == home


@pytest.mark.parametrize(("ceiling", "has_room"), [(2000.0, True), (1999.0, False)])
def test_a_rig_that_is_the_limit_is_told_of(ceiling: float, has_room: bool) -> None:
    assert (guards.ceiling_warning(ceiling, 1000.0) is None) is has_room


def test_a_busy_machine_is_told_of() -> None:
    assert guards.busy_warning(0.2) is None
    assert "1.5 cores" in (guards.busy_warning(1.5) or "")
    assert 0 <= guards.busy_cores(0.05) <= (os.cpu_count() or 1)


def test_rounds_take_turns_and_the_first_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "clock_ms", lambda core: 10.0)
    order: list[str] = []

    def turn(name: str) -> int:
        order.append(name)
        return len(order)

    found = rounds.Rounds(3).run({name: partial(turn, name) for name in "ab"})
    assert "".join(order) == "abbaabba"
    assert found == {"a": [4, 5, 8], "b": [3, 6, 7]}


@pytest.mark.parametrize(
    ("bound", "value", "verdict"),
    [("<=", 1.5, "kept"), ("<=", 1.51, "NOT KEPT"), (">=", 1.5, "kept"), (">=", 1.4, "NOT KEPT")],
)
def test_a_row_says_whether_its_goal_was_reached(bound: Any, value: float, verdict: str) -> None:
    found = table.row("gateway / envoy", [value], "", table.Goal(bound, 1.5))
    assert found.verdict == verdict
    assert table.Section("unary", "t", (found,)).is_kept is (verdict == "kept")


def test_a_section_takes_the_place_of_the_one_before_and_leaves_the_others() -> None:
    order = ("unary", "latency", "soak")
    page = "# Results\n\nHow to read.\n"
    for name, text in (("soak", "## s"), ("unary", "## u1"), ("unary", "## u2"), ("latency", "## l")):
        page = table.put_section(page, name, text, order)
    assert page.startswith(
        "# Results\n\nHow to read.\n\n<!-- begin unary -->\n## u2\n<!-- end unary -->\n\n<!-- begin latency"
    )
    assert page.count("begin") == 3
    assert "u1" not in page


def test_a_section_is_a_table_with_units_quartiles_and_goals() -> None:
    rows = (table.row("added", [0.2, 0.25, 0.9], "ms", table.Goal("<=", 0.3)), table.row("requests", [500_000.0]))
    text = table.as_markdown(table.Section("latency", "Latency", rows, ("busy",)), "2 cores.")
    assert "| added | 0.25 ms | 0.23 – 0.57 | ≤ 0.3 ms: kept |" in text
    assert "| requests | 500,000 |  |  |" in text
    assert text.startswith("## Latency\n\n2 cores.\n")
    assert text.endswith("- busy")


@pytest.mark.parametrize("body", [b"", b"a" * 50])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_messages_are_told_apart_wherever_they_are_cut(body: bytes, is_chunked: bool) -> None:
    one = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    if is_chunked:
        one = wire.STREAM_HEAD + (wire.chunk(body) if body else b"") + b"0\r\n\r\n"
    data = one * 2
    for cut in range(len(data) + 1):
        inbox = wire.Inbox()
        assert inbox.feed(data[:cut]) + inbox.feed(data[cut:]) == 2, cut
    slowly = wire.Inbox()
    assert sum(slowly.feed(data[at : at + 1]) for at in range(len(data))) == 2


def test_a_stream_that_lost_repeated_or_changed_an_event_is_wrong() -> None:
    events = [wire.event(0), wire.event(1), wire.FINISH, wire.DONE]
    for sent, is_right in ((events, True), (events[1:], False), ([events[0], *events], False), (events[::-1], False)):
        seen = stream_loop.Seen()
        seen.stream(wire.STREAM_HEAD + b"".join(map(wire.chunk, sent)) + b"0\r\n\r\n", 2)
        assert (seen.wrong == 0) is is_right
        assert seen.chunks == len(sent)


def test_a_load_tells_errors_from_answers() -> None:
    seen = wrk.parsed(
        'RESULT {"requests": 100, "took_us": 500000, "bytes": 7, "failed": 2, "cut": 1, "p50_us": 1500, "p99_us": 3000}'
    )
    assert (seen.per_s, seen.failed, seen.cut, seen.p50_ms) == (200.0, 2, 1, 1.5)


def test_a_profile_of_the_event_loop_is_shared_out_to_who_asked_for_the_work() -> None:
    loop = "start (gateway/cli/run.py:91);BaseEventLoop._run_once (asyncio/base_events.py:1)"
    serve = "RequestHandler.start (aiohttp/web_protocol.py:6);Gateway._serve (gateway/server/app.py:15)"
    found = hotspots.shares([
        f"{loop};{serve};replace (dataclasses.py:1) 3",
        f"{loop};{serve};send (gateway/upstream/http.py:3);ClientSession._request (aiohttp/client.py:5) 2",
        f"{loop};RequestHandler.start (aiohttp/web_protocol.py:6) 4",
        f"{loop};EpollSelector.select (selectors.py:4) 1",
        "Thread.run (threading.py:9);_worker (concurrent/futures/thread.py:6) 90",
        "",
    ])  # fmt: skip
    assert found.files == {
        "gateway/server/app.py": 3, "aiohttp, as a client": 2, "aiohttp, as a server": 4, "asyncio": 1
    }  # fmt: skip
    assert found.own["replace (dataclasses.py:1)"] == 3
    assert found.whole["Gateway._serve (gateway/server/app.py:15)"] == 5
    assert found.whole["start (gateway/cli/run.py:91)"] == 10


def test_the_processor_time_of_a_tree_has_that_of_its_children(tmp_path: Path) -> None:
    spin = "import time; until = time.process_time() + 0.15\nwhile time.process_time() < until: pass"
    code = (
        f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {spin!r}]); print('spun'); time.sleep(60)"
    )
    with processes.child("parent", [sys.executable, "-c", code], tmp_path, core=None) as parent:
        parent.wait_for("spun")
        assert processes.processor_s(parent.pid) >= 0.12  # counted in ticks of 10 ms
        assert processes.resident_mb(parent.pid) > 1
        assert processes.descriptors(parent.pid) >= 3
    with pytest.raises(RuntimeError, match="no such thing"):
        with processes.child("ended", [sys.executable, "-c", "print('no such thing')"], tmp_path, core=None) as ended:
            ended.wait_for("listens")


@pytest.mark.slow
def test_the_rig_measures_whole_and_streamed_chats_of_the_gateway_alone(tmp_path: Path) -> None:
    with subjects.mock(tmp_path, "--events", "10") as port:
        (tmp_path / "gateway").mkdir()
        start = subjects.gateway(
            "gateway", tmp_path / "gateway", port, subjects.GOVERNED, core=processes.cores().subject
        )
        with start as gateway:
            subjects.check(gateway)
            report = latency.open_loop(gateway.port, gateway.load, tmp_path, per_s=30, for_s=1)
            used_s = processes.processor_s(gateway.child.pid)
            found = stream_run.streamed(
                gateway.port,
                subjects.STREAM,
                tmp_path,
                streams=5,
                events=10,
                over_s=0.2,
                for_s=1,
                pid=gateway.child.pid,
            )
    assert report["failed"] == 0
    assert report["small"]["count"] > 10
    assert used_s > 0
    assert found.chunks_per_event == 1
    assert found.streams >= 5


def test_every_scenario_is_a_command_and_a_section() -> None:
    for name in run.RIG:
        assert callable(import_module(f"benchmarks.{name}").measure)
    assert all((processes.ROOT / "benchmarks" / f"{name}.py").exists() for name in run.PRINTED)
    assert {*run.RIG, *run.PRINTED, "unary_peers"} == set(run.ORDER)


def test_ten_thousand_routes_are_in_files_that_may_be_read(tmp_path: Path) -> None:
    scale.add_routes(tmp_path, scale.ROUTES)
    files = sorted(tmp_path.glob(scale.INCLUDED))
    assert max(file.stat().st_size for file in files) <= MAX_FILE_BYTES
    assert sum(file.read_text().count("- {path: ") for file in files) == scale.ROUTES - 1
