"""What a simulator remembers of a request: what came in, and how its answer ended.

The one mutable value here: it gathers facts while the request runs. Times are `time.monotonic()`, which on Linux is one
clock for all processes, so a test may compare them with its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.vendors.faults import Fault

Outcome = Literal["pending", "complete", "cut", "client_closed", "stopped"]


@dataclass(slots=True, eq=False)
class RequestRecord:
    """One request. `outcome` is "cut" when a fault cut it and "client_closed" when the client left before the end."""

    number: int  # counts from 1 over the server's life
    method: str
    target: str  # path and query exactly as on the wire
    headers: tuple[tuple[str, str], ...]  # order, case and repetitions kept
    arrived_at_s: float
    body: bytes = b""
    body_read_at_s: float | None = None
    model: str | None = None
    fault: Fault | None = None
    refusal: str | None = None  # why the vendor's rules refused it; None when it was acceptable
    status: int | None = None
    first_byte_at_s: float | None = None  # of the answer's body
    bytes_sent: int = 0  # of the answer's body, handed to the socket
    events_sent: int = 0
    outcome: Outcome = "pending"
    ended_at_s: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def path(self) -> str:
        """Return the raw path without its query."""
        return self.target.partition("?")[0]

    @property
    def client_closed_at_s(self) -> float | None:
        """Return when the client was seen to leave before its answer was complete, or None."""
        return self.ended_at_s if self.outcome == "client_closed" else None

    def header(self, name: str) -> str | None:
        """Return the first value of a header, its name in any case, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        """Return the body parsed as JSON."""
        return json.loads(self.body)

    async def wait_ended(self, timeout_s: float = 5.0) -> RequestRecord:
        """Return self once the answer ended in any way; TimeoutError after `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            await self.ended.wait()
        return self

    def end(self, outcome: Outcome, at_s: float) -> None:
        """Settle how the answer ended; only the first call counts."""
        if self.outcome == "pending":
            self.outcome, self.ended_at_s = outcome, at_s
            self.ended.set()

    def as_json(self) -> dict[str, Any]:
        """Return the record as the control endpoint shows it."""
        plain = ("number", "method", "target", "headers", "model", "refusal", "status")
        timing = ("arrived_at_s", "body_read_at_s", "first_byte_at_s", "ended_at_s", "client_closed_at_s")
        progress = ("bytes_sent", "events_sent", "outcome")
        values = {name: getattr(self, name) for name in plain + timing + progress}
        return values | {
            "body_base64": base64.b64encode(self.body).decode(),
            "fault": self.fault.kind if self.fault else None,
        }
