"""How long each target took to its first content lately, for what is decided by how long is long."""

from __future__ import annotations

from collections import OrderedDict, deque

from gateway.types import Target

KEPT = 200  # per target: enough for a 95th percentile, and minutes old at most where there is traffic
LEAST = 20  # with fewer a 95th percentile is the worst case
FRESH = 10  # after so many the percentile is worked out anew
MAX_TARGETS = 1_000  # a pattern lets clients name targets: those asked longest ago go


class Latencies:
    """A watcher."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def began(self, target: Target) -> None:
        """An attempt says nothing yet."""

    def content(self, target: Target, after_s: float) -> None:
        self.note(target.name, after_s)

    def ended(self, target: Target, error: BaseException | None) -> None:
        """How it ended does not matter here."""

    def note(self, target: str, after_s: float) -> None:
        """Take down how long a target took, or at least took where it was not waited for."""
        seen = self._seen.get(target)
        if seen is None:
            seen = self._seen[target] = _Seen()
            if len(self._seen) > MAX_TARGETS:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(target)
        seen.add(after_s)

    def p95_s(self, target: str) -> float | None:
        """Return within which time 95 % of the first contents came; None while too few are known."""
        seen = self._seen.get(target)
        return seen.p95_s() if seen is not None else None


class _Seen:
    __slots__ = ("_p95_s", "_since", "_values")

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=KEPT)
        self._since = 0
        self._p95_s: float | None = None

    def add(self, after_s: float) -> None:
        self._values.append(after_s)
        self._since += 1

    def p95_s(self) -> float | None:
        if len(self._values) < LEAST:
            return None
        if self._p95_s is None or self._since >= FRESH:
            self._since = 0
            ordered = sorted(self._values)
            self._p95_s = ordered[-(-len(ordered) * 95 // 100) - 1]
        return self._p95_s
