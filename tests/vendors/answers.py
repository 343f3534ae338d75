"""An answer as a value, and the script a fault makes of it: decided here, performed in delivery.py."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

from tests.vendors.faults import Fault

Headers = tuple[tuple[str, str], ...]
HTML_ERROR_PAGE = "<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>nginx</body></html>\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Streamed: chunked, each event a write of its own. Otherwise: Content-Length and one write."""

    status: int
    headers: Headers
    events: tuple[bytes, ...]
    terminator: bytes = b""  # the end mark in band, such as "data: [DONE]"
    is_streamed: bool = False


class ErrorShapes(Protocol):
    """How a vendor words its failures."""

    def error_answer(self, fault: Fault) -> Answer:
        """Return the vendor's error body with `fault.status`."""

    def error_event(self, fault: Fault) -> bytes:
        """Return the vendor's in-band error, ready to be written into a stream."""

    def malformed_event(self) -> bytes:
        """Return an event that is framed right and cannot be parsed."""


@dataclass(frozen=True, slots=True)
class Head:
    """Send status line and headers; `content_length` None means chunked."""

    status: int
    headers: Headers
    content_length: int | None


@dataclass(frozen=True, slots=True)
class Write:
    """Send bytes in a write of their own."""

    data: bytes
    is_event: bool = True


@dataclass(frozen=True, slots=True)
class Wait:
    """Stay silent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Abort:
    """Reset the TCP connection; nothing follows."""


Step = Head | Write | Wait | Abort


def script(answer: Answer, fault: Fault | None, shapes: ErrorShapes) -> tuple[Step, ...]:
    """Return the steps that show `answer` with `fault`."""
    match fault.kind if fault else "none":
        case "status":
            assert fault
            return _whole(shapes.error_answer(fault))
        case "html":
            assert fault
            page = HTML_ERROR_PAGE.format(status=fault.status).encode()
            return _whole(Answer(fault.status, (("content-type", "text/html"), *fault.retry_headers()), (page,)))
        case "redirect":
            assert fault
            return _whole(Answer(307, (("location", fault.location), *fault.headers), (b"",)))
        case "refuse":
            return (Abort(),)
        case "slow_headers":
            assert fault
            return (Wait(fault.delay_s), *_whole(answer))
        case "slow_first_event":
            assert fault
            head, *rest = _whole(answer)
            return (head, Wait(fault.delay_s), *rest)
        case "none":
            return _whole(answer)
    assert fault
    return _mid_stream(answer, fault, shapes)


def _mid_stream(answer: Answer, fault: Fault, shapes: ErrorShapes) -> tuple[Step, ...]:
    body = answer.events if answer.is_streamed else _halves(answer.events[0])
    after = fault.after_events if fault.after_events is not None else 1
    writes = tuple(Write(event) for event in body)
    end = (Write(answer.terminator, is_event=False),) if answer.terminator else ()
    first, rest = writes[:after], writes[after:]
    head = _head(answer)
    unsized = dataclasses.replace(head, content_length=None)  # a sized body that ends early would not be a clean end
    match fault.kind:
        case "stall_mid_stream":
            return (head, *first, Wait(fault.delay_s), *rest, *end)
        case "cut_mid_stream":
            return (head, *first, Abort())
        case "cut_without_terminator" if answer.is_streamed and fault.after_events is None:
            return (head, *writes)
        case "cut_without_terminator":
            return (unsized, *first)
    if not answer.is_streamed:
        return _whole(dataclasses.replace(answer, events=(_broken_body(answer, fault, shapes),)))
    match fault.kind:
        case "malformed_event":
            return (head, *first, Write(shapes.malformed_event()), *rest, *end)
        case "error_event_in_200":
            return (head, *first, Write(shapes.error_event(fault)))
        case _:  # truncated_json
            cut = tuple(Write(_halves(event.rstrip(b"\n"))[0] + b"\n\n") for event in body[after : after + 1])
            return (head, *first, *cut)


def _broken_body(answer: Answer, fault: Fault, shapes: ErrorShapes) -> bytes:
    if fault.kind == "error_event_in_200":
        return b"".join(shapes.error_answer(fault).events)
    if fault.kind == "malformed_event":
        return b'{"broken": '
    return _halves(answer.events[0])[0]


def _whole(answer: Answer) -> tuple[Step, ...]:
    end = (Write(answer.terminator, is_event=False),) if answer.terminator else ()
    return (_head(answer), *(Write(event) for event in answer.events), *end)


def _head(answer: Answer) -> Head:
    length = None if answer.is_streamed else sum(map(len, answer.events))
    return Head(answer.status, answer.headers, length)


def _halves(body: bytes) -> tuple[bytes, bytes]:
    middle = len(body) // 2
    return body[:middle], body[middle:]
