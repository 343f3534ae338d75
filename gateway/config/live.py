"""`live` of a route: the limits of its sessions, and what of a route's other policies is not for a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from gateway.config.document import Section
from gateway.config.model import LiveLimits, Route
from gateway.dialects import DIALECTS
from gateway.dialects.live import LiveDialect

# What a route of its own says and a session cannot have: it is no answer that is kept, awaited or read whole.
_NOT_FOR_SESSIONS = ("cache", "coalesce", "total_s", "verbatim", "log_content", "inputs")


def is_live(dialect: str) -> bool:
    """Return whether clients of a dialect connect to a WebSocket."""
    return isinstance(DIALECTS.get(dialect), LiveDialect)


def compile_live(route: Route, section: Section, given: Mapping[str, Any]) -> Route:
    """Return the route of a live dialect; what it says that is not for a session is reported at its place."""
    for key in _NOT_FOR_SESSIONS:
        if key in section and section.get(key) != "none":
            hint = "; 'live: {total_s: …}' bounds a session" if key == "total_s" else ""
            section.at(key).error(f"'{key}' is not for the live sessions of '{route.dialect}'{hint}", at_key=True)
    if route.method != "GET":
        section.at("method").error("a WebSocket is connected to by GET")
    return replace(
        route,
        live=live_limits(given),
        cache=None,
        is_coalesced=False,
        total_s=None,
        failover=replace(route.failover, hold=None, hedge=None, is_continued=False),
    )


def live_limits(given: Mapping[str, Any]) -> LiveLimits:
    default = LiveLimits()
    names = [field.name for field in fields(LiveLimits)]
    return LiveLimits(**{name: type(getattr(default, name))(given[name]) for name in names if name in given})
