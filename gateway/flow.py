"""A stream that goes through plain functions, so that a piece is passed on in the call that brings it.

Each async generator around a stream costs every event a suspended frame, and the task that waits at its end is woken
for every piece. A `Flow` is read one by one like any iterator, or poured: then nothing wakes until its end, or until
whoever takes has no room. `docs/decisions/0025-cheaper-streams.md` has the figures.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

S = TypeVar("S")
T = TypeVar("T")
Given = TypeVar("Given", contravariant=True)
Made = TypeVar("Made", covariant=True)

# Takes what came together, at once, and says whether there is room for more. Raises nothing: it is called by who reads.
Take = Callable[[Sequence[T]], bool]
See = Callable[[T], None]  # observes what goes by, before those who observe it later
# Hears, once, that no more comes: None after the last item. What it raises stands in the place of the error.
End = Callable[[BaseException | None], None]

_NOTHING: Iterator[Any] = iter(())


class Stage(Protocol[Given, Made]):
    """Makes items of the pieces of a stream."""

    is_over: bool  # what ends the stream has come; nothing after it is read

    def feed(self, piece: Given, /) -> Iterable[Made]:
        """Return what a piece makes complete."""

    def end(self, error: Exception | None, /) -> Iterable[Made]:
        """Return what is left where nothing more comes. Raises the error, or that the end came too early."""


class Each(Generic[S, T]):
    """A stage for which every piece stands by itself."""

    __slots__ = ("feed",)

    is_over = False

    def __init__(self, make: Callable[[S], Iterable[T]]) -> None:
        self.feed = make

    def end(self, error: Exception | None) -> Iterable[T]:
        if error is not None:
            raise error
        return ()


class Fault:
    """An iterator that has an error and nothing else."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __aiter__(self) -> Fault:
        return self

    async def __anext__(self) -> Any:
        raise self._error


class Flow(Generic[T]):
    """An iterator of what a stage makes of a source. For one reader."""

    __slots__ = ("_again", "_ends", "_fault", "_is_last", "_items", "_sees", "_source", "_stage", "_take", "_told")

    def __init__(self, source: AsyncIterator[S], stage: Stage[S, T]) -> None:
        self._source: AsyncIterator[Any] = source
        self._stage: Stage[Any, T] = stage
        self._items: Iterator[T] = _NOTHING
        self._is_last = False  # nothing comes after these
        self._sees: list[See[T]] = []
        self._ends: list[End] = []
        self._told = 0  # so many of those have heard that it is over
        self._again: Sequence[tuple[T, int]] = ()  # each with the first observer that has not seen it
        self._take: Take[T] | None = None
        self._fault: BaseException | None = None  # of ours, while it is poured

    def observe(self, see: See[T] | None, end: End | None = None) -> None:
        """Show what is still to come."""
        if see is not None:
            self._sees.append(see)
        if end is not None:
            self._ends.append(end)

    def again(self, items: Iterable[T]) -> None:
        """Give what was read once more, first of all. Only those who observe from now on see it."""
        unseen_by = len(self._sees)
        self._again = [*((item, unseen_by) for item in items), *self._again]

    # ------------------------------------------------------------ read one by one

    def __aiter__(self) -> Flow[T]:
        return self

    async def __anext__(self) -> T:
        stage = self._stage
        try:
            if self._again:
                (first, unseen_by), *self._again = self._again
                return self._seen_again(first, unseen_by)
            while True:
                for item in self._items:
                    for see in self._sees:
                        see(item)
                    return item
                if self._is_last or stage.is_over:
                    break
                try:
                    piece = await anext(self._source)
                except StopAsyncIteration:
                    self._is_last, self._items = True, iter(stage.end(None))
                except Exception as error:
                    self._is_last, self._items = True, iter(stage.end(error))
                else:
                    self._items = iter(stage.feed(piece))
        except BaseException as error:
            self._end(error)
            raise
        self._end(None)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Read no more, as with a generator."""
        self._end(GeneratorExit())

    # ------------------------------------------------------------ poured

    async def pour(self, take: Take[T]) -> bool:
        """Give all that comes to `take`, in the call that brings it, while that has room. Returns whether it was all.

        Where it was not, pour it again once there is room.
        """
        self._take = take
        try:
            has_room = self._pass_what_is_read()
            if self._stage.is_over:
                self._is_last = True
            elif has_room and not self._is_last:
                try:  # in here, since a coroutine of its own would be 240 bytes of each stream
                    was_all = await poured(self._source, self._feed)
                except Exception as error:
                    self._is_last = True
                    last = self._stage.end(error)
                else:
                    last = self._left(was_all)
                self._pass(last, self._sees)
        except BaseException as error:
            self._end(error)
            raise
        finally:
            self._take = None
        if self._is_last:
            self._end(None)
        return self._is_last

    def _pass_what_is_read(self) -> bool:
        again, self._again = self._again, ()
        has_room = self._pass((self._seen_again(*each) for each in again), ())
        has_room = self._pass(self._items, self._sees) and has_room
        self._items = _NOTHING
        return has_room

    def _left(self, was_all: bool) -> Iterable[T]:
        """Return what is left where pouring the source has come to its end, or to who takes having no room."""
        if self._fault is not None:
            raise self._fault
        self._is_last = was_all or self._stage.is_over
        return self._stage.end(None) if was_all and not self._stage.is_over else ()

    def _feed(self, pieces: Sequence[Any]) -> bool:
        stage = self._stage
        try:
            made = stage.feed(pieces[0]) if len(pieces) == 1 else self._made(pieces)
            if type(made) is tuple and len(made) == 1 and self._take is not None:  # as nearly all are
                for see in self._sees:
                    see(made[0])
                return self._take(made) and not stage.is_over
            return self._pass(made, self._sees) and not stage.is_over
        except BaseException as error:  # raised where it is poured, and not to whoever brings a piece
            self._fault = error
            return False

    def _made(self, pieces: Sequence[Any]) -> Iterator[T]:
        for piece in pieces:
            yield from self._stage.feed(piece)
            if self._stage.is_over:
                return

    def _pass(self, items: Iterable[T], sees: Sequence[See[T]]) -> bool:
        """Show items to observers and give them to who takes, with those that came before an error."""
        assert self._take is not None
        passed: list[T] = []
        has_room = True
        try:
            for item in items:
                for see in sees:
                    see(item)
                passed.append(item)
        finally:
            if passed:
                has_room = self._take(passed)
        return has_room

    # ------------------------------------------------------------ both

    def _seen_again(self, item: T, unseen_by: int) -> T:
        for see in self._sees[unseen_by:]:
            see(item)
        return item

    def _end(self, error: BaseException | None) -> None:
        """Tell the observers, the innermost first. Raises what one of them does, which the next ones are told of."""
        self._is_last, self._items, self._again = True, _NOTHING, ()
        given = error
        while self._told < len(self._ends):
            end = self._ends[self._told]
            self._told += 1
            try:
                end(error)
            except BaseException as other:
                error = other
        self._sees, self._ends, self._told = [], [], 0  # who observes holds what holds this: no work for the collector
        if error is not None and error is not given:
            raise error


def observed(items: AsyncIterator[T], see: See[T] | None, end: End | None = None) -> Flow[T]:
    """Return the items as a flow, observed outside of those who do so already."""
    flow = items if isinstance(items, Flow) else Flow(items, Each[T, T](lambda item: (item,)))
    flow.observe(see, end)
    return flow


def begun(first: T, items: AsyncIterator[T]) -> Flow[T]:
    """Return the items with the first one, which was read, in its place."""
    flow = observed(items, None)
    flow.again((first,))
    return flow


def poured(source: AsyncIterator[S], take: Take[S]) -> Awaitable[bool]:
    """Pour a source, whether or not it can do that by itself. What is awaited says whether it was all."""
    pour: Callable[[Take[S]], Awaitable[bool]] | None = getattr(source, "pour", None)
    return _given(source, take) if pour is None else pour(take)


async def _given(source: AsyncIterator[S], take: Take[S]) -> bool:
    async for piece in source:
        if not take((piece,)):
            return False
    return True
