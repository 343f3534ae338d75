"""A row of the ledger as a value, and how a receipt becomes one. No prompt, no answer and no audio is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import floor
from operator import attrgetter
from typing import Any, Literal

from gateway import json
from gateway.types import Attempt, Receipt, Units

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
_units_of = attrgetter(*UNITS)
_NONE = Units()
_NO_UNITS = _units_of(_NONE)


def settled(entry: Entry, receipt: Receipt, status: int, ended_s: float) -> Entry:
    """Return the entry as its receipt has it at the end. `ended_s` is monotonic."""
    attempts = receipt.attempts
    last = receipt.last
    provider, _, model = last.target.partition("/") if last is not None else ("", "", "")
    first_s = last.first_content_s if last is not None else None
    given, cached, written, output, reasoning, characters, audio_s = _used(attempts)
    return Entry(  # in full, and by place: `replace` takes five times as long, and names once more
        entry.id,
        entry.instance,
        entry.request_id,
        entry.started_at,
        entry.key,
        entry.tenant,
        entry.route,
        entry.operation,
        receipt.model,
        entry.reserved_nano_usd,
        "settled",
        provider,
        model,
        status,
        last.outcome if last is not None else "",
        receipt.cache,
        given,
        cached,
        written,
        output,
        reasoning,
        characters,
        audio_s,
        _cost(receipt),
        True in [attempt.is_estimated for attempt in attempts],
        None if first_s is None else _ms(first_s - receipt.started_s),
        _ms(ended_s - receipt.started_s),
        _attempts(receipt),
        entry.tags,
    )


def _used(attempts: Sequence[Attempt]) -> Sequence[Any]:
    """Return UNITS of all attempts together."""
    used = [_units_of(attempt.units) for attempt in attempts]
    return used[0] if len(used) == 1 else [sum(each) for each in zip(_NO_UNITS, *used, strict=True)]


def _cost(receipt: Receipt) -> int | None:
    """The sum of all attempts; unknown where one that used something has no price."""
    total = 0
    for attempt in receipt.attempts:
        if attempt.cost_nano_usd is not None:
            total += attempt.cost_nano_usd
        elif attempt.units != _NONE:
            return None
    return total


def _ms(seconds: float) -> float:
    """Return milliseconds to three places: `round` takes five times as long."""
    return floor(seconds * 1_000_000 + 0.5) / 1000


def _attempts(receipt: Receipt) -> str:
    return json.dumps(
        [
            {
                "target": attempt.target,
                "outcome": attempt.outcome,
                "why": attempt.why,
                "operation": attempt.operation or receipt.operation,
                "status": attempt.status,
                "ms": None if attempt.ended_s is None else _ms(attempt.ended_s - attempt.started_s),
                "cost_nano_usd": attempt.cost_nano_usd,
                "estimated": attempt.is_estimated,
            }
            for attempt in receipt.attempts
        ]
    ).decode()
