"""A prompt is run: its template filled and asked, a long input condensed first, a wrong answer mended once.

Stands inside the cache and around failover: what is kept is the finished answer, and each of its chats finds its own
target. All of them are on one receipt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway import json
from gateway.chain import close
from gateway.config.model import Config, LongInput, Prompt, Route
from gateway.dialects.prompt import pieces
from gateway.errors import BudgetExceeded, GatewayError, UpstreamError, UpstreamMalformed
from gateway.middlewares import within
from gateway.middlewares.estimate import summed
from gateway.services import Services
from gateway.types import (
    NANO_USD,
    Call,
    Chat,
    Done,
    Event,
    Filled,
    Handler,
    Message,
    Middleware,
    OutputFormat,
    Receipt,
    Reply,
    Text,
    TextDelta,
    Usage,
)

MAX_AT_ONCE = 4  # pieces of a long input that are condensed at a time: one call is not to take a vendor's whole limit
MAX_ANSWER_CHARS = 4_194_304  # no model writes so much; what does is not answering
MIN_SUMMARY_TOKENS = 100


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return Prompting(route.prompt) if route.prompt is not None else None


class Prompting:
    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        filled = await self._run(call, handler)
        return Reply(_events(filled, _sum(call.receipt)))

    async def _run(self, call: Call, handler: Handler) -> Filled:
        prompt = self._prompt
        values = dict(call.values)
        count = pieces(prompt, values)
        if count and prompt.long_input is not None:
            values[prompt.long_input.field] = await self._condensed(call, handler, prompt.long_input, values, count)
        chat = self._chat(values)
        text = await self._ask(call, handler, chat)
        value, faults = self._read(text)
        if not faults:
            return Filled(value, pieces=count)
        if prompt.is_repaired:
            try:
                value, left = self._read(await self._ask(call, handler, _mend(chat, text, faults)))
            except (UpstreamError, BudgetExceeded):
                if prompt.fallback is None:
                    raise
            else:
                if not left:
                    return Filled(value, is_repaired=True, faults=faults, pieces=count)
                faults = left
        if prompt.fallback is None:
            raise UpstreamMalformed(f"the model's answer is not what the prompt asks for: {'; '.join(faults[:3])}")
        return Filled(prompt.fallback, is_fallback=True, faults=faults, pieces=count)

    def _chat(self, values: Mapping[str, Any]) -> Chat:
        prompt = self._prompt
        messages = [Message("user", (Text(prompt.template.render(values)),))]
        if prompt.system is not None:
            messages.insert(0, Message("system", (Text(prompt.system.render(values)),)))
        shape = None
        if prompt.output is not None:
            shape = OutputFormat("json_schema", "answer", prompt.output.schema, is_strict=prompt.is_strict)
        return Chat(tuple(messages), output_format=shape, **prompt.settings)

    def _read(self, text: str) -> tuple[Any, tuple[str, ...]]:
        """Return what the model's text says and what is wrong with that."""
        if self._prompt.output is None:
            return text, ()
        try:
            value = json.loads(_unfenced(text))
        except ValueError as error:
            return None, (f"it is not JSON: {str(error)[:120]}" if text.strip() else "it is empty",)
        return value, tuple(str(fault) for fault in self._prompt.output.faults(value))

    # ------------------------------------------------------------ long inputs

    async def _condensed(
        self, call: Call, handler: Handler, long_input: LongInput, values: Mapping[str, Any], count: int
    ) -> str:
        """Return the gist of a long input, at most `max_chars` long, each piece having an equal share of it."""
        parts = split(values[long_input.field], count)
        share = max(1, long_input.max_chars // count - 2)
        most = max(MIN_SUMMARY_TOKENS, min(long_input.summary_tokens, share // 2))
        gate = asyncio.Semaphore(MAX_AT_ONCE)

        async def condense(number: int) -> str:
            said = {"part": number + 1, "parts": count, "max_chars": share}
            filled = {**said, **values, long_input.field: parts[number]}
            chat = Chat((Message("user", (Text(long_input.summarise.render(filled)),)),), max_output_tokens=most)
            async with gate:
                gist = await self._ask(call, handler, chat)
            return _cut(gist.strip() or parts[number], share)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(condense(number)) for number in range(count)]
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors
        return "\n\n".join(task.result() for task in tasks)

    # ------------------------------------------------------------ one chat

    async def _ask(self, call: Call, handler: Handler, chat: Chat) -> str:
        """Return the text of one answer. It is streamed, so that a long one is not taken for none."""
        self._check_cost(call.receipt)
        own = within.begun(call.receipt)
        reply: Reply | None = None
        text: list[str] = []
        size = 0
        try:
            reply = await handler(replace(call, body=chat, stream=True, raw=None, receipt=own))
            async for event in reply.events:
                if isinstance(event, TextDelta):
                    text.append(event.text)
                    size += len(event.text)
                    if size > MAX_ANSWER_CHARS:
                        raise UpstreamMalformed(f"the model's answer is longer than {MAX_ANSWER_CHARS} characters")
                elif isinstance(event, Done) and event.reason == "content_filter":
                    raise UpstreamMalformed("the vendor's filter withheld the answer")
        finally:
            if reply is not None:
                await close(reply)
            within.merge(call.receipt, own)
        return "".join(text)

    def _check_cost(self, receipt: Receipt) -> None:
        most = self._prompt.max_cost_nano_usd
        if most is not None and (receipt.cost_nano_usd or 0) >= most:
            raise BudgetExceeded(
                f"this call has used up the {most / NANO_USD:g} USD that its prompt may cost (max_cost_usd)"
            )


def split(text: str, count: int) -> list[str]:
    """Cut a text into `count` pieces of about the same length, at the end of a paragraph, sentence or word."""
    size = -(-len(text) // count)
    cuts = [0]
    for number in range(1, count):
        end = number * size
        start = max(cuts[-1], end - size // 5)
        found = next((at + len(mark) for mark in _ENDS if (at := text.rfind(mark, start, end)) >= 0), end)
        cuts.append(found)
    return [text[start:end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]


_ENDS = ("\n\n", "\n", ". ", "。", "! ", "? ", " ")


def _cut(text: str, most: int) -> str:
    """Return a text of at most `most` characters, cut between words where it has any."""
    if len(text) <= most:
        return text
    return text[:most].rsplit(None, 1)[0] if " " in text[:most] else text[:most]


def _mend(chat: Chat, text: str, faults: Sequence[str]) -> Chat:
    """Return the chat that asks again, with what is wrong."""
    listed = "\n".join(f"- {fault}" for fault in faults)
    wish = (
        f"Your answer does not fit the schema:\n{listed}\nGive the whole answer again, as JSON alone, with this mended."
    )
    said = Message("assistant", (Text(text if text.strip() else "{}"),))
    return replace(chat, messages=(*chat.messages, said, Message("user", (Text(wish),))))


def _unfenced(text: str) -> str:
    """Models that were not held to a schema like to put JSON into a Markdown block."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text[3:-3].removeprefix("json")
    return text


def _sum(receipt: Receipt) -> Usage:
    total = summed(attempt.units for attempt in receipt.attempts)
    return Usage(total, any(attempt.is_estimated for attempt in receipt.attempts))


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the gateway's own error among several, else whichever there is."""
    flat = list(_flat(errors))
    return next((error for error in flat if isinstance(error, GatewayError)), flat[0])


def _flat(errors: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        found
        for error in errors.exceptions
        for found in (_flat(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


async def _events(filled: Filled, usage: Usage) -> AsyncIterator[Event]:
    yield filled
    yield usage
    yield Done()
