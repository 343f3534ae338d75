"""Several operations are one request: what each step gives is given to the next, and all of it is on one receipt.

What the last chat writes is spoken sentence by sentence while it is being written. Each step's call goes through the
links inside as a client's would: with its own targets, failover, limits of providers, and price.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

from gateway.audio.sentences import SentenceStream
from gateway.chain import close
from gateway.config.model import Config, Pipeline, Route, Step
from gateway.errors import GatewayError, InvalidRequest, UnsupportedByTarget, UpstreamCut, UpstreamMalformed
from gateway.middlewares import within
from gateway.middlewares.estimate import CHARS_PER_S, RESERVED_AUDIO_S, RESERVED_OUTPUT_TOKENS, summed
from gateway.middlewares.parts import Parts
from gateway.middlewares.spoken import Spoken, joined_form
from gateway.services import Services
from gateway.types import (
    AudioChunk,
    Call,
    Chat,
    Closer,
    Done,
    Event,
    Facts,
    Handler,
    Message,
    Middleware,
    Receipt,
    Recording,
    Reply,
    Speech,
    Text,
    TextDelta,
    Transcript,
    Usage,
)
from gateway.upstream.converter import Converter

STEPS_HEADER = "x-gateway-steps"
AHEAD = 2  # sentences that are spoken beside the one that is heard
WAITING = 64  # events that nobody reads yet: no more is written or spoken then
MAX_TEXT_CHARS = 1_000_000  # between two steps: what a speech may have, too
CHARS_PER_TOKEN = 4


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return Piping(route.pipeline, services.converter) if route.pipeline is not None else None


def sized(pipeline: Pipeline, call: Call) -> tuple[Call, ...]:
    """Return the calls of the steps, as large as can be told before the first: what budgets and limits reserve for."""
    text = call.body.messages[-1].text if isinstance(call.body, Chat) else _heard(call.body)
    steps: list[Call] = []
    for step in pipeline.steps:
        body: Recording | Chat | Speech
        if step.operation == "transcription":
            assert isinstance(call.body, Recording)
            body = _recording(step, call.body, call.values)
        elif step.operation == "chat":
            body = _chat(step, {**call.values, "text": text})
            text = "x" * CHARS_PER_TOKEN * (body.max_output_tokens or RESERVED_OUTPUT_TOKENS)
        else:
            body = _speech(step, text, call.values)
        steps.append(replace(call, operation=step.operation, model=step.model, body=body, raw=None, values={}))
    return tuple(steps)


def _heard(body: Any) -> str:
    seconds = body.duration_s if isinstance(body, Recording) and body.duration_s is not None else RESERVED_AUDIO_S
    return "x" * round(seconds * CHARS_PER_S)


class Piping:
    def __init__(self, pipeline: Pipeline, converter: Converter) -> None:
        self._pipeline = pipeline
        self._converter = converter

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        run = _Run(self._pipeline, call, handler, self._converter)
        return Reply(run.events(), (run.close,))

    async def explain(self, call: Call, facts: Facts) -> Call:
        """Tell the steps and who would be asked. What comes out of one is not known, so nothing inside is told."""
        facts["steps"] = [
            {"operation": step.operation, "model": step.model, "targets": [target.name for target in step.targets]}
            for step in call.steps
        ]
        return call


class _Run:
    """One request under way."""

    def __init__(self, pipeline: Pipeline, call: Call, handler: Handler, converter: Converter) -> None:
        self._steps = tuple(zip(pipeline.steps, call.steps, strict=True))
        self._call = call
        self._handler = handler
        self._converter = converter
        self._before = (tuple(call.receipt.attempts), call.receipt.cost_nano_usd)
        self._receipts: dict[int, Receipt] = {}  # by the number of the step
        self._closers: list[Closer] = []

    async def events(self) -> AsyncIterator[Event]:
        """Yield what each step gives that a client may see. Raises the error of the step that failed."""
        body = self._call.body
        text = body.messages[-1].text if isinstance(body, Chat) else ""
        last = self._steps[-1][0]
        for number, (step, _) in enumerate(self._steps):
            if step.operation == "transcription":
                transcript = await self._transcribed(number)
                yield transcript
                text = transcript.text
            elif step.operation == "speech":
                async for event in self._spoken(number, _once(text)):
                    yield event
            else:
                texts = self._written(number, text)
                if step is last:
                    async for piece in texts:
                        yield TextDelta(piece)
                elif self._steps[number + 1][0].operation == "speech":
                    async for event in self._spoken(number + 1, texts, is_shown=True):
                        yield event
                    break
                else:
                    text = "".join([piece async for piece in texts])
        self._tell()
        units = summed(attempt.units for attempt in self._call.receipt.attempts)
        yield Usage(units, any(attempt.is_estimated for attempt in self._call.receipt.attempts))
        yield Done()

    async def close(self) -> None:
        """End what is under way, and write down what all took."""
        closers, self._closers = self._closers, []
        try:
            for closer in reversed(closers):
                await closer()
        finally:
            self._tell()

    # ------------------------------------------------------------ the steps

    async def _transcribed(self, number: int) -> Transcript:
        heard: Transcript | None = None
        async for event in await self._asked(number, self._steps[number][1]):
            if isinstance(event, Transcript):
                heard = event
        if heard is None:
            raise UpstreamCut("the answer holds no transcript")
        if not heard.text.strip():
            raise InvalidRequest("nothing that is said was heard in the recording", param="file")
        return heard

    async def _written(self, number: int, text: str) -> AsyncIterator[str]:
        """Yield what a model answers, piece by piece."""
        step, asked = self._steps[number]
        size = 0
        chat = _chat(step, {**self._call.values, "text": text})
        async for event in await self._asked(number, replace(asked, body=chat, stream=True)):
            if isinstance(event, TextDelta) and event.text:
                size += len(event.text)
                if size > MAX_TEXT_CHARS:
                    raise UpstreamMalformed(f"the model's answer is longer than {MAX_TEXT_CHARS} characters")
                yield event.text
        if not size:
            raise UpstreamMalformed(f"{asked.model!r} has answered with no text")

    async def _spoken(self, number: int, texts: AsyncIterator[str], *, is_shown: bool = False) -> AsyncIterator[Event]:
        """Yield the sound of a text that may still be being written, and the text itself where it `is_shown`."""
        step, asked = self._steps[number]
        speech = _speech(step, "", self._call.values)
        form = joined_form(speech)
        if form is None:
            raise UnsupportedByTarget(f"{speech.format} cannot be made here", param="response_format")
        own = self._begun(number, asked)
        parts = Parts(replace(asked, receipt=own), (), self._handler, _nobody, ahead=AHEAD, follow=True)
        spoken = Spoken(parts, form, self._converter, self._call.receipt)
        queue: asyncio.Queue[Event | None] = asyncio.Queue(WAITING)

        async def write() -> None:
            sentences = SentenceStream(speech.language)
            try:
                async for piece in texts:
                    if is_shown:
                        await queue.put(TextDelta(piece))
                    parts.add([_part(asked, speech, text, form.sample_rate_hz) for text in sentences.feed(piece)])
                parts.add([_part(asked, speech, text, form.sample_rate_hz) for text in sentences.flush()])
                parts.end()
            except GatewayError as error:
                parts.end(error)

        async def speak() -> None:
            try:
                async for chunk in spoken.chunks():
                    await queue.put(chunk)
            finally:
                await queue.put(None)

        tasks = [asyncio.create_task(work(), name=f"pipeline: {work.__name__}") for work in (write, speak)]
        self._closers += [_ending(tasks), spoken.close]
        is_first = True
        while (event := await queue.get()) is not None:
            if is_first and isinstance(event, AudioChunk):
                is_first = False
                self._tell(answered_by=own)
            yield event
        await tasks[1]  # raises what speaking ended with
        await tasks[0]

    # ------------------------------------------------------------ the receipt

    async def _asked(self, number: int, asked: Call) -> AsyncIterator[Event]:
        own = self._begun(number, asked)
        reply = await self._handler(replace(asked, receipt=own))

        async def end() -> None:
            await close(reply)

        self._closers.append(end)
        self._tell(answered_by=own)
        return reply.events

    def _begun(self, number: int, asked: Call) -> Receipt:
        own = within.begun(self._call.receipt, model=asked.model, lookup=None, estimate=None)
        self._receipts[number] = own
        return own

    def _tell(self, answered_by: Receipt | None = None) -> None:
        """Write on the call's receipt what its steps' say by now."""
        receipt, steps = self._call.receipt, [own for _, own in sorted(self._receipts.items())]
        receipt.attempts[:] = [*self._before[0], *(attempt for one in steps for attempt in one.attempts)]
        costs = [one.cost_nano_usd for one in steps if one.cost_nano_usd is not None]
        receipt.cost_nano_usd = sum(costs) + (self._before[1] or 0) if costs else self._before[1]
        for one in steps:
            receipt.skipped += [skipped for skipped in one.skipped if skipped not in receipt.skipped]
            receipt.headers |= one.headers
            receipt.unretried = one.unretried or receipt.unretried
        if answered_by is not None and answered_by.answered is not None:
            receipt.answered = answered_by.answered
        receipt.headers[STEPS_HEADER] = ", ".join(dict.fromkeys(_told(steps)))


def _told(receipts: list[Receipt]) -> Iterator[str]:
    for one in receipts:
        if one.answered is not None:
            yield f"{one.answered.operation} {one.answered.target}"


def _recording(step: Step, given: Recording, values: Any) -> Recording:
    filled = {name: template.render(values) or None for name, template in step.templates.items()}
    return replace(given, language=filled.get("language"), prompt=filled.get("prompt"), fields=())


def _chat(step: Step, values: Any) -> Chat:
    messages: list[Message] = []
    if "system" in step.templates:
        messages.append(Message("system", (Text(step.templates["system"].render(values)),)))
    asked = step.templates["message"].render(values) if "message" in step.templates else values["text"]
    return Chat((*messages, Message("user", (Text(asked),))), **step.settings)


def _speech(step: Step, text: str, values: Any) -> Speech:
    filled = {name: template.render(values) for name, template in step.templates.items()}
    return Speech(
        text,
        filled["voice"],
        format=values["response_format"],
        speed=float(step.settings.get("speed", 1.0)),
        instructions=filled.get("instructions") or None,
        language=filled.get("language") or None,
    )


def _part(asked: Call, speech: Speech, text: str, rate_hz: int | None) -> Call:
    """Return the call for one part of what is spoken, as samples."""
    body = replace(speech, text=text, format="pcm", sample_rate_hz=rate_hz)
    return replace(asked, body=body, stream=True)


def _nobody(part: Call, error: GatewayError) -> None:
    """A part that nobody could speak has failed: `split` has tried it in smaller ones."""


def _ending(tasks: list[asyncio.Task[None]]) -> Callable[[], Awaitable[None]]:
    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # has been raised where it mattered

    return end


async def _once(text: str) -> AsyncIterator[str]:
    yield text
