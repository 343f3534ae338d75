"""A flow says the same however it is read: one by one, poured, or the one and then the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import pytest

from gateway.flow import Each, Flow, Take, begun, observed

Piece = str | Exception


class Words:
    """A stage: words out of pieces cut anywhere. A full stop is the end, and a question mark a fault."""

    def __init__(self) -> None:
        self.is_over = False
        self._rest = ""

    def feed(self, piece: str) -> Iterator[str]:
        *whole, self._rest = (self._rest + piece).split(" ")
        for word in whole:
            if word == "?":
                raise ValueError("a question")
            yield word
            if word == ".":
                self.is_over = True
                return

    def end(self, error: Exception | None) -> Iterable[str]:
        if self._rest:
            yield self._rest
        if error is not None:
            raise error


class Source:
    """Yields pieces; where it can be poured, several at once."""

    def __init__(self, *pieces: Piece) -> None:
        self.left = list(pieces)

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        await asyncio.sleep(0)
        if not self.left:
            raise StopAsyncIteration
        piece = self.left.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece


class Tap(Source):
    async def pour(self, take: Take[str]) -> bool:
        while self.left:
            count = next((at for at, piece in enumerate(self.left) if isinstance(piece, Exception)), len(self.left))
            if not count:
                raise await self._fault()
            pieces = [await anext(self) for _ in range(min(count, 2))]
            if not take(pieces):
                return False
        return True

    async def _fault(self) -> Exception:
        piece = self.left.pop(0)
        assert isinstance(piece, Exception)
        return piece


class Log:
    """What an observer saw, and how it ended."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.ended: list[BaseException | None] = []

    def see(self, word: str) -> None:
        self.seen.append(word)


async def one_by_one(flow: Flow[str]) -> tuple[list[str], BaseException | None]:
    words: list[str] = []
    try:
        async for word in flow:
            words.append(word)
    except Exception as error:
        return words, error
    return words, None


async def poured(flow: Flow[str]) -> tuple[list[str], BaseException | None]:
    return await _poured(flow, most=1_000)


async def poured_with_little_room(flow: Flow[str]) -> tuple[list[str], BaseException | None]:
    return await _poured(flow, most=0)


async def first_read_then_poured(flow: Flow[str]) -> tuple[list[str], BaseException | None]:
    try:
        first = await anext(flow, None)
    except Exception as error:
        return [], error
    words, ended = await poured(flow)
    return ([first] if first is not None else []) + words, ended


async def _poured(flow: Flow[str], most: int) -> tuple[list[str], BaseException | None]:
    words: list[str] = []

    def take(taken: Sequence[str]) -> bool:
        words.extend(taken)
        return len(taken) <= most

    try:
        while not await flow.pour(take):
            await asyncio.sleep(0)
    except Exception as error:
        return words, error
    return words, None


WAYS = (one_by_one, poured, poured_with_little_room, first_read_then_poured)


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("source", [Source, Tap])
@pytest.mark.parametrize(
    ("pieces", "words", "ending"),
    [
        (("so it", " is", " said"), ["so", "it", "is", "said"], None),
        (("so it ", "is . and", " more "), ["so", "it", "is", "."], None),
        (("so it is . ", OSError("nobody reads it")), ["so", "it", "is", "."], None),
        (("so it is ? no ",), ["so", "it", "is"], ValueError),
        (("so", " it is", OSError("gone")), ["so", "it", "is"], OSError),
        ((OSError("gone"),), [], OSError),
        ((), [], None),
    ],
)
async def test_every_item_comes_once_and_before_the_error(
    read: object, source: type[Source], pieces: tuple[Piece, ...], words: list[str], ending: type[Exception] | None
) -> None:
    log = Log()
    flow = Flow(source(*pieces), Words())
    flow.observe(log.see, log.ended.append)
    got, error = await read(flow)  # type: ignore[operator]
    assert (got, type(error)) == (words, type(None) if ending is None else ending)
    assert log.seen == words
    assert log.ended == [error]
    assert await anext(flow, None) is None


@pytest.mark.parametrize("read", WAYS)
async def test_the_inner_observer_is_first_and_its_error_is_what_the_outer_hears(read: object) -> None:
    heard: list[str] = []

    def inner(error: BaseException | None) -> None:
        raise KeyError("renamed") from error

    flow = Flow(Tap("a b ", OSError("gone")), Words())
    flow.observe(lambda word: heard.append(f"inner {word}"), inner)
    outer = Log()
    flow.observe(lambda word: heard.append(f"outer {word}"), outer.ended.append)
    words, error = await read(flow)  # type: ignore[operator]
    assert words == ["a", "b"]
    assert heard == ["inner a", "outer a", "inner b", "outer b"]
    assert isinstance(error, KeyError)
    assert isinstance(error.__cause__, OSError)
    assert outer.ended == [error]


@pytest.mark.parametrize("read", WAYS)
async def test_what_is_given_again_is_seen_by_later_observers_only(read: object) -> None:
    before, after = Log(), Log()
    flow = Flow(Tap("a b c "), Words())
    flow.observe(before.see)
    head = [await anext(flow), await anext(flow)]
    flow.observe(after.see)
    flow.again(head)
    late = Log()
    flow.observe(late.see, late.ended.append)
    assert await read(flow) == (["a", "b", "c"], None)  # type: ignore[operator]
    assert (before.seen, after.seen, late.seen) == (["a", "b", "c"], ["c"], ["a", "b", "c"])
    assert late.ended == [None]


@pytest.mark.parametrize("read", WAYS)
async def test_of_what_is_given_again_twice_each_is_seen_by_whom_it_was_not(read: object) -> None:
    flow, between = Flow(Tap("a b c "), Words()), Log()
    flow.again([await anext(flow), await anext(flow)])
    flow.observe(between.see)
    flow = begun(await anext(flow), flow)
    assert await read(flow) == (["a", "b", "c"], None)  # type: ignore[operator]
    assert between.seen == ["a", "b", "c"]


async def test_who_takes_is_called_by_who_brings_a_piece_and_no_task_is_woken() -> None:
    """The error of a stage is the reader's, and never of who brings a piece."""
    handed: list[Take[str]] = []
    may_end = asyncio.Event()

    class Socket(Source):
        async def pour(self, take: Take[str]) -> bool:
            handed.append(take)
            await may_end.wait()
            return False

    flow = Flow(Socket(), Words())
    words: list[str] = []

    def taken(some: Sequence[str]) -> bool:
        words.extend(some)
        return True

    reading = asyncio.create_task(flow.pour(taken))
    await asyncio.sleep(0)
    assert handed[0](["so it "])
    assert words == ["so", "it"]
    assert not handed[0](["is ? "])
    assert words == ["so", "it", "is"]
    may_end.set()
    with pytest.raises(ValueError, match="a question"):
        await reading


async def test_a_reader_that_is_cancelled_ends_the_flow() -> None:
    log = Log()
    flow = observed(Source(*["a "] * 1_000), log.see, log.ended.append)
    reading = asyncio.create_task(flow.pour(lambda words: True))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [type(error) for error in log.ended] == [asyncio.CancelledError]


async def test_a_flow_of_a_flow_pours_through_both() -> None:
    inner = Flow(Tap("so it ", "is . "), Words())
    first = await anext(inner)
    outer = Flow(begun(first, inner), Each(lambda word: (word.upper(),) if word != "it" else ()))
    assert await poured(outer) == (["SO", "IS", "."], None)


async def test_an_error_of_the_outer_stage_is_not_told_to_the_inner_observers() -> None:
    def broken(word: str) -> Iterable[str]:
        raise LookupError(word)

    log = Log()
    inner = Flow(Tap("so it ", "is ", "more ", ". "), Words())
    inner.observe(log.see, log.ended.append)
    outer: Flow[str] = Flow(inner, Each(broken))
    words, error = await poured(outer)
    assert (words, type(error)) == ([], LookupError)
    assert log.ended == []


class Lines(Each[str, str]):
    """A stage that makes one item of each piece, of which a full stop is the last."""

    def __init__(self) -> None:
        super().__init__(self._fed)
        self.is_over = False

    def _fed(self, piece: str) -> tuple[str]:
        self.is_over = piece == "."
        return (piece,)


async def test_nothing_is_read_after_an_item_that_came_alone_and_is_the_last() -> None:
    source, took = Source("a", ".", "b"), list[str]()

    def take(items: Sequence[str]) -> bool:
        took.extend(items)
        return True

    assert await Flow(source, Lines()).pour(take)
    assert (took, source.left) == (["a", "."], ["b"])
