"""What looks at attempts: who judges targets by what becomes of them, and who says that one is not to be asked now."""

from __future__ import annotations

from typing import Protocol

from gateway.errors import UpstreamTimeout
from gateway.types import Call, Target


class OutOfTime(UpstreamTimeout):
    """What watchers are told where the time of the call was over, which may be shorter than any vendor takes."""


class Watcher(Protocol):
    """Told of every attempt, in this process; nothing here waits."""

    def began(self, target: Target) -> Watcher | None:
        """Return who is told of the rest of this attempt; None: this one, which cannot tell attempts apart."""

    def content(self, target: Target, after_s: float) -> None:
        """The first content is there, `after_s` seconds after the attempt began."""

    def ended(self, target: Target, error: BaseException | None) -> None:
        """The attempt is over. `error` is None where the answer was complete, CancelledError or GeneratorExit where
        nobody wanted it any more, OutOfTime where the call's own deadline passed, else what went wrong."""


class Gate(Protocol):
    """Asked before every attempt."""

    def reason(self, call: Call, target: Target) -> str | None:
        """Return why the target is not to be asked now, fit to follow its name; None where it may be. `call.targets`
        are those that are left to serve the call."""
