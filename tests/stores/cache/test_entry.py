"""How much memory an event takes, and which entries a purge means."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping

import pytest

from gateway.stores.cache import Purge, event_bytes
from gateway.types import AudioChunk, Event, TextDelta, ToolDelta, Transcript, Vector, Verbatim, Word
from tests.stores.cache.kept import key

MAKERS: Mapping[str, Callable[[int], Event]] = {
    "text": lambda index: TextDelta(f"word {index}"),
    "other alphabets": lambda index: TextDelta("語" * 500 + str(index)),
    "bytes": lambda index: Verbatim(b"x" * 300 + b"%d" % index),
    "audio": lambda index: AudioChunk(b"x" * 4000 + b"%d" % index),
    "vector": lambda index: Vector(index, [index + place * 0.1 for place in range(1000)]),
    "tool": lambda index: ToolDelta(index, f'{{"a":{index}}}', f"id-{index}", f"name-{index}"),
    "transcript": lambda index: Transcript("a", words=tuple(Word(f"w{n}", n * 0.1, n * 0.2) for n in range(100))),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_no_event_takes_more_memory_than_it_is_counted_for(kind: str) -> None:
    tracemalloc.start()
    events = [MAKERS[kind](index) for index in range(100)]
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    counted = sum(event_bytes(event) for event in events)
    assert taken <= counted <= 4 * taken + 100 * 400


def test_names_that_hold_separators_have_tags_of_their_own() -> None:
    names = ["", "a", "a:b", "*", "\udcff", "a" * 500]
    assert len({key(tenant=name).tenant_tag for name in names}) == len(names)
    assert all(Purge(tenant=name).takes(key(tenant=name)) for name in names)
