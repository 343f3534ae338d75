"""Faults a simulator can be told to show, as values, and the plan that says which request gets which.

A fault is scripted as a queue (`server.faults.add(...)`), optionally only for one model or path, or chosen by the
client through the model's name: `gpt-4o-mini!status,status=429,retry_after_s=2`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

FaultKind = Literal[
    "none",  # a good answer; holds a place in the queue, or only sets the pace
    "status",  # the vendor's own error body with `status`
    "html",  # an HTML page with `status`, as load balancers in front of vendors send
    "redirect",  # 307 to `location`
    "refuse",  # the connection is reset before any byte
    "slow_headers",  # `delay_s` before the head
    "slow_first_event",  # the head at once, `delay_s` before the first event
    "stall_mid_stream",  # `after_events`, then `delay_s` of silence, then the rest
    "cut_mid_stream",  # `after_events`, then a TCP reset
    "cut_without_terminator",  # `after_events` (all, unless told), then a clean HTTP end without the end mark
    "malformed_event",  # `after_events`, then an event that does not parse, then the rest
    "error_event_in_200",  # `after_events`, then the vendor's in-band error, then a clean end without the end mark
    "truncated_json",  # valid HTTP, JSON cut in half
]

MODEL_FAULT_MARK = "!"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, for whom (`model`, `path`), and how often. A unary answer counts as two events, its halves."""

    kind: FaultKind
    status: int = 503
    message: str | None = None
    code: str | None = None  # the vendor's error code; a plausible one for the status when None
    headers: tuple[tuple[str, str], ...] = ()
    retry_after_s: float | None = None
    retry_after_ms: int | None = None
    delay_s: float = 30.0
    after_events: int | None = None  # None: 1, or all for cut_without_terminator
    event_interval_s: float | None = None  # the pace of this answer; the server's when None
    location: str = "/__sim__/redirected"
    model: str | None = None  # only requests for this model
    path: str | None = None  # only requests whose path starts so
    times: int | None = 1  # None: every matching request from now on

    def retry_headers(self) -> tuple[tuple[str, str], ...]:
        """Return `retry-after` in seconds and `retry-after-ms`, as far as they are set, then `headers`."""
        seconds = () if self.retry_after_s is None else (("retry-after", f"{self.retry_after_s:g}"),)
        millis = () if self.retry_after_ms is None else (("retry-after-ms", str(self.retry_after_ms)),)
        return seconds + millis + self.headers


class FaultPlan:
    """The faults still to come, oldest first; each request takes the first that is meant for it."""

    def __init__(self) -> None:
        self._entries: list[tuple[Fault, int | None]] = []

    def add(self, *faults: Fault) -> None:
        """Append faults to the queue."""
        self._entries.extend((fault, fault.times) for fault in faults)

    def clear(self) -> None:
        """Forget all faults."""
        self._entries.clear()

    def has(self, model: str | None, path: str) -> bool:
        """Whether the next request like this one would get a fault."""
        is_named = model is not None and split_model(model)[1] is not None
        return is_named or any(
            fault.model in (None, model) and path.startswith(fault.path or "") for fault, _ in self._entries
        )

    def take(self, model: str | None, path: str) -> Fault | None:
        """Return the fault for a request: the one its model name carries, else the first matching one of the queue."""
        if model is not None and (named := split_model(model)[1]) is not None:
            return named
        for index, (fault, left) in enumerate(self._entries):
            if fault.model not in (None, model) or not path.startswith(fault.path or ""):
                continue
            if left is None:
                return fault
            if left == 1:
                del self._entries[index]
            else:
                self._entries[index] = (fault, left - 1)
            return fault
        return None


def split_model(name: str) -> tuple[str, Fault | None]:
    """Return the model's own name and the fault its suffix asks for; ValueError when the suffix is unknown.

    `tts-1!cut_mid_stream,after_events=3` is `tts-1` and a cut after three events.
    """
    model, mark, suffix = name.partition(MODEL_FAULT_MARK)
    return (model, _fault_of_suffix(suffix)) if mark else (name, None)


def fault_from(options: Mapping[str, Any]) -> Fault:
    """Return a fault from JSON or text options; ValueError names an unknown option or a wrong value."""
    names = {f.name for f in dataclasses.fields(Fault)}
    if unknown := sorted(set(options) - names):
        raise ValueError(f"unknown fault option {unknown[0]!r} (known: {', '.join(sorted(names))})")
    return _adapter().validate_python(dict(options))


@cache
def _fault_of_suffix(suffix: str) -> Fault:
    kind, *pairs = suffix.split(",")
    if kind not in get_args(FaultKind):
        raise ValueError(f"unknown fault {kind!r} in the model's name")
    return fault_from({"kind": kind} | dict(pair.split("=", 1) for pair in pairs))


@cache
def _adapter() -> TypeAdapter[Fault]:
    return TypeAdapter(Fault)
