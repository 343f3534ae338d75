"""A call, and the receipt on which the facts about it are gathered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.types.bodies import Body
from gateway.types.inbound import Client, Head
from gateway.types.providers import Target, Timeouts
from gateway.types.traces import Trace
from gateway.types.values import quick
from gateway.types.words import EMPTY, Operation


@quick
@dataclass(frozen=True, slots=True)
class Units:
    """What is paid for. `input_tokens` counts every prompt token; the cached and written ones are part of it."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0  # part of output_tokens
    characters: int = 0
    audio_seconds: float = 0.0
    input_audio_tokens: int = 0  # part of input_tokens
    output_audio_tokens: int = 0  # part of output_tokens


# Why there is an attempt: the call's first, the next target's, a repetition, one beside another, a named model's for
# what this one cannot take, or one that goes on where another broke off.
Why = Literal["first", "failover", "retry", "hedge", "fallback", "continue"]


@dataclass(slots=True)
class Attempt:
    """One try at one target."""

    target: str
    outcome: str = "open"  # ok, or the error's code; hedge_lost: another answered first
    why: Why = "first"
    operation: str = ""  # what was asked for; "": what the call is
    status: int | None = None
    started_s: float = 0.0  # monotonic
    first_content_s: float | None = None  # monotonic
    ended_s: float | None = None  # monotonic
    queued_s: float = 0.0  # of its time: how long it waited for its turn
    until_s: float = float("inf")  # monotonic: when it is given up without content
    units: Units = Units()
    is_estimated: bool = False
    cost_nano_usd: int | None = None  # None: the model has no price
    is_unpriced: bool = False  # the vendor answered, and nobody knows what it charges
    is_joined: bool = False  # another call's, which this one joined
    headers: dict[str, str] = field(default_factory=dict)  # of the answer, where this attempt gives it
    spoken_s: float = 0.0  # how long the speech plays that it gave, where that can be told
    span_id: str = ""  # in a trace: 16 hex digits, from when the vendor was told of it

    @property
    def was_asked(self) -> bool:
        """Whether this call asked the target itself; no answer that was kept, or that another call got."""
        return self.outcome != "cached" and not self.is_joined


Held = Literal["released", "rescued"]  # the stream held; it failed while it was held, and the client never saw it


@dataclass(slots=True)
class Receipt:
    """The facts about one call, gathered as they happen; headers, logs, metrics and the ledger are written from it."""

    id: str
    started_s: float  # monotonic
    generation: str = ""
    route: str = ""
    operation: str = ""
    dialect: str = ""
    client: str = ""
    tenant: str = ""
    tags: str = "{}"  # of the client, as JSON
    model: str = ""  # as the client named it
    attempts: list[Attempt] = field(default_factory=list)
    answered: Attempt | None = None  # the one whose answer the client gets
    skipped: list[tuple[str, str]] = field(default_factory=list)  # (target, why it could not serve this call)
    cache: str = "off"  # off bypass miss hit similar stale coalesced refresh
    cost_nano_usd: int | None = None
    headers: dict[str, str] = field(default_factory=dict)  # further answer headers, set by middlewares
    entry: Any = None  # the ledger's row, from when it is to be written
    estimate: tuple[Body, Any] | None = None  # how many tokens this body is about; see estimate.input_of
    reserved_nano_usd: int | None = None  # what it may cost at most, where a budget has asked
    queued_s: float = 0.0  # how long it waited for its turn before its body was read
    trace: Trace | None = None  # its place in a trace
    arrived_s: float = 0.0  # how long it took until its body was there and it had its turn
    overhead: tuple[float, float] | None = None  # when it ended, and what the gateway took: see timing.overhead_s
    content: Any = None  # what was said, where the route has it logged
    error: str = ""  # code of the error that it ended with
    refused_by: tuple[str, str] | None = None  # the limit that refused it, and what of it was used up
    is_one_of_many: bool = False  # refused as others just were: its line in the log says nothing new
    limits: Sequence[tuple[Any, Any]] = ()  # what it claims of limits, and what is left of them
    order: tuple[str, ...] = ()  # the targets as a strategy had them, where one did
    first_choice: str = ""  # the target whose answer is the model's own; "": whoever answers stands in for one
    lookup: Any = None  # what its answer is known by; see middlewares/fingerprint.py
    etag: str = ""  # of the audio that a cache gives again
    is_all_there: bool = False  # a cache gives all of its answer at once, however it is read
    comments: list[str] = field(default_factory=list)  # to be shown in a stream of events, between two of them
    held: Held | None = None  # what came of holding a stream back
    parts: int = 0  # into how many a long text or recording was cut; 0: into none
    unretried: str = ""  # why a failure was not tried again although it might have helped: budget, wait or attempts

    @property
    def last(self) -> Attempt | None:
        """The attempt that answered, else the newest."""
        return self.answered or (self.attempts[-1] if self.attempts else None)


@quick
@dataclass(frozen=True, slots=True)
class Call:
    """The normalised request."""

    id: str
    operation: Operation
    dialect: str
    model: str
    body: Body
    head: Head
    receipt: Receipt
    stream: bool = False
    deadline_s: float = float("inf")  # monotonic
    raw: bytes | None = field(default=None, repr=False)  # the body as received; None where a form was sent
    targets: tuple[Target, ...] = ()  # what the model resolved to, in the operator's order
    target: Target | None = None  # the one of this attempt
    attempt: Attempt | None = None  # this attempt, of which there may be several at once
    timeouts: Timeouts | None = None  # of this attempt, where the route's are tighter than the target's
    content_by_s: float = float("inf")  # monotonic: when its client stops to wait for the beginning
    provider: str = ""  # the only one that may serve this; "": any
    values: Mapping[str, Any] = field(default=EMPTY, repr=False)  # what the route's prompt is filled with
    is_part: bool = False  # of a longer text or recording: its answer is joined with those of others
    steps: tuple[Call, ...] = ()  # of a pipeline: what it asks for, one after another, as large as is known before
    is_verbatim: bool = False  # this attempt forwards the client's own bytes
    wish: str | None = None  # as `Ask.wish`; once the model is resolved, only where the route's own stands in

    @property
    def told(self) -> dict[str, str]:
        """Further headers of the answer: of this attempt, so that they go where it fails, or of the call."""
        return self.receipt.headers if self.attempt is None else self.attempt.headers

    @property
    def client(self) -> Client:
        """Who calls. Raises RuntimeError before auth has said so: a route without auth is a fault of ours."""
        if self.head.client is None:
            raise RuntimeError("auth has not run")
        return self.head.client
