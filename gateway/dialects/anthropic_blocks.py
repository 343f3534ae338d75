"""A chat's events as Anthropic's content blocks: each begins, grows and ends before the next begins (vendors.md 2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway import json
from gateway.dialects.anthropic_thoughts import OWN, seal, start_block
from gateway.errors import UpstreamMalformed
from gateway.types import Event, TextDelta, ThinkingDelta, ToolDelta

Payload = dict[str, Any]  # the data of one streamed event


@dataclass(slots=True)
class Blocks:
    """The block that is open, and how many there were. Choices beyond the first have no place in this format."""

    _index: int = -1
    _kind: str = ""  # text, thinking or tool_use while a block is open, else ""
    _vendor: str = ""  # of the open thinking
    _is_signed: bool = False
    _position: int = -1  # of the open tool call
    _tool: str = ""
    _arguments: list[str] = field(default_factory=list)
    _closed: set[int] = field(default_factory=set)  # positions of tool calls that have ended

    def feed(self, event: Event) -> list[Payload]:
        """Return what to send for an event; [] for one that says nothing here."""
        match event:
            case TextDelta(text, 0) if text:
                return self._text(text)
            case ThinkingDelta(index=0):
                return self._think(event)
            case ToolDelta(index=0):
                return self._call(event)
            case _:
                return []

    def end(self) -> list[Payload]:
        """Return what closes the open block. Raises UpstreamMalformed for a tool call that is no JSON object."""
        if not self._kind:
            return []
        payloads: list[Payload] = []
        if self._kind == "thinking" and not self._is_signed and self._vendor != OWN:
            payloads.append(self._delta("signature_delta", "signature", seal("signed", self._vendor, "")))
        if self._kind == "tool_use":
            self._closed.add(self._position)
            read_arguments(self._tool, "".join(self._arguments))
        self._kind = ""
        return [*payloads, {"type": "content_block_stop", "index": self._index}]

    def _text(self, text: str) -> list[Payload]:
        begun = [] if self._kind == "text" else self._begin("text", {"type": "text", "text": ""})
        return [*begun, self._delta("text_delta", "text", text)]

    def _think(self, event: ThinkingDelta) -> list[Payload]:
        begun: list[Payload] = []
        is_same = self._kind == "thinking" and self._vendor == event.vendor and not event.is_new
        if not is_same or event.is_redacted or self._is_signed:
            block = start_block(event.text, event.signature, event.vendor, is_redacted=event.is_redacted)
            begun = self._begin("thinking", block)
            self._vendor, self._is_signed = event.vendor, block["type"] == "redacted_thinking"
            if self._is_signed:
                return [*begun, *self.end()]
        if event.text:
            begun.append(self._delta("thinking_delta", "thinking", event.text))
        if event.signature is not None:
            self._is_signed = True
            begun.append(self._delta("signature_delta", "signature", seal("signed", event.vendor, event.signature)))
        return begun

    def _call(self, event: ToolDelta) -> list[Payload]:
        begun: list[Payload] = []
        if self._kind != "tool_use" or self._position != event.position:
            if event.position in self._closed:
                if not event.arguments:
                    return []
                raise UpstreamMalformed("the vendor went on with a tool call after it had begun another part")
            block = {"type": "tool_use", "id": event.id or "", "name": event.name or "", "input": {}}
            begun = self._begin("tool_use", block)
            self._position, self._tool = event.position, event.name or ""
            self._arguments.clear()
        if event.arguments:
            self._arguments.append(event.arguments)
            begun.append(self._delta("input_json_delta", "partial_json", event.arguments))
        return begun

    def _begin(self, kind: str, block: dict[str, Any]) -> list[Payload]:
        payloads = self.end()
        self._kind = kind
        self._index += 1
        return [*payloads, {"type": "content_block_start", "index": self._index, "content_block": block}]

    def _delta(self, kind: str, key: str, value: str) -> Payload:
        return {"type": "content_block_delta", "index": self._index, "delta": {"type": kind, key: value}}


def assemble(payloads: Iterable[Payload]) -> list[dict[str, Any]]:
    """Return the content of the message that these payloads stream."""
    content: list[dict[str, Any]] = []
    texts: list[dict[str, list[str]]] = []
    for payload in payloads:
        if payload["type"] == "content_block_start":
            content.append(dict(payload["content_block"]))
            texts.append({})
        elif payload["type"] == "content_block_delta":
            delta = payload["delta"]
            key = next(key for key in delta if key != "type")
            texts[payload["index"]].setdefault(key, []).append(delta[key])
    for block, grown in zip(content, texts, strict=True):
        for key, pieces in grown.items():
            if key == "partial_json":
                block["input"] = read_arguments(block["name"], "".join(pieces))
            else:
                block[key] = "".join(pieces)
    return content


def read_arguments(tool: str, arguments: str) -> dict[str, Any]:
    """Return a tool call's arguments. Raises UpstreamMalformed where they are no JSON object, as this format needs."""
    if not arguments.strip():
        return {}
    try:
        value = json.loads(arguments)
    except ValueError as error:
        raise UpstreamMalformed(f"the model called {tool[:64]!r} with arguments that are not JSON") from error
    if not isinstance(value, dict):
        raise UpstreamMalformed(f"the model called {tool[:64]!r} with arguments that are not a JSON object")
    return value
