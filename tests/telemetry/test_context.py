"""W3C Trace Context: what is read, what is refused, what is passed on."""

from __future__ import annotations

import pytest

from gateway.telemetry.context import headers_for, is_within, new_span_id, new_trace_id, read
from gateway.types import Trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("01", True), ("03", True), ("02", False)])
def test_a_callers_place_is_read(flags: str, is_sampled: bool) -> None:
    assert read({"traceparent": f"00-{TRACE}-{SPAN}-{flags}"}) == Trace(TRACE, SPAN, "", is_sampled)


def test_a_later_version_may_say_more() -> None:
    assert read({"traceparent": f"cc-{TRACE}-{SPAN}-01-what-the-future-says"}) == Trace(TRACE, SPAN, "", True)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",
    ],
)
def test_a_malformed_place_is_none(given: str) -> None:
    assert read({"traceparent": given}) is None


@pytest.mark.parametrize(
    ("state", "kept"),
    [("a=1,b=2", True), ("x" * 512, True), ("x" * 513, False), ("a=\x01", False), ("a=ü", False)],
)
def test_what_goes_along_with_a_place_is_kept_where_it_is_sound(state: str, kept: bool) -> None:
    trace = read({"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": state})
    assert trace is not None
    assert trace.state == (state if kept else "")


def test_without_a_place_there_is_nothing_to_go_along() -> None:
    assert read({"tracestate": "a=1"}) is None


@pytest.mark.parametrize("is_sampled", [True, False])
def test_what_is_passed_on_is_read_again_as_it_was(is_sampled: bool) -> None:
    told = headers_for(Trace(TRACE, SPAN, "", is_sampled, "a=1"), "1234567890abcdef")
    assert read(told) == Trace(TRACE, "1234567890abcdef", "", is_sampled, "a=1")


def test_without_a_span_of_ours_the_callers_own_place_is_passed_on() -> None:
    assert headers_for(Trace(TRACE, SPAN, "", True), "") == {"traceparent": f"00-{TRACE}-{SPAN}-01"}


def test_new_ids_can_be_read() -> None:
    seen = {new_trace_id() for _ in range(1000)}
    assert len(seen) == 1000
    for trace_id in seen:
        assert read({"traceparent": f"00-{trace_id}-{new_span_id()}-01"}) is not None


@pytest.mark.parametrize(
    ("end", "share", "kept"),
    [
        ("0" * 16, 0.0, False),
        ("0" * 16, 1e-9, True),
        ("7fffffffffffffff", 0.5, True),
        ("8000000000000000", 0.5, False),
        ("f" * 16, 1.0, True),
    ],
)
def test_a_share_of_new_traces_is_sampled_by_the_end_of_their_ids(end: str, share: float, kept: bool) -> None:
    assert is_within("a" * 16 + end, share) is kept
