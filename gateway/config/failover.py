"""`failover` and `timeouts` compiled: when another attempt is made, at whom, and how long each may take."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gateway.config.model import Failover, Fault, Hedge, Hold
from gateway.types import Timeouts

FAULTS: tuple[Fault, ...] = ("context_window", "content_policy")
ANY_MODEL = "*"
P95 = "p95"


def compile_failover(given: Mapping[str, Any]) -> Failover:
    """Return what a section says that the schema has taken."""
    default = Failover()
    numbers = {
        key: type(getattr(default, key))(given.get(key, getattr(default, key)))
        for key in ("attempts", "first_content_s", "backoff_s", "max_wait_s", "retry_percent")
    }
    return Failover(
        **numbers,
        repeat=given.get("repeat", default.repeat),
        hold=_hold(given.get("hold"), int(given.get("hold_max_bytes", Hold().max_bytes))),
        hedge=_hedge(given.get("hedge")),
        is_continued=given.get("continue", False),
        fallbacks=MappingProxyType({fault: _named(given[fault]) for fault in FAULTS if fault in given}),
    )


def compile_timeouts(given: Mapping[str, Any] | None, inherited: Timeouts | None = None) -> Timeouts:
    """Return the timeouts of a section; what it does not say is inherited, or the default's."""
    own = {key: float(value) for key, value in (given or {}).items()}
    before = inherited or Timeouts()
    return Timeouts(**{name: own.get(name, getattr(before, name)) for name in Timeouts.__dataclass_fields__})


def _hold(given: Any, max_bytes: int) -> Hold | None:
    if given is None or given == "none":
        return None
    if given == "all":
        return Hold(is_all=True, max_bytes=max_bytes)
    if isinstance(given, str):
        return Hold(for_s=int(given.removesuffix("ms")) / 1000, max_bytes=max_bytes)
    events, for_ms = given.get("events"), given.get("ms")
    return Hold(
        events=None if events is None else int(events),
        for_s=None if for_ms is None else for_ms / 1000,
        max_bytes=max_bytes,
    )


def _hedge(given: Mapping[str, Any] | None) -> Hedge | None:
    if given is None:
        return None
    after = given["after_ms"]
    return Hedge(None if after == P95 else after / 1000, float(given.get("max_percent", Hedge(None).max_percent)))


def _named(given: str | Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({ANY_MODEL: given} if isinstance(given, str) else dict(given))
