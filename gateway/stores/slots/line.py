"""Who waits, and whose turn it is: tenants in turn, and each tenant's calls in the order in which they came."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """Every step takes constant time, however many wait."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[str, OrderedDict[T, None]] = OrderedDict()  # the first one's turn is next
        self._by_length: dict[int, OrderedDict[str, None]] = {}  # how many wait -> the tenants of whom so many do
        self._count = 0
        self.longest = 0  # how many wait of the tenant with most

    def __len__(self) -> int:
        return self._count

    def of(self, tenant: str) -> int:
        """Return how many of a tenant wait."""
        return len(self._tenants.get(tenant, ()))

    def turns_until(self, tenant: str) -> int:
        """Return how many turns it takes at most until one more of a tenant had his, his own included."""
        others = len(self._tenants) - (tenant in self._tenants)
        return min(self._count, (self.of(tenant) + 1) * others + self.of(tenant)) + 1

    def add(self, tenant: str, item: T) -> None:
        own = self._tenants.setdefault(tenant, OrderedDict())
        own[item] = None
        self._count += 1
        self._moved(tenant, len(own) - 1, len(own))

    def next(self) -> T:
        """Take out whose turn it is; his tenant's next turn is after all others'. Raises StopIteration where nobody
        waits."""
        tenant = next(iter(self._tenants))
        own = self._tenants[tenant]
        item, _ = own.popitem(last=False)
        self._taken(tenant, own)
        if own:
            self._tenants.move_to_end(tenant)
        return item

    def newest_of_most(self) -> T:
        """Take out the newest of the tenant of whom most wait. Raises KeyError where nobody waits."""
        tenant = next(iter(self._by_length[self.longest]))
        own = self._tenants[tenant]
        item, _ = own.popitem()
        self._taken(tenant, own)
        return item

    def remove(self, tenant: str, item: T) -> None:
        """Take one out who waits no more; one who is not there is no fault."""
        own = self._tenants.get(tenant)
        if own is not None and item in own:
            del own[item]
            self._taken(tenant, own)

    def _taken(self, tenant: str, own: OrderedDict[T, None]) -> None:
        self._count -= 1
        self._moved(tenant, len(own) + 1, len(own))
        if not own:
            del self._tenants[tenant]

    def _moved(self, tenant: str, before: int, now: int) -> None:
        if before:
            peers = self._by_length[before]
            del peers[tenant]
            if not peers:
                del self._by_length[before]
        if now:
            self._by_length.setdefault(now, OrderedDict())[tenant] = None
        self.longest = max(self.longest, now) if self.longest in self._by_length else now
