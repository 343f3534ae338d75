"""veil: no model reads who it is about.

E-mail addresses, telephone and account numbers of a chat leave as [email-1], [phone-1] and so on, the same text always
as the same mark, so that the model can still tell people apart. In its answer, and in what it hands to tools, each mark
becomes again what it stands for, wherever the stream cuts it.
"""

import re
from dataclasses import replace

from gateway.types import Chat, Text, TextDelta, ToolDelta, ToolResult, ToolUse

KINDS = {
    "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "iban": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "phone": re.compile(r"(?<![\w.])(?:\+|00)\d[\d ()/-]{6,18}\d"),  # with its country: other numbers may be anything
}
MARK = re.compile(r"\[[a-z]+-\d+\]")
BEGUN = re.compile(r"\[[a-z]{0,5}(?:-\d{0,4})?$")  # of a mark, the rest of which may still come
FIELD = {TextDelta: "text", ToolDelta: "arguments"}


def MIDDLEWARE(options):
    """Options: `kinds`, a list of what is veiled (all), and `unveil`: false, to see what the model saw."""
    wanted = options.get("kinds", list(KINDS))
    if strange := set(wanted) - set(KINDS):
        raise ValueError(f"kinds: {', '.join(sorted(strange))}; there is {', '.join(KINDS)}")
    patterns = {kind: KINDS[kind] for kind in KINDS if kind in wanted}
    unveils = options.get("unveil", True)

    async def veil(call, handler):
        if not isinstance(call.body, Chat):
            return await handler(call)
        marks = Marks(patterns)
        reply = await handler(replace(call, body=marks.put_into(call.body)))
        call.receipt.headers["x-veiled"] = str(len(marks.hidden))
        if not marks.hidden or not unveils:
            return reply
        return replace(reply, events=unveiled(reply.events, marks.hidden))

    return veil


class Marks:
    """What is hidden in one chat: mark -> what it stands for."""

    def __init__(self, patterns):
        self.hidden = {}
        self._patterns = patterns
        self._marks = {}

    def put_into(self, chat):
        messages = (
            replace(message, parts=tuple(self._part(part) for part in message.parts)) for message in chat.messages
        )
        return replace(chat, messages=tuple(messages), user=self._text(chat.user) if chat.user else chat.user)

    def _part(self, part):
        match part:
            case Text():
                return replace(part, text=self._text(part.text))
            case ToolUse():
                return replace(part, arguments=self._text(part.arguments))
            case ToolResult():
                return replace(part, parts=tuple(self._part(inner) for inner in part.parts))
        return part  # pictures and sound are not looked into

    def _text(self, text):
        for kind, pattern in self._patterns.items():
            text = pattern.sub(lambda found, kind=kind: self._mark(kind, found[0]), text)
        return text

    def _mark(self, kind, found):
        if found not in self._marks:
            number = sum(mark.startswith(f"[{kind}-") for mark in self.hidden) + 1
            self._marks[found] = f"[{kind}-{number}]"
            self.hidden[self._marks[found]] = found
        return self._marks[found]


async def unveiled(events, hidden):
    """Yield the events with each mark replaced; a piece that ends in what may be half a mark waits for the next."""
    waiting = {}  # choice of the answer -> the piece that waits
    async for event in events:
        before = waiting.pop(getattr(event, "index", None), None)
        if before is not None and place(before) != place(event):
            yield before
            before = None
        field = FIELD.get(type(event))
        if field is None:
            yield event
            continue
        text = (getattr(before, field) if before else "") + getattr(event, field)
        text = MARK.sub(lambda mark: hidden.get(mark[0], mark[0]), text)
        half = BEGUN.search(text)
        end = half.start() if half else len(text)
        if end or field == "arguments":  # the first piece of a tool's call names it
            yield replace(event, **{field: text[:end]})
        if half:
            rest = {field: text[end:]} | ({"id": None, "name": None} if field == "arguments" else {})
            waiting[event.index] = replace(event, **rest)
    for piece in waiting.values():
        yield piece


def place(event):
    """Where in a choice an event stands: its text, one of its tools' arguments, or none of these."""
    return type(event), getattr(event, "position", None)
