"""The kinds of work that vendors' faults are shown to: how a client asks for each, and what it makes of the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import aiohttp

from gateway.types import AudioFormat
from plugins.sandbox.speaking import speak

TEXT = "the quick brown fox jumps over the lazy dog and runs away into the dark wood again"
SAID = "the quick brown fox jumps over the lazy dog"


@dataclass(frozen=True, slots=True)
class Seen:
    """The caller's view of one request."""

    status: int  # 0: the connection ended before any answer
    body: bytes
    is_clean: bool  # HTTP ended as it had said it would
    headers: Mapping[str, str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Told:
    """What a client makes of an answer."""

    content: bytes
    is_complete: bool  # to somebody who knows the format and nothing else
    error: str  # what is said to have gone wrong; "": nothing


@dataclass(frozen=True, slots=True)
class Work:
    """`first` and `second` are the targets, without what marks a provider's row; `read` tells what a 200 holds."""

    name: str
    path: str
    first: str
    second: str
    vendor_path: str
    read: Callable[[Seen], Told]
    body: Mapping[str, Any] | None = None  # None: a recording
    is_streamed: bool = False  # the vendor's content goes to the client as it comes
    has_events: bool = True  # the vendor's answer is in parts that can be parsed, with an end


def _chat(seen: Seen) -> Told:
    try:
        choice = json.loads(seen.body)["choices"][0]
        return Told(choice["message"]["content"].encode(), seen.is_clean and bool(choice["finish_reason"]), "")
    except (ValueError, LookupError, TypeError, AttributeError):
        return Told(b"", False, "")


def _stream(seen: Seen) -> Told:
    text, error, is_done = "", "", False
    for line in seen.body.decode(errors="replace").splitlines():
        data = line.removeprefix("data: ")
        if data == line or is_done:
            continue
        if data == "[DONE]":
            is_done = True
            continue
        try:
            event = json.loads(data)
        except ValueError:
            error = "an event that is not JSON"
            continue
        if event.get("error"):
            error = str(event["error"].get("message") or "unknown")
        for choice in event.get("choices") or ():
            text += choice["delta"].get("content") or ""
    return Told(text.encode(), is_done and seen.is_clean and not error, error)


def _audio(seen: Seen) -> Told:
    """Audio has no room for words: a transfer that breaks off is what says that something went wrong."""
    return Told(seen.body, seen.is_clean, "" if seen.is_clean else "the transfer broke off")


def _transcript(seen: Seen) -> Told:
    try:
        return Told(json.loads(seen.body)["text"].encode(), seen.is_clean, "")
    except (ValueError, LookupError, TypeError, AttributeError):
        return Told(b"", False, "")


_MESSAGES = [{"role": "user", "content": TEXT}]
_SPOKEN = {"input": SAID, "voice": "nova", "response_format": "pcm"}
WORKS = (
    Work("chat", "/v1/chat/completions", "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5",
         "/v1/chat/completions", _chat, {"messages": _MESSAGES}),
    Work("chat, streamed", "/v1/chat/completions", "openai/gpt-4o", "anthropic/claude-haiku-4-5",
         "/v1/chat/completions", _stream, {"messages": _MESSAGES, "stream": True}, is_streamed=True),
    Work("speech, events", "/v1/audio/speech", "openai/gpt-4o-mini-tts", "elevenlabs/eleven_flash_v2_5",
         "/v1/audio/speech", _audio, _SPOKEN, is_streamed=True),
    Work("speech, bytes", "/v1/audio/speech", "deepgram/aura-2", "elevenlabs/eleven_flash_v2_5",
         "/v1/speak", _audio, _SPOKEN, is_streamed=True, has_events=False),
    Work("transcription", "/v1/audio/transcriptions", "deepgram/nova-3", "elevenlabs/scribe_v2",
         "/v1/listen", _transcript),
)  # fmt: skip


def told(work: Work, seen: Seen) -> Told:
    """Return what a client makes of an answer of any status."""
    if seen.status == 200:
        return work.read(seen)
    try:
        message = str(json.loads(seen.body)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        message = ""
    return Told(b"", False, message)


async def ask(client: aiohttp.ClientSession, work: Work, model: str, path: str, request_id: str) -> Seen:
    """Send one request and take whatever comes."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    data: Any = None
    if work.body is None:
        data = aiohttp.FormData({"model": model})
        data.add_field("file", recording(), filename="said.wav", content_type="audio/wav")
    status, body, is_clean, headers = 0, b"", False, {}
    try:
        async with client.post(
            path,
            json=None if work.body is None else {"model": model, **work.body},
            data=data,
            headers={"x-request-id": request_id},
        ) as answer:
            status, headers = answer.status, {name.lower(): value for name, value in answer.headers.items()}
            async for chunk in answer.content.iter_any():
                body += chunk
            is_clean = True
    except (aiohttp.ClientError, ConnectionError):
        pass
    return Seen(status, body, is_clean, headers, loop.time() - started_s)


@cache
def recording() -> bytes:
    """Return a recording of SAID that every simulator understands."""
    parts = speak(SAID, "tone-208", 1.0, AudioFormat("wav", "audio/wav", 24_000))
    return b"".join(data for _, data in parts)
