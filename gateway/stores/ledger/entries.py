"""A row of the ledger as a value, and how a receipt becomes one. No prompt, no answer and no audio is in it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Literal

from gateway import json
from gateway.types import Receipt, Units

State = Literal["open", "settled", "crashed"]


@dataclass(slots=True)  # never changed; a frozen one takes thrice as long to make
class Entry:
    """One request. The fields are the columns of the table `requests`, in their order."""

    id: int
    instance: int  # the process that serves it
    request_id: str
    started_at: float  # seconds since the epoch
    key: str
    tenant: str
    route: str
    operation: str
    requested_model: str  # as the client named it
    reserved_nano_usd: int  # what it may cost at most: what is charged where its process dies
    state: State = "open"
    provider: str = ""  # who answered, or was asked last
    model: str = ""  # the provider's
    status: int = 0  # the HTTP status; 499: the client left
    outcome: str = ""  # of the last attempt: ok, cached, aborted, or an error's code
    cache: str = "off"
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    characters: int = 0
    audio_seconds: float = 0.0
    cost_nano_usd: int | None = None  # None: an attempt had no price, and no sum can be given
    is_estimated: bool = False
    first_content_ms: float | None = None
    total_ms: float = 0.0
    attempts: str = "[]"  # JSON: [{target, outcome, why, status, ms, cost_nano_usd, estimated}]
    tags: str = "{}"  # JSON: those of the key when the request began


COLUMNS = tuple(field.name for field in fields(Entry))
VALUES = attrgetter(*COLUMNS)
UNITS = (  # of `Units`: those that have a column
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "characters",
    "audio_seconds",
)


def settled(entry: Entry, receipt: Receipt, status: int, ended_s: float) -> Entry:
    """Return the entry as its receipt has it at the end. `ended_s` is monotonic."""
    attempts = receipt.attempts
    last = receipt.last
    provider, _, model = last.target.partition("/") if last is not None else ("", "", "")
    first_s = last.first_content_s if last is not None else None
    units = [attempt.units for attempt in attempts]
    total = units[0] if len(units) == 1 else _sum(units)
    return Entry(  # in full: `replace` takes five times as long
        id=entry.id,
        instance=entry.instance,
        request_id=entry.request_id,
        started_at=entry.started_at,
        key=entry.key,
        tenant=entry.tenant,
        route=entry.route,
        operation=entry.operation,
        requested_model=receipt.model,
        reserved_nano_usd=entry.reserved_nano_usd,
        state="settled",
        provider=provider,
        model=model,
        status=status,
        outcome=last.outcome if last is not None else "",
        cache=receipt.cache,
        input_tokens=total.input_tokens,
        cached_input_tokens=total.cached_input_tokens,
        cache_write_tokens=total.cache_write_tokens,
        output_tokens=total.output_tokens,
        reasoning_tokens=total.reasoning_tokens,
        characters=total.characters,
        audio_seconds=total.audio_seconds,
        cost_nano_usd=_cost(receipt),
        is_estimated=any(attempt.is_estimated for attempt in attempts),
        first_content_ms=None if first_s is None else round((first_s - receipt.started_s) * 1000, 3),
        total_ms=round((ended_s - receipt.started_s) * 1000, 3),
        attempts=_attempts(receipt),
        tags=entry.tags,
    )


def _sum(units: list[Units]) -> Units:
    return Units(**{name: sum(getattr(each, name) for each in units) for name in UNITS})


def _cost(receipt: Receipt) -> int | None:
    """The sum of all attempts; unknown where one that used something has no price."""
    used = [attempt for attempt in receipt.attempts if attempt.units != Units()]
    if any(attempt.cost_nano_usd is None for attempt in used):
        return None
    return sum(attempt.cost_nano_usd or 0 for attempt in receipt.attempts)


def _attempts(receipt: Receipt) -> str:
    return json.dumps(
        [
            {
                "target": attempt.target,
                "outcome": attempt.outcome,
                "why": attempt.why,
                "operation": attempt.operation or receipt.operation,
                "status": attempt.status,
                "ms": None if attempt.ended_s is None else round((attempt.ended_s - attempt.started_s) * 1000, 3),
                "cost_nano_usd": attempt.cost_nano_usd,
                "estimated": attempt.is_estimated,
            }
            for attempt in receipt.attempts
        ]
    ).decode()
