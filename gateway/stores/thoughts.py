"""Thinking that belongs to tool calls, kept for clients whose format cannot carry it to the next request and back.

Bounded by bytes and by time: what is forgotten is not lost, a vendor then thinks anew or not at all for that turn.
Kept in this process alone; see `gateway/middlewares/recall.py` for what that means with several.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.types import Thinking

MAX_BYTES = 33_554_432  # some thousand tool loops at a time
MAX_OWNER_SHARE = 4  # one owner may hold at most 1/4, so that nobody's flood drives out everybody's
TTL_S = 86_400.0  # a person may take a day to answer an agent's question
ENTRY_BYTES = 400  # the objects around the text, measured on CPython 3.11


@dataclass(frozen=True, slots=True)
class Thoughts:
    """The thinking before one tool call; `is_first` where nothing else of the answer came before it.

    `target` made it, and no other gets it: some vendors bind a signature to its model and to the account.
    """

    parts: tuple[Thinking, ...]
    is_first: bool
    target: str

    @property
    def size_bytes(self) -> int:
        return ENTRY_BYTES + sum(len(part.text) * 2 + len(part.signature or "") for part in self.parts)


class ThoughtStore:
    """Thoughts by owner and tool call id; the oldest are forgotten first."""

    def __init__(self, clock: Callable[[], float], max_bytes: int = MAX_BYTES, ttl_s: float = TTL_S) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._entries: OrderedDict[tuple[str, str], tuple[float, Thoughts]] = OrderedDict()
        self._owned: dict[str, OrderedDict[str, None]] = {}
        self._owner_bytes: dict[str, int] = {}
        self.size_bytes = 0

    def put(self, owner: str, call_id: str, thoughts: Thoughts) -> None:
        """Keep the thoughts before a tool call; what alone is larger than the owner's share is not kept."""
        size = thoughts.size_bytes
        share = self._max_bytes // MAX_OWNER_SHARE
        self._drop(owner, call_id)
        if size > share:
            return
        self._forget_expired()
        while self._owner_bytes.get(owner, 0) + size > share:
            self._drop(owner, next(iter(self._owned[owner])))
        while self.size_bytes + size > self._max_bytes:
            self._drop(*next(iter(self._entries)))
        self._entries[owner, call_id] = (self._clock() + self._ttl_s, thoughts)
        self._owned.setdefault(owner, OrderedDict())[call_id] = None
        self._owner_bytes[owner] = self._owner_bytes.get(owner, 0) + size
        self.size_bytes += size

    def get(self, owner: str, call_id: str) -> Thoughts | None:
        """Return the thoughts before a tool call, None where there were none or they are forgotten."""
        entry = self._entries.get((owner, call_id))
        if entry is None or entry[0] <= self._clock():
            return None
        return entry[1]

    def __len__(self) -> int:
        return len(self._entries)

    def _forget_expired(self) -> None:
        """All live equally long, so that the oldest go first."""
        now_s = self._clock()
        while self._entries:
            key, (until_s, _) = next(iter(self._entries.items()))
            if until_s > now_s:
                return
            self._drop(*key)

    def _drop(self, owner: str, call_id: str) -> None:
        entry = self._entries.pop((owner, call_id), None)
        if entry is None:
            return
        size = entry[1].size_bytes
        self.size_bytes -= size
        self._owner_bytes[owner] -= size
        del self._owned[owner][call_id]
        if not self._owned[owner]:
            del self._owned[owner], self._owner_bytes[owner]
