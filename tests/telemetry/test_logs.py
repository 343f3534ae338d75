"""One line a request, from its receipt, and nothing in it that anybody sent as a header or a body."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.telemetry.logs import LOGGER, SAME_PER_S, level_now, log_request, set_level, set_up
from gateway.telemetry.storm import Storms
from gateway.types import Attempt, Receipt, Trace, Units

SECOND = Units(input_tokens=20, output_tokens=7)


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


def written(stderr: io.StringIO) -> str:
    """Return all that was written, once it is."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    return stderr.getvalue()


def lines(stderr: io.StringIO) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in written(stderr).splitlines()]


def receipt(model: str = "fast") -> Receipt:
    made = Receipt(
        "request-1", 10.0, "1-abc", "POST /v1/chat/completions", "chat", "openai.chat", "team-a", "acme", model=model
    )
    made.attempts += [
        Attempt("a/m", outcome="upstream_timeout", started_s=10.01, ended_s=10.11, units=Units(input_tokens=10)),
        Attempt(
            "b/m", outcome="ok", started_s=10.11, first_content_s=10.2, ended_s=10.24, units=Units(20, output_tokens=7)
        ),
    ]
    made.skipped.append(("c/m", "has no format opus"))
    made.cost_nano_usd = 1_500_000
    made.headers["x-secret"] = "sk-canary"
    return made


def test_a_request_is_one_line_of_json_in_a_pipe(stderr: io.StringIO) -> None:
    log_request(receipt(), 200, 10.25)
    line = orjson.loads(written(stderr))
    assert line.pop("time") > 1_700_000_000
    assert line == {
        "level": "info",
        "message": "request",
        "request_id": "request-1",
        "route": "POST /v1/chat/completions",
        "trace_id": None,
        "status": 200,
        "error": "",
        "client": "team-a",
        "tenant": "acme",
        "model": "fast",
        "attempts": [["a/m", "upstream_timeout"], ["b/m", "ok"]],
        "skipped": [["c/m", "has no format opus"]],
        "cache": "off",
        "duration_ms": 250.0,
        "first_content_ms": 200.0,
        "overhead_ms": 20.0,
        "cost_usd": 0.0015,
        "input_tokens": 30,
        "output_tokens": 7,
    }


def test_what_forbade_another_attempt_is_told(stderr: io.StringIO) -> None:
    made = receipt()
    made.unretried = "budget"
    log_request(made, 503, 10.25)
    assert orjson.loads(written(stderr))["unretried"] == "budget"


@pytest.mark.parametrize("stderr", ["pipe", "terminal"], indirect=True)
@pytest.mark.parametrize("model", ["a\nb", "a\r\nlevel=error", "\x1b[2Ja", "a\u2028b", "\udcff", "ü 語"])
def test_no_name_that_a_client_chose_ends_the_line(stderr: io.StringIO, model: str) -> None:
    log_request(receipt(model), 200, 11.0)
    text = written(stderr)
    assert text.endswith("\n")
    assert "\r" not in text
    assert text.count("\n") == 1
    assert "\x1b" not in text


@pytest.mark.parametrize("stderr", ["pipe", "terminal"], indirect=True)
def test_no_header_is_logged(stderr: io.StringIO) -> None:
    """Pain 40."""
    log_request(receipt(), 200, 11.0)
    assert "canary" not in written(stderr)


@pytest.mark.parametrize("stderr", ["terminal"], indirect=True)
def test_on_a_terminal_it_is_plain_and_without_what_is_empty(stderr: io.StringIO) -> None:
    log_request(Receipt("request-1", 10.0), 404, 10.001)
    text = written(stderr)
    assert text[2] == ":"
    assert text.endswith("info    request request_id=request-1 status=404 duration_ms=1.0 overhead_ms=1.0\n")


@pytest.mark.parametrize("stderr", ["pipe", "terminal"], indirect=True)
def test_a_fault_brings_its_traceback(stderr: io.StringIO) -> None:
    try:
        raise RuntimeError("ours")
    except RuntimeError:
        LOGGER.exception("request %s failed", "request-1")
    assert "RuntimeError: ours" in written(stderr)
    assert "request request-1 failed" in written(stderr)


@pytest.mark.parametrize("odd", ["\udcff", object(), {1: 2}, b"bytes"])
def test_no_line_is_lost_for_an_odd_value(stderr: io.StringIO, odd: object) -> None:
    LOGGER.info("odd", extra={"fields": {"value": odd}})
    assert "odd" in orjson.loads(written(stderr))["message"]


@pytest.mark.parametrize(("level", "count"), [("debug", 1), ("info", 1), ("warning", 0), ("ERROR", 0)])
def test_the_level_decides_what_is_written(stderr: io.StringIO, level: str, count: int) -> None:
    set_up(level)
    log_request(receipt(), 200, 11.0)
    assert len(written(stderr).splitlines()) == count


def test_setting_up_again_writes_no_line_twice(stderr: io.StringIO) -> None:
    for _ in range(3):
        set_up("info")
    log_request(receipt(), 200, 11.0)
    assert len(written(stderr).splitlines()) == 1


def test_a_line_says_which_trace_it_belongs_to(stderr: io.StringIO) -> None:
    made = receipt()
    made.trace = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    log_request(made, 200, 10.25)
    assert lines(stderr)[0]["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_of_calls_that_went_well_a_share_is_written_and_of_those_that_failed_all(stderr: io.StringIO) -> None:
    for _ in range(50):
        log_request(receipt(), 200, 11.0, 0.0)
        log_request(receipt(), 200, 11.0, 1.0)
    failed = receipt()
    failed.error = "upstream_cut"
    for _ in range(SAME_PER_S):
        log_request(failed, 502, 11.0, 0.0)
    assert [line["status"] for line in lines(stderr)] == [200] * 50 + [502] * SAME_PER_S


def test_a_share_is_about_what_it_says(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([0.0, 0.249999, 0.25, 0.9])
    monkeypatch.setattr("gateway.telemetry.logs.random.random", lambda: next(draws))
    for _ in range(4):
        log_request(receipt(), 200, 11.0, 0.25)
    assert len(lines(stderr)) == 2


@pytest.mark.parametrize("beyond", [0, 1, 900])
def test_of_a_storm_of_the_same_so_many_are_written_and_the_rest_counted(
    stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch, beyond: int
) -> None:
    """Pain 23: quiet logs."""
    now_s = [100.0]
    monkeypatch.setattr("gateway.telemetry.logs.Storms", lambda per_s: Storms(per_s, lambda: now_s[0]))
    monkeypatch.setattr(sys, "stderr", stderr)
    logging.getLogger().handlers = []
    set_up("info")
    refused = receipt()
    refused.error = "invalid_api_key"
    for _ in range(SAME_PER_S + beyond):
        log_request(refused, 401, 11.0)
    other = receipt()
    other.error = "upstream_cut"
    log_request(other, 502, 11.0)  # another kind is not drowned
    now_s[0] += 1
    log_request(refused, 401, 11.0)
    found = lines(stderr)
    assert sum(line.get("status") == 401 for line in found) == SAME_PER_S + 1
    assert sum(line.get("status") == 502 for line in found) == 1
    left_out = [line["lines"] for line in found if line["message"] == "lines were left out"]
    assert left_out == ([beyond] if beyond else [])


def test_a_storm_of_our_own_lines_is_bounded_and_another_line_is_not(stderr: io.StringIO) -> None:
    for number in range(20 * SAME_PER_S):
        LOGGER.warning("plugin of %s fails", number)
    LOGGER.error("something else")
    found = [line["message"] for line in lines(stderr)]
    assert SAME_PER_S <= sum(message.startswith("plugin of") for message in found) <= 5 * SAME_PER_S
    assert "something else" in found


def test_the_level_can_be_changed_while_it_runs(stderr: io.StringIO) -> None:
    set_level("error")
    assert level_now() == "error"
    log_request(receipt(), 200, 11.0)
    set_level("debug")
    LOGGER.debug("now")
    assert [line["message"] for line in lines(stderr)] == ["now"]


def test_nothing_is_written_where_nobody_has_set_logs_up(capsys: pytest.CaptureFixture[str]) -> None:
    log_request(receipt(), 200, 11.0)
    assert capsys.readouterr().err == ""
