"""Answers that were given, kept in memory, on disk and in the Redis that processes share; whatever is there is used."""

from gateway.stores.cache.entry import Entry, Key, Purge, event_bytes
from gateway.stores.cache.tiers import CacheStore, Found

__all__ = ["CacheStore", "Entry", "Found", "Key", "Purge", "event_bytes"]
