"""The output items of an OpenAI response, as they grow: each says the events that a stream shows of it.

Wire format: openai 3.54.0, types of `ResponseStreamEvent`, 2026-11-23. An event is a dict without `sequence_number`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.dialects.openai_responses_seal import OWN, seal
from gateway.errors import UpstreamMalformed
from gateway.types import Event, TextDelta, Thinking, ThinkingDelta, ToolDelta

Fields = dict[str, Any]


class Item(Protocol):
    """One output item. `index` is its place in the output."""

    index: int

    def opened(self) -> Iterator[Fields]:
        """Yield the events with which it begins."""
        ...

    def closed(self) -> Iterator[Fields]:
        """Yield the events with which it ends."""
        ...

    def whole(self, status: str = "completed") -> Fields:
        """Return the item as the whole answer has it."""
        ...


@dataclass(slots=True)
class Said:
    """A message."""

    id: str
    index: int
    text: list[str] = field(default_factory=list)

    def opened(self) -> Iterator[Fields]:
        yield _added(self.index, self.whole("in_progress") | {"content": []})
        yield {"type": "response.content_part.added", "part": _text("")} | self._place()

    def grow(self, text: str) -> Iterator[Fields]:
        self.text.append(text)
        yield {"type": "response.output_text.delta", "delta": text, "logprobs": []} | self._place()

    def closed(self) -> Iterator[Fields]:
        text = "".join(self.text)
        yield {"type": "response.output_text.done", "text": text, "logprobs": []} | self._place()
        yield {"type": "response.content_part.done", "part": _text(text)} | self._place()
        yield _done(self.index, self.whole())

    def whole(self, status: str = "completed") -> Fields:
        content = [_text("".join(self.text))]
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _place(self) -> Fields:
        return {"item_id": self.id, "output_index": self.index, "content_index": 0}


@dataclass(slots=True)
class Called:
    """A call of a function."""

    id: str
    index: int
    call_id: str
    name: str
    arguments: list[str] = field(default_factory=list)
    is_closed: bool = False

    def opened(self) -> Iterator[Fields]:
        yield _added(self.index, self.whole("in_progress"))

    def grow(self, arguments: str) -> Iterator[Fields]:
        if self.is_closed:
            raise UpstreamMalformed("the vendor's answer goes on with a tool call that was over")
        if arguments:
            self.arguments.append(arguments)
            yield {"type": "response.function_call_arguments.delta", "delta": arguments} | self._place()

    def closed(self) -> Iterator[Fields]:
        self.is_closed = True
        whole = "".join(self.arguments)
        yield {"type": "response.function_call_arguments.done", "arguments": whole} | self._place()
        yield _done(self.index, self.whole())

    def whole(self, status: str = "completed") -> Fields:
        said = {"call_id": self.call_id, "name": self.name, "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function_call", "status": status} | said

    def _place(self) -> Fields:
        return {"item_id": self.id, "output_index": self.index}


@dataclass(slots=True)
class Thought:
    """A piece of reasoning: its summary for people, sealed for its vendor to have it back.

    OpenAI's own has OpenAI's id, which comes with the seal at its end: till then nothing is shown of it, since clients
    refuse an item that changes its id.
    """

    id: str
    index: int
    vendor: str
    is_redacted: bool
    text: list[str] = field(default_factory=list)
    signature: str | None = None

    def opened(self) -> Iterator[Fields]:
        if self.vendor != OWN:
            yield _added(self.index, self.whole())

    def grow(self, delta: ThinkingDelta) -> Iterator[Fields]:
        if delta.signature is not None:
            self.signature = (self.signature or "") + delta.signature
        if delta.text:
            if self.vendor != OWN and not self.is_redacted:
                yield from self._shown(delta.text, is_first=not self.text)
            self.text.append(delta.text)

    def closed(self) -> Iterator[Fields]:
        text = "" if self.is_redacted else "".join(self.text)
        if self.vendor == OWN:
            self.id = self.whole()["id"]
            yield _added(self.index, self.whole() | {"summary": []})
            if text:
                yield from self._shown(text, is_first=True)
        if text:
            yield {"type": "response.reasoning_summary_text.done", "text": text} | self._place()
            yield {"type": "response.reasoning_summary_part.done", "part": _summary(text)} | self._place()
        yield _done(self.index, self.whole())

    def whole(self, status: str = "completed") -> Fields:
        text = "".join(self.text)
        thinking = Thinking(text, self.signature, self.is_redacted, self.vendor)
        return {"type": "reasoning", "summary": [_summary(text)] if text and not self.is_redacted else []} | seal(
            thinking, self.id
        )

    def _shown(self, text: str, *, is_first: bool) -> Iterator[Fields]:
        if is_first:
            yield {"type": "response.reasoning_summary_part.added", "part": _summary("")} | self._place()
        yield {"type": "response.reasoning_summary_text.delta", "delta": text} | self._place()

    def _place(self) -> Fields:
        return {"item_id": self.id, "output_index": self.index, "summary_index": 0}


class Output:
    """The items of one answer. A message or reasoning ends where another kind begins; calls may grow side by side."""

    def __init__(self, answer_id: str) -> None:
        self._answer_id = answer_id
        self._calls: dict[int, Called] = {}
        self._open: list[Item] = []
        self.items: list[Item] = []

    def read(self, event: Event) -> Iterator[Fields]:
        """Yield the events that a stream shows of `event`."""
        match event:
            case TextDelta(text, index) if text and index == 0:
                if not self._open or not isinstance(self._open[-1], Said):
                    yield from self._begin(Said(self._id("msg"), len(self.items)))
                said = self._open[-1]
                assert isinstance(said, Said)
                yield from said.grow(text)
            case ThinkingDelta(index=0):
                thought = self._open[-1] if self._open else None
                if event.is_new or not isinstance(thought, Thought) or thought.is_redacted != event.is_redacted:
                    thought = Thought(self._id("rs"), len(self.items), event.vendor, event.is_redacted)
                    yield from self._begin(thought)
                yield from thought.grow(event)
            case ToolDelta(index=0):
                yield from self._call(event)
            case _:
                pass

    def close(self) -> Iterator[Fields]:
        """Yield the ends of what is open."""
        for item in self._open:
            yield from item.closed()
        self._open = []

    def whole(self) -> list[Fields]:
        return [item.whole() for item in self.items]

    def _call(self, delta: ToolDelta) -> Iterator[Fields]:
        called = self._calls.get(delta.position)
        if called is None:
            call_id = delta.id or f"call_{self._answer_id}_{delta.position}"
            called = Called(self._id("fc"), len(self.items), call_id, delta.name or "")
            self._calls[delta.position] = called
            if self._open and not isinstance(self._open[-1], Called):
                yield from self.close()
            self._open.append(called)
            self.items.append(called)
            yield from called.opened()
        yield from called.grow(delta.arguments)

    def _begin(self, item: Item) -> Iterator[Fields]:
        yield from self.close()
        self._open.append(item)
        self.items.append(item)
        yield from item.opened()

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._answer_id}_{len(self.items)}"


def _added(index: int, item: Fields) -> Fields:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _done(index: int, item: Fields) -> Fields:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def _text(text: str) -> Fields:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _summary(text: str) -> Fields:
    return {"type": "summary_text", "text": text}
