"""A call, and the receipt on which the facts about it are gathered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.types.bodies import Body
from gateway.types.inbound import Client, Head
from gateway.types.providers import Target
from gateway.types.words import EMPTY, Operation


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


@dataclass(slots=True)
class Attempt:
    """One try at one target."""

    target: str
    outcome: str = "open"  # ok, or the error's code
    status: int | None = None
    started_s: float = 0.0  # monotonic
    first_content_s: float | None = None  # monotonic
    ended_s: float | None = None  # monotonic
    units: Units = Units()
    is_estimated: bool = False
    cost_nano_usd: int | None = None  # None: the model has no price


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
    model: str = ""  # as the client named it
    attempts: list[Attempt] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # (target, why it could not serve this call)
    cache: str = "off"  # off bypass miss hit
    cost_nano_usd: int | None = None
    headers: dict[str, str] = field(default_factory=dict)  # further answer headers, set by middlewares

    @property
    def last(self) -> Attempt | None:
        """The newest attempt: the one that answered, where anything did."""
        return self.attempts[-1] if self.attempts else None


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
    provider: str = ""  # the only one that may serve this; "": any
    values: Mapping[str, Any] = field(default=EMPTY, repr=False)  # what the route's prompt is filled with
    is_verbatim: bool = False  # this attempt forwards the client's own bytes

    @property
    def client(self) -> Client:
        """Who calls. Raises RuntimeError before auth has said so: a route without auth is a fault of ours."""
        if self.head.client is None:
            raise RuntimeError("auth has not run")
        return self.head.client
