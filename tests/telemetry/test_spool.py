"""A stream that is slow, or gone, holds nobody up: lines wait within bounds, and what is too much is counted."""

from __future__ import annotations

import io
import os
import threading
import time

import pytest

from gateway.telemetry import spool as module
from gateway.telemetry.spool import Spool
from gateway.telemetry.storm import MAX_KINDS, Storms
from tests.given import Clock


class Stream:
    """Takes what it is given; while `gate` is closed, it does not."""

    def __init__(self) -> None:
        self.text = ""
        self.writes = 0
        self.gate = threading.Event()
        self.gate.set()

    def write(self, text: str) -> None:
        self.gate.wait(10)
        self.writes += 1
        self.text += text

    def flush(self) -> None:
        pass


def opened(stream: Stream) -> Spool:
    return Spool(stream, lambda lines: f"lost {lines}")


def test_before_it_is_started_a_line_is_written_at_once() -> None:
    stream = Stream()
    opened(stream).put("one")
    assert stream.text == "one\n"


def test_lines_come_out_in_their_order() -> None:
    stream = Stream()
    spool = opened(stream)
    spool.put("0")
    spool.start()
    for number in range(1, 2000):
        spool.put(str(number))
    spool.flush()
    assert stream.text.split() == [str(number) for number in range(2000)]
    assert stream.writes < 200


@pytest.mark.parametrize("beyond", [0, 1, 50])
def test_a_stream_that_takes_nothing_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, beyond: int) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 100)
    stream = Stream()
    spool = opened(stream)
    spool.start()
    spool.put("first")
    spool.flush()
    stream.gate.clear()
    spool.put("held")
    while spool._lines:  # the thread has it, and is stuck
        time.sleep(0.001)
    began_s = time.monotonic()
    for number in range(100 + beyond):
        spool.put(f"line {number}")
    assert time.monotonic() - began_s < 5
    stream.gate.set()
    spool.flush()
    lost = [line for line in stream.text.splitlines() if line.startswith("lost")]
    assert lost == ([f"lost {beyond}"] if beyond else [])
    assert stream.text.count("line ") == 100


def test_an_end_waits_for_a_stream_that_is_stuck_only_so_long() -> None:
    stream = Stream()
    spool = opened(stream)
    spool.start()
    stream.gate.clear()
    spool.put("held")
    began_s = time.monotonic()
    spool.flush(0.2)
    assert 0.2 <= time.monotonic() - began_s < 5
    stream.gate.set()


def test_a_reader_that_is_gone_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = open(writing, "w", buffering=1)  # noqa: SIM115  # closing it writes what is left, and fails
    spool = Spool(stream, str)
    spool.start()
    for _ in range(3):
        spool.put("into nothing")
        spool.flush()
    assert spool._thread is not None
    assert spool._thread.is_alive()
    with pytest.raises(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize("is_started", [False, True])
def test_a_stream_that_is_closed_fails_nobody(is_started: bool) -> None:
    stream = io.StringIO()
    spool = Spool(stream, lambda lines: f"lost {lines}")
    stream.close()
    if is_started:
        spool.start()
    spool.put("a line")
    spool.flush()


def test_so_many_of_a_kind_pass_in_a_second() -> None:
    clock = Clock(10.0)
    storms = Storms(2, clock)
    assert storms.ended() == 0
    assert [storms.passes("a") for _ in range(4)] == [True, True, False, False]
    assert storms.passes("b")
    clock.now_s = 10.999
    assert storms.ended() == 0
    clock.now_s = 11.0
    assert storms.ended() == 2
    assert storms.ended() == 0
    assert storms.passes("a")


def test_kinds_without_end_are_one_kind() -> None:
    storms = Storms(2, Clock())
    storms.ended()
    passed = sum(storms.passes(number) for number in range(MAX_KINDS + 100))
    assert passed == MAX_KINDS + 2
