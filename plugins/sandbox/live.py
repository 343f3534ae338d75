"""Live sessions of the sandbox: it hears the text that its own speech carries, and talks.

Speech of the sandbox has its whole text in the first samples; what of it is told follows the audio, as far as it has
come in. Other audio is silence to it.

On the wire, in: A and samples (s16le mono), F what came is final, R and a request to respond as JSON. Out, lines of
JSON: {"heard": "…", "start_s", "duration_s", "final", "end", "flushed"}, {"text": "…"} and {"audio": "…"} of a
response, the session's {"usage": {…}} so far, {"told": "responded"}.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

from gateway.errors import UpstreamMalformed
from gateway.json import dumps, loads
from gateway.live import NEUTRAL
from gateway.types import (
    Call,
    Chat,
    Event,
    Frame,
    Heard,
    Live,
    LiveItem,
    LiveKind,
    Message,
    Respond,
    Target,
    Text,
    Told,
    Units,
    UpstreamRequest,
    Word,
)

from . import asking, chatting, tokens
from .ear import Ear
from .library import Library
from .speaking import DEFAULT_VOICES, speak, spoken_format
from .wire import audio_line, line, read_line

RATE_HZ = 24_000  # of what is said in a conversation
SPOKEN_TOKENS_PER_S = 20  # as realtime models count them
_AUDIO, _FLUSH, _RESPOND = b"A", b"F", b"R"


class LiveSandbox:
    """See gateway/live.py."""

    dialects: Mapping[LiveKind, str] = MappingProxyType({"listen": NEUTRAL, "converse": NEUTRAL})

    def goodbye(self, call: Call) -> Frame | None:
        return None

    def write(self, call: Call, item: LiveItem) -> bytes:
        match item:
            case bytes():
                return _AUDIO + item
            case "flush":
                return _FLUSH
            case Respond():
                voices = call.target.voices if call.target is not None else {}
                voice = voices.get(item.voice) or next(iter(DEFAULT_VOICES.values()))
                return _RESPOND + dumps(asdict(replace(item, voice=voice)))
            case _:
                return b""

    async def read(self, call: Call, frames: AsyncIterator[Frame]) -> AsyncIterator[Event]:
        async for frame in frames:
            value = loads(frame.data)
            if not isinstance(value, dict):
                raise UpstreamMalformed("the sandbox sent a line that is not a JSON object")
            if "heard" in value:
                yield _heard(value)
            elif "told" in value:
                yield Told("responded")
            else:
                for event in read_line(value):
                    yield event


def refusal(call: Call) -> str | None:
    """Return why the sandbox has no such session."""
    live = call.body
    assert isinstance(live, Live)
    if live.kind == "listen" and (live.encoding != "linear16" or live.channels != 1):
        return "listens to encoding=linear16 with one channel only"
    return None


def build(call: Call, target: Target) -> UpstreamRequest:
    live = call.body
    assert isinstance(live, Live)
    described = {
        "kind": live.kind,
        "sample_rate_hz": live.sample_rate_hz or RATE_HZ,
        "interim": live.has_interim,
        "options": {**target.provider.options, **target.model.options},
    }
    return UpstreamRequest("GET", f"{target.provider.base_url}/live", {}, dumps(described))


async def session(
    asked: Mapping[str, Any], source: AsyncIterator[bytes], library: Callable[[], Awaitable[Library]]
) -> AsyncIterator[bytes]:
    """Yield what a session says to what it is sent."""
    ear = Ear(asked["sample_rate_hz"], is_interim=asked["interim"])
    said: list[str] = []  # of each turn that was flushed
    turn: list[str] = []
    used = Units()
    async for data in source:
        kind, rest = data[:1], data[1:]
        if kind == _AUDIO:
            results = ear.hear(rest)
        elif kind == _FLUSH:
            results = ear.flush(is_asked=True)
        else:
            respond = loads(rest)
            async for spoken, units in _respond(respond, said, await library()):
                used = _sum(used, units)
                if spoken:
                    yield spoken
            yield line({"usage": _fields(used, ear.seconds)})
            yield line({"told": "responded"})
            continue
        turn += [result.text for result in results if result.is_final and result.text]
        if kind == _FLUSH:
            said.append(" ".join(turn))
            turn = []
        for result in results:
            yield _line(result)
    if asked["kind"] == "listen":
        for result in ear.flush(is_asked=False):
            yield _line(result)
    yield line({"usage": _fields(used, ear.seconds)})


async def _respond(
    respond: Mapping[str, Any], heard: list[str], library: Library
) -> AsyncIterator[tuple[bytes, Units]]:
    """Yield the lines of one response, and what it used with the last. What was said aloud is what was heard."""
    aloud = iter(heard)
    turns = [(who, next(aloud, "") if who == "audio" else text) for who, text in respond["said"]]
    instructions = respond["instructions"]
    messages = [Message("system", (Text(instructions),))] if instructions else []
    messages += [Message("assistant" if who == "assistant" else "user", (Text(text),)) for who, text in turns]
    said = chatting.decide(asking.chat_request(Chat(tuple(messages))), library)
    for piece in tokens.pieces(said.text):
        yield line({"text": piece, "choice": 0}), Units()
    spoken_s = 0.0
    if respond["is_spoken"]:
        for starts_s, data in speak(said.text, respond["voice"], 1.0, spoken_format("pcm", RATE_HZ)):
            spoken_s = starts_s
            yield audio_line(data, None), Units()
    given = sum(tokens.count(text) for _, text in turns) + tokens.count(instructions)
    spoken = math.ceil(spoken_s * SPOKEN_TOKENS_PER_S)
    yield b"", Units(input_tokens=given, output_tokens=said.output_tokens + spoken, output_audio_tokens=spoken)


def _sum(one: Units, other: Units) -> Units:
    return Units(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        output_audio_tokens=one.output_audio_tokens + other.output_audio_tokens,
    )


def _fields(used: Units, seconds: float) -> dict[str, Any]:
    return {
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "output_audio_tokens": used.output_audio_tokens,
        "audio_seconds": round(seconds, 3),
    }


def _line(heard: Heard) -> bytes:
    return line(
        {
            "heard": heard.text,
            "start_s": heard.start_s,
            "duration_s": heard.duration_s,
            "words": [[word.text, word.start_s, word.end_s] for word in heard.words],
            "final": heard.is_final,
            "end": heard.is_speech_end,
            "flushed": heard.is_flushed,
        }
    )


def _heard(value: Mapping[str, Any]) -> Heard:
    return Heard(
        value["heard"],
        value["start_s"],
        value["duration_s"],
        tuple(Word(text, start_s, end_s) for text, start_s, end_s in value["words"]),
        is_final=value["final"],
        is_speech_end=value["end"],
        is_flushed=value["flushed"],
    )
