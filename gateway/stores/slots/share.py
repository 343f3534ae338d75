"""What one of several workers may run of what all may together: shares that add up, so that no two have to talk."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.types import Concurrency


@dataclass(frozen=True, slots=True)
class Share:
    """The part of worker `index`, from 0 on, of `count`."""

    index: int
    count: int

    def of(self, policy: Concurrency) -> Concurrency:
        """Return the worker's own policy; `max` is at least `count`, which the configuration is checked for."""
        most = self._part(policy.max)
        least = None if policy.min is None else max(1, min(most, self._part(policy.min)))
        return replace(policy, max=most, min=least, queue=self._part(policy.queue))

    def _part(self, whole: int) -> int:
        return whole // self.count + (self.index < whole % self.count)


ALONE = Share(0, 1)
