"""The sandbox's own wire format: answers are lines of JSON, and the last one says that it is the last.

{"text": "Hel", "choice": 0}
{"tool": 0, "choice": 0, "id": "call_…", "name": "get_weather", "arguments": ""}
{"vector": [0.1, …], "index": 0}
{"audio": "<base64>", "format": "wav", "content_type": "audio/wav", "sample_rate_hz": 24000}
{"transcript": "…", "duration_s": 1.2}
{"usage": {"input_tokens": 3, "output_tokens": 2}}
{"end": ["stop"]}                                       one reason for each choice
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.json import dumps, loads
from gateway.types import AudioChunk, AudioFormat, Done, Event, TextDelta, ToolDelta, Units, Usage, Vector

from .timing import timed

MAX_LINE_BYTES = 8_388_608  # a transcript of days; more without a newline is no answer of the sandbox


def line(value: Mapping[str, Any]) -> bytes:
    """Return one line."""
    return dumps(value) + b"\n"


def audio_line(data: bytes, audio_format: AudioFormat | None) -> bytes:
    """Return the line for a chunk of audio; the first of an answer says the format."""
    value: dict[str, Any] = {"audio": b64encode(data).decode()}
    if audio_format is not None:
        value |= {
            "format": audio_format.name,
            "content_type": audio_format.content_type,
            "sample_rate_hz": audio_format.sample_rate_hz,
        }
    return line(value)


def end_line(reasons: Sequence[str] = ("stop",)) -> bytes:
    """Return the line without which an answer was cut."""
    return line({"end": list(reasons)})


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Yield the events of an answer, however its bytes are cut into chunks.

    Raises UpstreamCut where the end line is missing, UpstreamMalformed where a line is not one of the above.
    """
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        if b"\n" not in chunk:
            if len(pending) > MAX_LINE_BYTES:
                raise UpstreamMalformed(f"the sandbox sent a line of more than {MAX_LINE_BYTES} bytes")
            continue
        *lines, rest = pending.split(b"\n")
        pending = rest
        for data in lines:
            value = _value(bytes(data))
            for event in read_line(value):
                yield event
            if "end" in value:
                return
    raise UpstreamCut("the sandbox's answer ended before its end line")


def _value(data: bytes) -> Mapping[str, Any]:
    try:
        value = loads(data)
    except ValueError as error:
        raise UpstreamMalformed(f"the sandbox sent a line that is not JSON: {data[:80]!r}") from error
    if not isinstance(value, dict):
        raise UpstreamMalformed(f"the sandbox sent a line that is not a JSON object: {data[:80]!r}")
    return value


def read_line(value: Mapping[str, Any]) -> list[Event]:
    """Return the events of one line. Raises UpstreamMalformed where it is none of the above."""
    try:
        for kind, reader in _READERS.items():
            if kind in value:
                return reader(value)
    except (KeyError, TypeError, ValueError) as error:
        raise UpstreamMalformed(f"the sandbox sent a line with a wrong field: {error}") from error
    raise UpstreamMalformed(f"the sandbox sent a line of no known kind: {sorted(value)}")


def _read_audio(value: Mapping[str, Any]) -> list[Event]:
    name = value.get("format")
    audio_format = AudioFormat(name, value["content_type"], value["sample_rate_hz"]) if name else None
    return [AudioChunk(b64decode(value["audio"], validate=True), audio_format)]


def _read_tool(value: Mapping[str, Any]) -> list[Event]:
    return [ToolDelta(value["tool"], value["arguments"], value.get("id"), value.get("name"), value["choice"])]


_READERS: Mapping[str, Callable[[Mapping[str, Any]], list[Event]]] = {
    "text": lambda value: [TextDelta(value["text"], value["choice"])],
    "tool": _read_tool,
    "vector": lambda value: [Vector(value["index"], tuple(value["vector"]))],
    "audio": _read_audio,
    "transcript": lambda value: [timed(value["transcript"], value["duration_s"])],
    "usage": lambda value: [Usage(Units(**value["usage"]))],
    "end": lambda value: [Done(reason, index) for index, reason in enumerate(value["end"])],
}
