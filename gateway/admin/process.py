"""What an operator may ask of the process itself: how it is, and to read its files again, compare, or go back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.admin.access import check_every_tenant
from gateway.admin.ask import Answer, Ask
from gateway.errors import GatewayError, Problem
from gateway.stores.keys.facts import in_utc

How = Literal["start", "reload", "rollback"]


@dataclass(frozen=True, slots=True)
class Facts:
    pid: int
    url: str  # as it is reached from this machine
    started_at: float  # seconds of the epoch
    in_flight: int
    is_draining: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a reload, a rollback or a comparison. Without problems it was applied, or could be."""

    generation: str  # that serves now
    changes: tuple[str, ...] = ()  # in words, nothing secret
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """A configuration that served, or does."""

    generation: str
    at: float  # seconds of the epoch
    how: How
    changes: tuple[str, ...]
    is_current: bool


class Process(Protocol):
    """The running process, as the server knows it."""

    def facts(self) -> Facts: ...

    def history(self) -> Sequence[Applied]: ...

    async def reload(self) -> Outcome: ...

    async def compare(self) -> Outcome: ...

    async def rollback(self, generation: str) -> Outcome:
        """Raises NotFound where there is nothing to go back to."""
        ...


async def show_status(ask: Ask) -> Answer:
    found = process_of(ask).facts()
    return {
        "pid": found.pid,
        "url": found.url,
        "generation": ask.snapshot.generation,
        "started_at": in_utc(found.started_at),
        "in_flight": found.in_flight,
        "is_draining": found.is_draining,
    }


async def reload_config(ask: Ask) -> Answer:
    check_every_tenant(ask.client)
    return _told(await process_of(ask).reload())


async def compare_config(ask: Ask) -> Answer:
    check_every_tenant(ask.client)
    return _told(await process_of(ask).compare())


async def roll_back_config(ask: Ask) -> Answer:
    check_every_tenant(ask.client)
    return _told(await process_of(ask).rollback(ask.body.get("generation", "")))


async def show_history(ask: Ask) -> Answer:
    check_every_tenant(ask.client)
    return {
        "history": [
            {
                "generation": one.generation,
                "applied_at": in_utc(one.at),
                "how": one.how,
                "changes": list(one.changes),
                "is_current": one.is_current,
            }
            for one in process_of(ask).history()
        ]
    }


def process_of(ask: Ask) -> Process:
    """Raises GatewayError where the application runs without the process that `gateway run` is."""
    if ask.process is None:
        raise GatewayError("this application was not started by `gateway run`: it has no files to read again")
    return ask.process


def _told(outcome: Outcome) -> Answer:
    return {
        "is_sound": not outcome.problems,
        "generation": outcome.generation,
        "changes": list(outcome.changes),
        "problems": [
            {"file": one.file, "line": one.line, "column": one.column, "message": one.message}
            for one in outcome.problems
        ],
    }
