"""What a client asks of the cache for one request: `cache-control` and `x-gateway-cache-ttl`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import InvalidRequest
from gateway.stores.cache import Entry

TTL_HEADER = "x-gateway-cache-ttl"


@dataclass(frozen=True, slots=True)
class Wish:
    """`max_age_s` is the oldest that an answer may be, `ttl_s` for how long to keep it; None: as the route has it."""

    is_fresh: bool = False  # nothing that is kept
    is_unkept: bool = False  # nothing is kept, and nothing that is kept is given
    max_age_s: float | None = None
    ttl_s: float | None = None


NOTHING = Wish()


def wish_of(headers: Mapping[str, str]) -> Wish:
    """Return what the headers ask for. Raises InvalidRequest for a ttl that is no number of seconds.

    What is wrong in `cache-control` is passed over, as RFC 9111 has it, and never taken for less caution: a max-age
    that is none allows no age at all.
    """
    control, ttl = headers.get("cache-control"), headers.get(TTL_HEADER)
    if control is None and ttl is None:
        return NOTHING
    words = [word.strip().lower() for word in (control or "").split(",")]
    ages = [_seconds(word.partition("=")[2].strip('"')) for word in words if word.partition("=")[0] == "max-age"]
    max_age_s = min((0.0 if age is None else age for age in ages), default=None)
    return Wish(
        is_fresh="no-cache" in words or max_age_s == 0,
        is_unkept="no-store" in words,
        max_age_s=max_age_s,
        ttl_s=None if ttl is None else _ttl(ttl),
    )


def is_young(entry: Entry, now: float, wish: Wish) -> bool:
    """Whether an answer is no older than the client wants it; `now` in seconds of the epoch."""
    return wish.max_age_s is None or now - entry.stored_at <= wish.max_age_s


def _ttl(text: str) -> float:
    seconds = _seconds(text.strip())
    if seconds is None:
        raise InvalidRequest(
            f"the header {TTL_HEADER} must be a number of seconds, 0 to keep nothing; it is {text[:60]!r}",
            param=TTL_HEADER,
        )
    return seconds


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
