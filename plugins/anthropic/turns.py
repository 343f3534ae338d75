"""A chat's messages as Anthropic's `system` and `messages` (vendors.md 2.1, 2026-11-23).

The API wants every tool call answered in the very next message, with the results before anything else in it, and a
system message only after a user's turn, at the end or before the assistant's. So results that follow one another join
one user message, and system messages wait for the end of the user's turn; without one, they join those at the start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.types import Chat, File, Image, Message, Text, Thinking, ToolResult, ToolUse

from . import blocks
from .blocks import Block

VENDOR = "anthropic"


@dataclass(frozen=True, slots=True)
class Turns:
    """`system` is a text, blocks or None; `messages` have their content as a text where it is one block of text."""

    system: str | list[Block] | None
    messages: list[dict[str, Any]]


def read(chat: Chat, *, takes_system_turns: bool) -> Turns:
    """Return the chat's turns. A chat of system messages alone becomes the user's, since the API wants one of those."""
    builder = _Builder(_named(chat), takes_system_turns)
    for index, message in enumerate(chat.messages):
        if message.role in ("system", "developer"):
            builder.system(message)
        else:
            builder.message(message, f"messages[{index}]")
    builder.end_turn()
    messages = [{"role": role, "content": _plain(content)} for role, content in builder.turns]
    if not messages and builder.head:
        return Turns(None, [{"role": "user", "content": _plain(builder.head)}])
    return Turns(_plain(builder.head) if builder.head else None, messages)


@dataclass(slots=True)
class _Builder:
    has_names: bool
    takes_system_turns: bool
    head: list[Block] = field(default_factory=list)
    turns: list[tuple[str, list[Block]]] = field(default_factory=list)
    waiting: list[Block] = field(default_factory=list)  # of system messages, until the user's turn ends

    def system(self, message: Message) -> None:
        content = [block for part in message.parts if isinstance(part, Text) and (block := blocks.text(part))]
        if self.turns and self.takes_system_turns:
            self.waiting += content
        else:
            self.head += content

    def message(self, message: Message, where: str) -> None:
        results = [blocks.tool_result(part, where) for part in message.parts if isinstance(part, ToolResult)]
        content = self.content(message, where)
        if message.role == "assistant" and content:
            self.end_turn()
            self.add("assistant", content)
        elif results or content:
            self.add("user", [*results, *content])

    def end_turn(self) -> None:
        """Place the system messages that have waited for the assistant to speak, or for the end."""
        if self.waiting and self.turns[-1][0] == "user":
            self.turns.append(("system", self.waiting))
        else:
            self.head += self.waiting
        self.waiting = []

    def content(self, message: Message, where: str) -> list[Block]:
        content: list[Block] = []
        for part in message.parts:
            block = _block(part, where)
            if block is not None:
                content.append(block)
        if self.has_names and message.role == "user" and message.name:
            content.insert(0, {"type": "text", "text": f"{message.name}:"})
        return content

    def add(self, role: str, content: list[Block]) -> None:
        """Append to the last turn where it is the same speaker's: the API would join them all the same."""
        if not self.turns or self.turns[-1][0] != role:
            self.turns.append((role, content))
            return
        turn = self.turns[-1][1]
        turn += content
        turn.sort(key=lambda block: block["type"] != "tool_result")  # stable: results first, the rest as it came


def _block(part: object, where: str) -> Block | None:
    match part:
        case Text():
            return blocks.text(part)
        case Image():
            return blocks.image(part)
        case File():
            return blocks.document(part, where)
        case Thinking():
            return blocks.thinking(part) if part.vendor == VENDOR else None
        case ToolUse():
            return blocks.tool_use(part, where)
        case _:
            return None  # results stand in front; audio was refused before


def _named(chat: Chat) -> bool:
    """Say whether the users' names tell several of them apart: the API has no field for them, so they become text."""
    return len({message.name for message in chat.messages if message.role == "user" and message.name}) > 1


def _plain(content: list[Block]) -> str | list[Block]:
    if len(content) == 1 and content[0]["type"] == "text":
        text: str = content[0]["text"]
        return text
    return content
