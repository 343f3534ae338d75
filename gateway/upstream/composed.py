"""A session that speaks, made of ordinary calls for speech: for targets that have no socket for it.

Text is gathered until it is flushed, and is then one call; its audio goes out as it comes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.chain import close
from gateway.live import spoken_call
from gateway.types import AudioChunk, Call, Event, Frame, Handler, LiveItem, Reply, Say, Target, Told, Units, Usage
from gateway.upstream.lines import LocalLine

MAX_TEXT_CHARS = 100_000  # between two flushes; what a target takes less of, it refuses
_SAID, _FLUSH, _CLEAR = b"S", b"F", b"C"


class Composed:
    """`line` takes what the client sends, `events` is what comes of it."""

    def __init__(self, call: Call, target: Target, speak: Handler) -> None:
        self.line = LocalLine(_written)
        self._call = call
        self._target = target
        self._speak = speak
        self._reply: Reply | None = None  # of the text that is being spoken

    async def close(self) -> None:
        """End what is being spoken."""
        await self.line.close()
        reply, self._reply = self._reply, None
        if reply is not None:
            await close(reply)

    async def events(self) -> AsyncIterator[Event]:
        yield Told("ready")
        text, used = "", Units()
        async for data in self.line.source():
            kind = data[:1]
            if kind == _SAID:
                text = (text + data[1:].decode())[:MAX_TEXT_CHARS]
                continue
            if kind == _FLUSH:
                async for event in self._spoken(text):
                    if isinstance(event, Usage):
                        used = _sum(used, event.units)
                    else:
                        yield event
            text = ""
            yield Told("flushed" if kind == _FLUSH else "cleared")
        async for event in self._spoken(text):
            if isinstance(event, Usage):
                used = _sum(used, event.units)
            else:
                yield event
        yield Usage(used)

    async def _spoken(self, text: str) -> AsyncIterator[Event]:
        if not text.strip():
            return
        reply = self._reply = await self._speak(spoken_call(self._call, self._target, text))
        async for event in reply.events:
            if isinstance(event, AudioChunk):
                yield Frame(event.data)
            elif isinstance(event, Usage):
                yield event
        self._reply = None
        await close(reply)


def _written(item: LiveItem) -> bytes:
    if isinstance(item, Say):
        return _SAID + item.text.encode()
    return {"flush": _FLUSH, "clear": _CLEAR}.get(item, b"") if isinstance(item, str) else b""


def _sum(one: Units, other: Units) -> Units:
    return Units(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        output_audio_tokens=one.output_audio_tokens + other.output_audio_tokens,
        characters=one.characters + other.characters,
        audio_seconds=one.audio_seconds + other.audio_seconds,
    )
