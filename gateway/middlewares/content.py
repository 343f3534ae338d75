"""What was said? Only on a route that has it logged; then the log has it without what may be a secret."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway.config.model import Config, LogContent, Route
from gateway.flow import observed
from gateway.services import Services
from gateway.telemetry.redaction import MARGIN_CHARS, Content
from gateway.types import (
    Body,
    Call,
    Chat,
    Embeddings,
    Event,
    Handler,
    Middleware,
    Recording,
    Reply,
    Speech,
    Text,
    TextDelta,
    ToolDelta,
    ToolResult,
    ToolUse,
    Transcript,
)


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return Reader(route.log_content) if route.log_content is not None else None


class Reader:
    def __init__(self, policy: LogContent) -> None:
        self._policy = policy

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        """Keep the beginnings of what was asked and answered on the receipt."""
        content = call.receipt.content = Content(self._policy, self._beginning(call.body))
        reply = await handler(call)
        return replace(reply, events=observed(reply.events, _Answer(content).read))

    def _beginning(self, body: Body) -> str:
        """Return as much of what was asked as may be needed; a conversation may have megabytes."""
        texts: list[str] = []
        left = self._policy.max_chars + MARGIN_CHARS + 1
        for text in _texts(body):
            texts.append(text[:left])
            left -= len(text) + 1
            if left <= 0:
                break
        return "\n".join(texts)


class _Answer:
    def __init__(self, content: Content) -> None:
        self._content = content
        self._is_told = False  # a long recording's text comes in parts, and then once more as a whole

    def read(self, event: Event) -> None:
        match event:
            case TextDelta(text):
                self._is_told = True
                self._content.add(text)
            case Transcript(text) if not self._is_told:
                self._content.add(text)
            case ToolDelta(arguments=arguments):
                self._content.add(arguments)
            case _:
                pass


def _texts(body: Body) -> Iterator[str]:
    match body:
        case Chat(messages=messages):
            for message in messages:
                for part in message.parts:
                    yield from _of_part(part)
        case Speech(text=text):
            yield text
        case Recording(prompt=str(prompt)):
            yield prompt
        case Embeddings(inputs=inputs):
            yield from (text for text in inputs if isinstance(text, str))
        case _:
            pass


def _of_part(part: object) -> Iterator[str]:
    match part:
        case Text(text):
            yield text
        case ToolUse(arguments=arguments):
            yield arguments
        case ToolResult(parts=parts):
            for inner in parts:
                yield from _of_part(inner)
        case _:
            pass
