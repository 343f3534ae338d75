"""Values that unit tests begin with, each with what the test cares about put in: `chat_call(stream=True)`."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from gateway.types import (
    Attempt,
    Body,
    Call,
    Chat,
    Client,
    Closer,
    Event,
    Head,
    Inbound,
    Message,
    Model,
    Operation,
    Place,
    Price,
    Provider,
    Receipt,
    Recording,
    Reply,
    Speech,
    Target,
    Text,
    Timeouts,
    Upload,
    UpstreamResponse,
)

HELLO = Chat((Message("user", (Text("hello"),)),))


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now_s: float = 1_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def head(
    headers: Mapping[str, str] | None = None,
    *,
    remote: str = "127.0.0.1",
    path: str = "/v1/chat/completions",
    query: Mapping[str, str] | None = None,
    client: Client | None = None,
) -> Head:
    return Head("request-1", "POST", path, query or {}, headers or {}, remote, client=client)


def inbound(body: bytes, headers: Mapping[str, str] | None = None) -> Inbound:
    return Inbound(head(headers), body)


def target(
    name: str = "vendor/model",
    *,
    operation: Operation = "chat",
    plugin: Any = None,
    price: Price | None = None,
    voices: Mapping[str, str] | None = None,
    place: Place | None = None,
    timeouts: Timeouts = Timeouts(),  # noqa: B008  # frozen
    base_url: str = "http://vendor.test/v1",
    credentials: Mapping[str, str] | None = None,
    provider_options: Mapping[str, Any] | None = None,
    **row: Any,
) -> Target:
    """Return a target; `row` are fields of its Model."""
    provider_name, _, model_name = name.partition("/")
    provider = Provider(
        provider_name,
        plugin if plugin is not None else plain_plugin(),
        base_url,
        credentials={"api_key": "sk-canary"} if credentials is None else credentials,
        timeouts=timeouts,
        options=provider_options or {},
    )
    return Target(provider, Model(model_name, operation, price=price, **row), voices or {}, place)


def plain_plugin(wire: Mapping[Operation, str] | None = None, refusal: str | None = None) -> Any:
    """Return what middlewares ask of a plugin."""
    return SimpleNamespace(wire=wire or {}, refusal=lambda call, target: refusal, backend=None, credentials=())


def call(
    body: Body = HELLO,
    *,
    operation: Operation = "chat",
    dialect: str = "openai.chat",
    model: str = "fast",
    targets: tuple[Target, ...] = (),
    at: Target | None = None,
    client: Client | None = Client("key-1", "tenant-1"),  # noqa: B008  # frozen
    headers: Mapping[str, str] | None = None,
    path: str = "/v1/chat/completions",
    query: Mapping[str, str] | None = None,
    **more: Any,
) -> Call:
    """Return a call; `more` are fields of Call."""
    asked = head(headers, path=path, query=query, client=client)
    receipt = Receipt("request-1", 0.0)
    return Call("request-1", operation, dialect, model, body, asked, receipt, targets=targets, target=at, **more)


def attempting(asked: Call, at: str = "vendor/model") -> Call:
    """Return the call with an attempt open, as failover hands it on."""
    attempt = Attempt(at)
    asked.receipt.attempts.append(attempt)
    return replace(asked, attempt=attempt)


def speech_call(text: str = "Good morning.", **more: Any) -> Call:
    """Return a call for speech; `voice` and `format` are those of Speech."""
    speech = Speech(text, more.pop("voice", "nova"), more.pop("format", "mp3"))
    return call(speech, operation="speech", dialect=more.pop("dialect", "openai.speech"), stream=True, **more)


def upload(data: bytes = b"RIFF", filename: str = "a.wav", content_type: str = "audio/wav") -> Upload:
    return Upload(filename, content_type, len(data), io.BytesIO(data))


def recording_call(data: bytes = b"RIFF", **more: Any) -> Call:
    """Return a call for transcription; `recording` holds fields of Recording."""
    recording = Recording(upload(data), "wav", **more.pop("recording", {}))
    dialect = more.pop("dialect", "openai.transcription")
    return call(recording, operation="transcription", dialect=dialect, **more)


async def stream(events: Iterable[Event | BaseException | float]) -> AsyncIterator[Event]:
    """Yield events; raise what is an exception; sleep what is a number of seconds."""
    for event in events:
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, float):
            await asyncio.sleep(event)
            continue
        yield event


def reply(*events: Event | BaseException | float, closers: tuple[Closer, ...] = ()) -> Reply:
    return Reply(stream(events), closers)


async def drained(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


class Closed:
    """A closer that counts how often it ran."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> None:
        self.count += 1


def response(
    *pieces: bytes | BaseException, status: int = 200, headers: Mapping[str, str] | None = None
) -> UpstreamResponse:
    """Return a vendor's answer of these pieces; one that is an exception is raised in its place."""

    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    return UpstreamResponse(status, headers or {}, chunks(), Closed())
