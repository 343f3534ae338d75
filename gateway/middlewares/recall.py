"""What did the model think before it called this tool? Put back what the client's format could not carry.

Some vendors want the signed thinking of a tool loop back, unchanged, before the tool call that it led to, and a
client of another format has nowhere to keep it. So the thinking before each tool call of an answer is remembered by
the call's id, and put back into a later request that names this id and holds no thinking: only for the tenant who got
it, and only for a target of the vendor who made it. A client whose own format carries it, and is passed on untouched,
needs none of this.

Remembered in this process: a request that another worker or replica answers, or one that comes after a restart, finds
nothing. Then each plugin does what its vendor allows. One that has a word for "no signature" sends that, one that has
not asks for no thinking in that turn; the answer may be less well thought through, and does not fail.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from gateway.config.model import Config, Route
from gateway.services import Services
from gateway.stores.thoughts import Thoughts, ThoughtStore
from gateway.types import (
    Call,
    Chat,
    Client,
    Event,
    Handler,
    Message,
    Middleware,
    Part,
    Reply,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolDelta,
    ToolUse,
    replace,
)


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return Recall(services.thoughts)


class Recall:
    def __init__(self, store: ThoughtStore) -> None:
        self._store = store

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        if call.is_verbatim or not isinstance(call.body, Chat):
            return await handler(call)
        has_tools = bool(call.body.tools)
        owner = _owner(call.client)
        target = call.target.name if call.target is not None else ""
        messages = tuple(recalled(message, self._store, owner, target) for message in call.body.messages)
        if any(new is not old for new, old in zip(messages, call.body.messages, strict=True)):
            call = replace(call, body=replace(call.body, messages=messages))
        reply = await handler(call)
        return replace(reply, events=self._remember(reply.events, owner, target)) if has_tools else reply

    async def _remember(self, events: AsyncIterator[Event], owner: str, target: str) -> AsyncIterator[Event]:
        choices: dict[int, _Choice] = {}
        async for event in events:
            if isinstance(event, TextDelta | ThinkingDelta | ToolDelta):
                choice = choices.setdefault(event.index, _Choice())
                thoughts = choice.read(event, target)
                if thoughts is not None and isinstance(event, ToolDelta) and event.id:
                    self._store.put(owner, event.id, thoughts)
            yield event


def recalled(message: Message, store: ThoughtStore, owner: str, target: str) -> Message:
    """Return the message with its thinking before its tool calls; the same one where there is nothing to put back."""
    if message.role != "assistant" or any(isinstance(part, Thinking) for part in message.parts):
        return message
    parts: list[Part] = []
    for part in message.parts:
        thoughts = store.get(owner, part.id) if isinstance(part, ToolUse) else None
        if thoughts is not None and thoughts.target == target:
            at = 0 if thoughts.is_first else len(parts)
            parts[at:at] = thoughts.parts
        parts.append(part)
    return replace(message, parts=tuple(parts)) if len(parts) > len(message.parts) else message


@dataclass(slots=True)
class _Choice:
    """One choice as it goes by: the thinking since its last tool call, and whether anything came before that."""

    pieces: list[ThinkingDelta] = field(default_factory=list)
    is_first: bool = True
    has_said: bool = False
    position: int = -1

    def read(self, event: TextDelta | ThinkingDelta | ToolDelta, target: str) -> Thoughts | None:
        """Return the thoughts before a tool call, with the piece by which that call begins."""
        if isinstance(event, ThinkingDelta):
            if not self.pieces:
                self.is_first = not self.has_said
            self.pieces.append(event)
            return None
        self.has_said = True
        if isinstance(event, TextDelta) or event.position == self.position:
            return None
        self.position = event.position
        thoughts = Thoughts(joined(self.pieces), self.is_first, target) if self.pieces else None
        self.pieces = []
        return thoughts


def joined(pieces: Iterable[ThinkingDelta]) -> tuple[Thinking, ...]:
    """Return the parts that a run of pieces makes."""
    parts: list[Thinking] = []
    for piece in pieces:
        last = parts[-1] if parts else None
        if last is None or piece.is_new or piece.is_redacted or last.is_redacted or last.vendor != piece.vendor:
            parts.append(Thinking(piece.text, piece.signature, piece.is_redacted, piece.vendor))
        else:
            parts[-1] = replace(last, text=last.text + piece.text, signature=piece.signature or last.signature)
    return tuple(parts)


def _owner(client: Client) -> str:
    """Anonymous callers share a tenant and nothing else."""
    return f"{client.tenant}\0{client.name}" if client.is_anonymous else client.tenant
