"""Limits on calls at once: queues that are bounded, fair between tenants, and quick to say no."""

from __future__ import annotations

from gateway.stores.slots.share import ALONE, Share
from gateway.stores.slots.slots import REASONS, WAIT_BUCKETS_S, NoSlot, Slot, Slots
from gateway.stores.slots.table import SlotTable, policies_of

__all__ = ["ALONE", "REASONS", "WAIT_BUCKETS_S", "NoSlot", "Share", "Slot", "SlotTable", "Slots", "policies_of"]
