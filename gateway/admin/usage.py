"""What was used: sums from the ledger, and single requests by the id that every answer carries."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

from gateway import json
from gateway.admin.ask import Answer, Ask
from gateway.errors import InvalidRequest, NotFound
from gateway.stores.keys.facts import in_utc
from gateway.stores.ledger.entries import UNITS, Entry
from gateway.stores.ledger.lookup import requests_by_id, usage_of
from gateway.types import NANO_USD

_DAYS_BACK = re.compile(r"([0-9]{1,4})d", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_SAME = ("key", "tenant", "route", "operation", "requested_model", "provider", "model", "state", "status", "outcome")


async def show_usage(ask: Ask) -> Answer:
    by, since = ask.query.get("by", "key"), _day(ask.query.get("since", ""), ask.now)
    await ask.services.ledger.flush()
    rows = await asyncio.to_thread(usage_of, _ledger(ask), by, since, ask.tenant)
    return {
        "by": by,
        "since": since or None,
        "usage": [{"name": row.name, **row.sums, "cost_usd": in_usd(int(row.sums["cost_nano_usd"]))} for row in rows],
    }


async def show_request(ask: Ask) -> Answer:
    wanted = ask.params["id"]
    rows = await asyncio.to_thread(requests_by_id, _ledger(ask), wanted, ask.tenant)
    if not rows:
        raise NotFound(
            f"the ledger has no request {wanted[:100]!r}; an answer's id is in its header x-request-id", param="id"
        )
    return {"requests": [_request(row) for row in rows]}


def in_usd(nano_usd: int) -> str:
    """Return money with all its nine decimals: a float would round it."""
    return f"{'-' * (nano_usd < 0)}{abs(nano_usd) // NANO_USD}.{abs(nano_usd) % NANO_USD:09d}"


def _request(entry: Entry) -> Answer:
    return {
        "request_id": entry.request_id,
        "started_at": in_utc(entry.started_at),
        **{name: getattr(entry, name) for name in (*_SAME, "cache", *UNITS)},
        "reserved_nano_usd": entry.reserved_nano_usd,
        "cost_nano_usd": entry.cost_nano_usd,
        "cost_usd": None if entry.cost_nano_usd is None else in_usd(entry.cost_nano_usd),
        "is_estimated": bool(entry.is_estimated),
        "first_content_ms": entry.first_content_ms,
        "total_ms": entry.total_ms,
        "attempts": json.loads(entry.attempts),
        "tags": json.loads(entry.tags),
    }


def _ledger(ask: Ask) -> str:
    url = ask.snapshot.config.database_url
    if not url or not ask.services.ledger.is_on:
        raise NotFound("there is no ledger: set stores.database_url in routes.yaml (DATABASE_URL), and restart")
    return url


def _day(text: str, now: float) -> str:
    """Return the day that "2026-11-25" or "7d", seven days back, says, "" for the beginning; in UTC."""
    back = _DAYS_BACK.fullmatch(text)
    if back is not None:
        return (datetime.fromtimestamp(now, UTC) - timedelta(days=int(back[1]))).date().isoformat()
    try:
        if not text or _DAY.fullmatch(text):
            return datetime.fromisoformat(text).date().isoformat() if text else ""
    except ValueError:  # the 30th of February
        pass
    raise InvalidRequest("'since' is no day; write 2026-11-25, or 7d for the last seven days", param="since")
