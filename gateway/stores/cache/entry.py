"""An answer as it is kept: whose and of what, its events with their pace, and until when it is good."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from sys import getsizeof

from gateway.types import EMPTY, AudioChunk, Event, TextDelta, Transcript, Vector, Verbatim

EVENT_BYTES = 200  # at most what an event takes beside its content, measured on CPython 3.11
NUMBER_BYTES = 36  # a float, its place in a list, and the room that the list keeps spare
TAG_CHARS = 16  # of a digest: tenants and routes are told apart by it when they are purged, never when they are served


@dataclass(frozen=True, slots=True)
class Key:
    """Under what an answer is kept.

    `digest`, 64 hexadecimal digits, says whose request it is and all that decides its answer; `slot` tells a fallback's
    answer to it from that of the first choice. The rest is for purging.
    """

    digest: str
    tenant: str
    route: str
    slot: str = ""  # of a fallback: the tag of its name

    @property
    def id(self) -> str:
        return f"{self.digest}-{self.slot}" if self.slot else self.digest

    @property
    def tenant_tag(self) -> str:
        return tag(self.tenant)

    @property
    def route_tag(self) -> str:
        return tag(self.route)

    def of(self, target: str) -> Key:
        """Return the key of the answer that a target gave as a fallback."""
        return Key(self.digest, self.tenant, self.route, tag(target))


@dataclass(frozen=True, slots=True)
class Entry:
    """A complete answer as events, what produced it, about how much memory it takes, and what was said of it.

    Times are seconds of the epoch. `mode` says how the client was to read events that are its vendor's own bytes.
    """

    events: tuple[Event, ...]
    target: str
    size_bytes: int
    headers: Mapping[str, str] = EMPTY
    stored_at: float = 0.0
    fresh_until: float = 0.0
    kept_until: float = 0.0
    offsets_ms: tuple[int, ...] = ()  # of each event after the first
    mode: str = ""
    etag: str = ""  # of the bytes, where they are audio
    is_large: bool = False  # goes to the disk, where there is one


@dataclass(frozen=True, slots=True)
class Purge:
    """Which entries go: all that agree with whatever is given."""

    digest: str | None = None
    tenant: str | None = None
    route: str | None = None

    def takes(self, key: Key) -> bool:
        return (
            self.digest in (None, key.digest) and self.tenant in (None, key.tenant) and self.route in (None, key.route)
        )

    @property
    def tags(self) -> tuple[str | None, str | None, str | None]:
        """The digest, and the tags of tenant and route; None for any."""
        return (
            self.digest,
            None if self.tenant is None else tag(self.tenant),
            None if self.route is None else tag(self.route),
        )


def tag(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:TAG_CHARS]


def event_bytes(event: Event) -> int:
    """Return about how much memory an event holds."""
    match event:
        case Verbatim(data) | AudioChunk(data):
            return EVENT_BYTES + len(data)
        case TextDelta(text):
            return EVENT_BYTES + getsizeof(text)
        case Vector(values=values):
            return EVENT_BYTES + len(values) * NUMBER_BYTES
        case Transcript(text, segments=segments, words=words):
            texts = [text, *(segment.text for segment in segments), *(word.text for word in words)]
            return sum(EVENT_BYTES + getsizeof(each) for each in texts)
        case _:
            return EVENT_BYTES + getsizeof(repr(event))
