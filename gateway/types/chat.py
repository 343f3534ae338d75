"""A chat in normal form: messages of parts, tools, and how the answer is to be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.types.values import quick
from gateway.types.words import EMPTY, Role


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image by URL or as base64; exactly one of `url` and `data_b64` is set."""

    media_type: str | None = None
    data_b64: str | None = field(default=None, repr=False)
    url: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    format: str  # wav, mp3 …
    data_b64: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class File:
    """A document by base64, by URL or by the vendor's own file id; exactly one is set."""

    filename: str | None = None
    media_type: str | None = None
    data_b64: str | None = field(default=None, repr=False)
    url: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model asks for a tool. `arguments` is the JSON text as the model wrote it, which may be broken."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    tool_use_id: str
    parts: tuple[Text | Image | File, ...]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Thinking:
    """Reasoning that must come back unchanged to its own vendor. `signature` is opaque; redacted text is sealed.

    It stands right before the part that it belongs to. `vendor` is the name of the plugin that made it: no other may
    send it on.
    """

    text: str
    signature: str | None = None
    is_redacted: bool = False
    vendor: str = ""


Part = Text | Image | Audio | File | ToolUse | ToolResult | Thinking


@quick
@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...]
    name: str | None = None

    @property
    def text(self) -> str:
        """All text parts, joined as they stand."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str | None
    parameters: Mapping[str, Any]  # JSON Schema
    is_strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`mode` "tool" means exactly the one called `name`."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """What shape the text must have. `schema` is set for json_schema only."""

    kind: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: Mapping[str, Any] | None = None
    description: str | None = None
    is_strict: bool | None = None


@quick
@dataclass(frozen=True, slots=True)
class Chat:
    """A chat in normal form. None means the client did not say; the vendor's default then holds."""

    messages: tuple[Message, ...]
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int = 1
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Mapping[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    output_format: OutputFormat | None = None
    reasoning_effort: str | None = None  # none minimal low medium high xhigh max
    thinking_budget_tokens: int | None = None
    user: str | None = None
    wants_usage: bool = True  # False: the client streams and did not ask for usage
    extra: Mapping[str, Any] = EMPTY  # the client's fields that have no place here, under their names in its dialect
    only_verbatim: tuple[str, ...] = ()  # fields whose meaning a translation would lose: it serves no such chat
