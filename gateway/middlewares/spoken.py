"""The parts of a text as one sound: their samples joined, and encoded once where the client wants another format."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from gateway.audio.ability import PCM_RATE_HZ
from gateway.audio.answer import audio_format
from gateway.audio.codecs import PLAIN, RATES_HZ, has_codecs
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.middlewares.convert import CONVERTED_HEADER
from gateway.middlewares.joining import Joiner, with_header
from gateway.middlewares.parts import Parts
from gateway.types import AudioChunk, AudioFormat, Call, Closer, Receipt, Speech
from gateway.upstream.converter import Converter, Order

STALL_S = 3_600.0  # of a conversion: what its parts wait for has deadlines of its own
Item = TypeVar("Item")


def joined_form(speech: Speech) -> AudioFormat | None:
    """Return what joined parts are; None where that cannot be made here."""
    form = audio_format(speech.format, speech.sample_rate_hz or PCM_RATE_HZ)
    if form.sample_rate_hz not in RATES_HZ.get(form.name, ()) or not (form.name in PLAIN or has_codecs()):
        return None
    return form


class Spoken:
    """`parts` give samples at the rate of `form`. What is converted is told on the receipt."""

    def __init__(self, parts: Parts, form: AudioFormat, converter: Converter, receipt: Receipt) -> None:
        self._parts = parts
        self._form = form
        self._converter = converter
        self._receipt = receipt
        self._closers: list[Closer] = [parts.close]

    async def chunks(self) -> AsyncIterator[AudioChunk]:
        """Yield the sound; the first chunk says what it is. Raises what a part ended with."""
        is_first = True
        async for data in await self._made(self._samples()):
            if data:
                yield AudioChunk(data, self._form if is_first else None)
                is_first = False
        if is_first:
            raise UpstreamCut("the vendors' answers hold no audio")

    async def close(self) -> None:
        """End what is under way."""
        closers, self._closers = self._closers, []
        for closer in reversed(closers):
            await closer()

    async def _made(self, samples: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        form = self._form
        if form.name == "pcm":
            return samples
        if form.name == "wav":
            return with_header(samples, form)
        first = await anext(samples, b"")  # what fails before it needs no process
        conversion = await self._converter.lease()
        self._closers.append(conversion.close)
        given = audio_format("pcm", form.sample_rate_hz or PCM_RATE_HZ)
        self._receipt.headers[CONVERTED_HEADER] = (
            f"{given.name} {given.sample_rate_hz} -> {form.name} {form.sample_rate_hz}"
        )
        return conversion.run(after(first, samples), Order(given, form, STALL_S))

    async def _samples(self) -> AsyncIterator[bytes]:
        rate_hz = self._form.sample_rate_hz or PCM_RATE_HZ
        joiner = Joiner(rate_hz)
        current: Call | None = None
        async for part, event in self._parts.events():
            if not isinstance(event, AudioChunk):
                continue
            if current is not part:
                _check(event, rate_hz)
                if current is not None:
                    yield joiner.join()
                current = part
            if ready := joiner.feed(event.data):
                yield ready
        yield joiner.flush()


async def after(first: Item, rest: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """Yield `first`, which was taken out already, and then the rest."""
    yield first
    async for each in rest:
        yield each


def _check(first: AudioChunk, rate_hz: int) -> None:
    form = first.format
    if form is None or (form.name, form.sample_rate_hz) != ("pcm", rate_hz):
        raise UpstreamMalformed(f"a part is {form} where pcm at {rate_hz} Hz was asked for")
