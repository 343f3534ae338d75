"""One line a request, from its receipt, and nothing in it that anybody sent as a header or a body."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import orjson
import pytest

from gateway.telemetry.logs import LOGGER, log_request, set_up
from gateway.types import Attempt, Receipt


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Standard error as a pipe, or as a terminal where a test says so; logging is left as it was found."""
    root = logging.getLogger()
    before, level = root.handlers[:], LOGGER.level
    root.handlers = []
    stream = Terminal() if getattr(request, "param", "pipe") == "terminal" else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    set_up("info")
    yield stream
    root.handlers = before
    LOGGER.setLevel(level)


def receipt(model: str = "fast") -> Receipt:
    made = Receipt("request-1", 10.0, "1-abc", "POST /v1/chat/completions", "chat", "openai.chat", "team-a", "a", model)
    made.attempts += [Attempt("a/m", outcome="upstream_timeout"), Attempt("b/m", outcome="ok")]
    made.cost_nano_usd = 1_500_000
    made.headers["x-secret"] = "sk-canary"
    return made


def test_a_request_is_one_line_of_json_in_a_pipe(stderr: io.StringIO) -> None:
    log_request(receipt(), 200, 10.25)
    line = orjson.loads(stderr.getvalue())
    assert line.pop("time") > 1_700_000_000
    assert line == {
        "level": "info",
        "message": "request",
        "request_id": "request-1",
        "route": "POST /v1/chat/completions",
        "status": 200,
        "client": "team-a",
        "model": "fast",
        "attempts": [["a/m", "upstream_timeout"], ["b/m", "ok"]],
        "cache": "off",
        "duration_ms": 250.0,
        "cost_usd": 0.0015,
    }


@pytest.mark.parametrize("stderr", ["pipe", "terminal"], indirect=True)
@pytest.mark.parametrize("model", ["a\nb", "a\r\nlevel=error", "\x1b[2Ja", "a\u2028b", "\udcff", "ü 語"])
def test_no_name_that_a_client_chose_ends_the_line(stderr: io.StringIO, model: str) -> None:
    log_request(receipt(model), 200, 11.0)
    written = stderr.getvalue()
    assert written.endswith("\n")
    assert "\r" not in written
    assert written.count("\n") == 1
    assert "\x1b" not in written


@pytest.mark.parametrize("stderr", ["pipe", "terminal"], indirect=True)
def test_no_header_is_logged(stderr: io.StringIO) -> None:
    """Pain 40."""
    log_request(receipt(), 200, 11.0)
    assert "canary" not in stderr.getvalue()


@pytest.mark.parametrize("stderr", ["terminal"], indirect=True)
def test_on_a_terminal_it_is_plain_and_without_what_is_empty(stderr: io.StringIO) -> None:
    log_request(Receipt("request-1", 10.0), 404, 10.001)
    written = stderr.getvalue()
    assert written[2] == ":"
    assert written.endswith("info    request request_id=request-1 status=404 duration_ms=1.0\n")


@pytest.mark.parametrize("stderr", ["pipe", "terminal"], indirect=True)
def test_a_fault_brings_its_traceback(stderr: io.StringIO) -> None:
    try:
        raise RuntimeError("ours")
    except RuntimeError:
        LOGGER.exception("request %s failed", "request-1")
    assert "RuntimeError: ours" in stderr.getvalue()
    assert "request request-1 failed" in stderr.getvalue()


@pytest.mark.parametrize("odd", ["\udcff", object(), {1: 2}, b"bytes"])
def test_no_line_is_lost_for_an_odd_value(stderr: io.StringIO, odd: object) -> None:
    LOGGER.info("odd", extra={"fields": {"value": odd}})
    assert "odd" in orjson.loads(stderr.getvalue())["message"]


@pytest.mark.parametrize(("level", "lines"), [("debug", 1), ("info", 1), ("warning", 0), ("ERROR", 0)])
def test_the_level_decides_what_is_written(stderr: io.StringIO, level: str, lines: int) -> None:
    set_up(level)
    log_request(receipt(), 200, 11.0)
    assert len(stderr.getvalue().splitlines()) == lines


def test_setting_up_again_writes_no_line_twice(stderr: io.StringIO) -> None:
    for _ in range(3):
        set_up("info")
    log_request(receipt(), 200, 11.0)
    assert len(stderr.getvalue().splitlines()) == 1
