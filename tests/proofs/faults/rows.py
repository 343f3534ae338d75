"""The faults, as rows of the table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tests.proofs.faults.work import Work
from tests.vendors.faults import Fault

AFTER = 4  # events of a stream: its content has begun by then
FOR_EVER_S = 60.0  # longer than any deadline here


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. `address`: the first target's is one that cannot be reached, and its vendor sees nothing."""

    name: str
    fault: Fault | None = None
    address: Literal["", "refused", "dns", "tls"] = ""
    requests: int = 1  # one after another
    is_after_content: bool = False  # of a streamed answer; what is not streamed can still be had elsewhere
    needs_events: bool = False  # bytes without events have no such fault, or one that nobody can tell from an answer
    after_events: int | None = None  # where it is `is_after_content`

    def is_for(self, work: Work) -> bool:
        return work.has_events or not self.needs_events

    def fault_for(self, work: Work) -> Fault | None:
        """Return the fault as the first target shows it for this kind of work."""
        if self.fault is None or not work.is_streamed:
            return self.fault
        if self.fault.kind == "error_event_in_200" and not work.has_events:
            return replace(self.fault, after_events=0)  # amid bytes of audio it would be heard, and not read
        return replace(self.fault, after_events=self.after_events)

    def expected(self, work: Work, *, is_held: bool) -> str:
        """Return what has to come of it: what was sent cannot be taken back, and has to be called off then."""
        if not self.is_for(work):
            return "–"
        fault = self.fault_for(work)
        is_begun = self.is_after_content and work.is_streamed and fault is not None and fault.after_events != 0
        return "safe" if is_begun and not is_held else "pass"


def _mid(name: str, fault: Fault, *, needs_events: bool = False, after_events: int | None = AFTER) -> Row:
    return Row(name, fault, is_after_content=True, needs_events=needs_events, after_events=after_events)


ROWS = (
    Row("refused", address="refused"),
    Row("no such name", address="dns"),
    Row("TLS", address="tls"),
    Row("429 with Retry-After", Fault("status", status=429, retry_after_s=30)),
    Row("429 without", Fault("status", status=429)),
    Row("500", Fault("status", status=500)),
    Row("503 persistent", Fault("status", status=503), requests=5),
    Row("529", Fault("status", status=529)),
    Row("slow first token", Fault("slow_first_event", delay_s=FOR_EVER_S)),
    Row("silent", Fault("slow_headers", delay_s=FOR_EVER_S)),
    _mid("stall mid-stream", Fault("stall_mid_stream", delay_s=FOR_EVER_S)),
    _mid("cut mid-stream", Fault("cut_mid_stream")),
    _mid("cut without terminator", Fault("cut_without_terminator"), needs_events=True, after_events=None),
    _mid("malformed event", Fault("malformed_event"), needs_events=True),
    _mid("error event in a 200", Fault("error_event_in_200")),
    _mid("truncated JSON", Fault("truncated_json"), needs_events=True),
    Row("redirect", Fault("redirect")),
)
