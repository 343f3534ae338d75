"""A text that broke off goes on at the next target, which is given what the client has of it.

Only for a streamed chat of one choice that has said nothing but text so far: half of a tool call or of a JSON document
cannot be taken up by another model. Such a route translates every answer, since a vendor's own bytes cannot be gone on
with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import fields, replace

from gateway.chain import close
from gateway.errors import GatewayError
from gateway.middlewares.tokens import estimated_tokens
from gateway.middlewares.trial import Trial
from gateway.types import Call, Chat, Done, Event, Message, Reply, Text, TextDelta, ThinkingDelta, Units, Usage

# Opens an attempt at the next target with this call, after an attempt that this error ended; None: there is none.
GoOn = Callable[[Trial, GatewayError, Call], Awaitable[Trial | None]]

# Not every model takes an assistant's beginning as the last message, and few that do go on in mid-word by themselves.
GO_ON = (
    "Your answer was cut off at this point by a broken connection. Go on from exactly there: begin with the very next "
    "character, repeat nothing, and do not mention that there was a break."
)


def can_continue(call: Call) -> bool:
    """Say whether an answer to this call could be gone on with."""
    chat = call.body
    return (
        isinstance(chat, Chat)
        and call.stream
        and call.operation == "chat"
        and chat.n == 1
        and not chat.only_verbatim
        and (chat.output_format is None or chat.output_format.kind == "text")
    )


class Continuation:
    """One answer, whoever gives which part of it."""

    def __init__(self, call: Call, go_on: GoOn) -> None:
        self._call = call
        self._go_on = go_on
        self._reply: Reply | None = None

    def reply(self, trial: Trial) -> Reply:
        self._reply = trial.reply()
        return Reply(self._events(trial, self._reply), (self._close,))

    async def _close(self) -> None:
        if self._reply is not None:
            await close(self._reply)

    async def _events(self, trial: Trial, reply: Reply) -> AsyncIterator[Event]:
        text: list[str] = []
        has_ended = is_text = False
        before = Units()
        while True:
            try:
                async for event in reply.events:
                    if isinstance(event, TextDelta):
                        text.append(event.text)
                        is_text = True
                    elif isinstance(event, Usage):
                        event = replace(event, units=_sum(before, event.units))
                    elif isinstance(event, Done):
                        has_ended = True
                    elif not isinstance(event, ThinkingDelta):
                        has_ended = True  # in the middle of something that is no text
                    yield event
                return
            except GatewayError as error:
                broken = error
            self._reply = None  # closed once
            await close(reply)  # which settles what it used
            before = _sum(before, trial.attempt.units)
            following = None
            if is_text and not has_ended:
                following = await self._go_on(trial, broken, continued(self._call, "".join(text)))
            if following is None:
                raise broken
            self._call.receipt.comments.append(f"continued by {following.target.name}")
            trial = following
            self._reply = reply = trial.reply()


def continued(call: Call, text: str) -> Call:
    """Return the call that asks for the rest of an answer that began with `text`."""
    chat = call.body
    assert isinstance(chat, Chat)
    messages = (*chat.messages, Message("assistant", (Text(text),)), Message("user", (Text(GO_ON),)))
    most = chat.max_output_tokens
    left = None if most is None else max(1, most - estimated_tokens(text))
    return replace(call, body=replace(chat, messages=messages, max_output_tokens=left), raw=None)


def _sum(one: Units, other: Units) -> Units:
    return Units(**{each.name: getattr(one, each.name) + getattr(other, each.name) for each in fields(Units)})
