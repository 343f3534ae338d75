"""Have we answered this: only the very same request, of the same tenant, and only whole answers of the primary."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.config.model import Cache as CacheConfig
from gateway.errors import UpstreamCut
from gateway.middlewares.cache import Cache, event_bytes
from gateway.stores.cache import CacheStore
from gateway.types import (
    Attempt,
    AudioChunk,
    Call,
    Client,
    Done,
    Event,
    Reply,
    TextDelta,
    ToolDelta,
    Transcript,
    Units,
    Usage,
    Vector,
    Verbatim,
    Word,
)
from tests.given import Clock, call, drained, recording_call, reply, speech_call, target

FIRST, SECOND = target("first/model"), target("second/model")
TARGETS = (FIRST, SECOND)
ANSWER = (TextDelta("42"), Usage(Units(3, output_tokens=1)), Done())


class Setup:
    """A cache in front of a handler that counts how often it was asked."""

    def __init__(self, *, max_bytes: int = 1_000_000, max_entry_bytes: int = 100_000) -> None:
        self.clock = Clock()
        self.store = CacheStore(max_bytes, self.clock)
        self.cache = Cache(CacheConfig(60, max_entry_bytes), self.store)
        self.events: tuple[Event | BaseException | float, ...] = ANSWER
        self.served_by = "first/model"
        self.asked = 0

    async def handler(self, asked: Call) -> Reply:
        self.asked += 1
        asked.receipt.attempts.append(Attempt(self.served_by))
        return reply(*self.events)

    async def ask(self, given: Call) -> tuple[str, list[Event]]:
        """Return what the receipt says of the cache, and the events."""
        answer = await self.cache(given, self.handler)
        return given.receipt.cache, await drained(answer.events)


def chat(raw: bytes = b'{"messages":[]}', **more: Any) -> Call:
    return call(raw=raw, **({"targets": TARGETS} | more))


async def test_the_same_request_is_answered_from_memory() -> None:
    setup = Setup()
    assert await setup.ask(chat()) == ("miss", list(ANSWER))
    for _ in range(3):
        assert await setup.ask(chat()) == ("hit", list(ANSWER))
    assert setup.asked == 1


async def test_a_hit_names_the_target_that_had_answered_and_costs_nothing() -> None:
    setup = Setup()
    await setup.ask(chat())
    again = chat()
    await setup.ask(again)
    assert [(attempt.target, attempt.outcome, attempt.cost_nano_usd) for attempt in again.receipt.attempts] == [
        ("first/model", "cached", 0)
    ]


async def test_a_hit_says_what_was_said_of_the_answer() -> None:
    setup = Setup()
    given = chat()
    given.receipt.headers.update({"x-gateway-dropped": "seed", "x-ratelimit-remaining-requests": "3"})
    await setup.ask(given)
    again = chat()
    assert (await setup.ask(again))[0] == "hit"
    assert again.receipt.headers == {"x-gateway-dropped": "seed"}


async def test_an_answer_is_forgotten_in_time() -> None:
    setup = Setup()
    await setup.ask(chat())
    setup.clock.now_s += 60
    assert (await setup.ask(chat()))[0] == "miss"


OTHERS: Mapping[str, Call] = {
    "one byte of the body": chat(b'{"messages": []}'),
    "another tenant": chat(client=Client("key-1", "tenant-2")),
    "an anonymous caller": chat(client=Client("ip:127.0.0.1", "tenant-1", is_anonymous=True)),
    "another dialect": chat(dialect="anthropic.messages"),
    "another path": chat(path="/v2/chat/completions"),
    "a query": chat(query={"alt": "sse"}),
    "a beta of the vendor": chat(headers={"some-vendor-beta": "new-thing"}),
    "other targets": chat(targets=(FIRST,)),
    "targets in another order": chat(targets=(SECOND, FIRST)),
    "a target at another address": chat(targets=(target("first/model", base_url="http://other.test"), SECOND)),
}


@pytest.mark.parametrize("what", OTHERS)
async def test_what_decides_the_answer_is_part_of_its_key(what: str) -> None:
    setup = Setup()
    await setup.ask(chat())
    assert (await setup.ask(OTHERS[what]))[0] == "miss"


async def test_two_keys_of_one_tenant_share_answers() -> None:
    setup = Setup()
    await setup.ask(chat(client=Client("key-1", "tenant-1"), query={"key": "secret-1"}))
    assert (await setup.ask(chat(client=Client("key-2", "tenant-1"), query={"key": "secret-2"})))[0] == "hit"


async def test_a_voice_that_was_given_to_another_vendors_voice_is_another_answer() -> None:
    setup = Setup()

    def asking(voice: str) -> Call:
        at = target("first/model", operation="speech", voices={"narrator": voice})
        return speech_call(voice="narrator", raw=b"{}", targets=(at,))

    await setup.ask(asking("nova"))
    assert (await setup.ask(asking("nova")))[0] == "hit"
    assert (await setup.ask(asking("onyx")))[0] == "miss"


async def test_recordings_are_told_apart_by_their_bytes_and_fields() -> None:
    setup = Setup()

    def asking(data: bytes, *fields: tuple[str, str]) -> Call:
        return recording_call(data, recording={"fields": fields}, targets=TARGETS)

    english = ("language", "en")
    await setup.ask(asking(b"RIFF" * 600_000, english))
    assert (await setup.ask(asking(b"RIFF" * 600_000, english)))[0] == "hit"
    assert (await setup.ask(asking(b"RIFF" * 599_999 + b"RIFX", english)))[0] == "miss"
    assert (await setup.ask(asking(b"RIFF" * 600_000, ("language", "de"))))[0] == "miss"
    assert (await setup.ask(asking(b"RIFF" * 600_000)))[0] == "miss"


async def test_10_000_random_pairs_of_strangers_share_nothing() -> None:
    """Pain 42: no hit across tenants, nor across addresses of callers without a key."""
    dice = random.Random(42)
    setup = Setup(max_bytes=50_000_000)
    names = ["a", "b", "", "a\0b", "anonymous", "ip:10.0.0.1", "ip:10.0.0.2", "('a', '', False)", "a'", "\udcff"]
    raws = [b"{}", b'{"a":1}', b"ip:10.0.0.1{}", b"", b"a\0"]

    def stranger() -> Client:
        if dice.random() < 0.4:
            return Client(dice.choice(names), "anonymous", is_anonymous=True)
        return Client(dice.choice(names), dice.choice(names))

    def whose(client: Client) -> tuple[str, ...]:
        return ("address", client.name) if client.is_anonymous else ("tenant", client.tenant)

    hits = 0
    for _ in range(10_000):
        setup.store.max_bytes = 0
        setup.store.max_bytes = 1_000_000
        first, second = chat(dice.choice(raws), client=stranger()), chat(dice.choice(raws), client=stranger())
        await setup.ask(first)
        found, _ = await setup.ask(second)
        is_same = whose(first.client) == whose(second.client) and first.raw == second.raw
        assert (found == "hit") == is_same, (first.client, second.client)
        hits += found == "hit"
    assert hits > 50  # the test would see them


async def test_an_answer_of_a_fallback_is_not_kept() -> None:
    setup = Setup()
    setup.served_by = "second/model"
    await setup.ask(chat())
    assert (await setup.ask(chat()))[0] == "miss"


@pytest.mark.parametrize("events", [(TextDelta("4"), UpstreamCut("cut")), (UpstreamCut("cut"),)])
async def test_a_cut_answer_is_not_kept(events: tuple[Event | BaseException, ...]) -> None:
    setup = Setup()
    setup.events = events
    with pytest.raises(UpstreamCut):
        await setup.ask(chat())
    assert len(setup.store) == 0


async def test_an_answer_whose_client_left_is_not_kept() -> None:
    setup = Setup()
    answer = await setup.cache(chat(), setup.handler)
    assert await anext(answer.events) == ANSWER[0]
    await answer.events.aclose()  # type: ignore[attr-defined]
    assert len(setup.store) == 0


@pytest.mark.parametrize("wish", ["no-store", "No-Store", "max-age=0, no-store", "NO-STORE"])
async def test_a_client_that_wants_nothing_stored_has_nothing_stored_and_nothing_from_memory(wish: str) -> None:
    setup = Setup()
    await setup.ask(chat())
    assert (await setup.ask(chat(headers={"cache-control": wish})))[0] == "bypass"
    assert setup.asked == 2
    other = chat(b'{"other":1}', headers={"cache-control": wish})
    await setup.ask(other)
    assert (await setup.ask(chat(b'{"other":1}')))[0] == "miss"


@pytest.mark.parametrize("wish", ["no-cache", "No-Cache"])
async def test_a_client_that_wants_it_fresh_renews_what_is_kept(wish: str) -> None:
    setup = Setup()
    await setup.ask(chat())
    setup.events = (TextDelta("43"), Done())
    assert await setup.ask(chat(headers={"cache-control": wish})) == ("bypass", list(setup.events))
    assert await setup.ask(chat()) == ("hit", list(setup.events))


@pytest.mark.parametrize(("more", "is_kept"), [(-1, True), (0, True), (1, False)])
async def test_an_answer_is_kept_up_to_its_largest_size(more: int, is_kept: bool) -> None:
    setup = Setup(max_entry_bytes=10_000)
    size = 10_000 - event_bytes(Verbatim(b"")) - event_bytes(Done())
    setup.events = (Verbatim(b"x" * (size + more)), Done())
    await setup.ask(chat())
    assert (await setup.ask(chat()))[0] == ("hit" if is_kept else "miss")


async def test_an_answer_too_large_to_be_kept_passes_in_full() -> None:
    setup = Setup(max_entry_bytes=1000)
    setup.events = (*(TextDelta("x" * 100) for _ in range(50)), Done())
    assert (await setup.ask(chat()))[1] == list(setup.events)
    assert len(setup.store) == 0


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


async def test_closers_of_the_answer_stay_with_it() -> None:
    async def closer() -> None: ...

    async def handler(asked: Call) -> Reply:
        asked.receipt.attempts.append(Attempt("first/model"))
        return reply(*ANSWER, closers=(closer,))

    assert (await Setup().cache(chat(), handler)).closers == (closer,)
