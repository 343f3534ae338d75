"""Counting by limits: in this process, or in the Redis that processes share."""

from gateway.stores.limits import periods
from gateway.stores.limits.limiter import Hold, Limiter, Refusal
from gateway.stores.limits.meters import Claim, Meter, State, meters_of
from gateway.stores.limits.shared import Forgotten

__all__ = ["Claim", "Forgotten", "Hold", "Limiter", "Meter", "Refusal", "State", "meters_of", "periods"]
