"""Put a call into the sandbox's own request format, and say beforehand what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gateway.errors import UnsupportedByTarget
from gateway.json import dumps
from gateway.types import (
    Chat,
    Embeddings,
    Form,
    Message,
    Part,
    Recording,
    Speech,
    Target,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)

from .mp3 import RATE_HZ
from .options import MAX_DIMENSIONS
from .speaking import FORMATS, VOICES

MAX_SPOKEN_CHARS = 65_536  # over an hour of audio
MAX_CHOICES = 128
SPEEDS = (0.25, 4.0)
SAMPLE_RATES_HZ = (8_000, 48_000)


def chat_refusal(body: Chat) -> str | None:
    """Return why the sandbox cannot answer this chat, or None."""
    if body.logprobs or body.top_logprobs:
        return "gives no logprobs"
    if not 1 <= body.n <= MAX_CHOICES:
        return f"gives 1 to {MAX_CHOICES} choices, not {body.n}"
    return None


def embeddings_refusal(body: Embeddings) -> str | None:
    """Return why the sandbox cannot embed this, or None."""
    if body.dimensions is not None and not 1 <= body.dimensions <= MAX_DIMENSIONS:
        return f"makes vectors of 1 to {MAX_DIMENSIONS} dimensions, not {body.dimensions}"
    return None


def speech_refusal(body: Speech, target: Target) -> str | None:
    """Return why the sandbox cannot speak this, or None."""
    voice = target.voice_for(body.voice)
    low_hz, high_hz = SAMPLE_RATES_HZ if body.format != "mp3" else (RATE_HZ, RATE_HZ)
    if voice is None:
        return f"has no voice for '{body.voice}'"
    if voice not in VOICES:
        return f"has no voice '{voice}'; it has {', '.join(VOICES)}"
    if body.format not in FORMATS:
        return f"has no format {body.format}; it makes {', '.join(FORMATS)}"
    if not SPEEDS[0] <= body.speed <= SPEEDS[1]:
        return f"speaks at a speed of {SPEEDS[0]:g} to {SPEEDS[1]:g}, not {body.speed:g}"
    if body.sample_rate_hz is not None and not low_hz <= body.sample_rate_hz <= high_hz:
        return f"makes {body.format} at {low_hz} to {high_hz} Hz, not {body.sample_rate_hz}"
    if body.is_ssml:
        return "does not read SSML"
    if len(body.text) > MAX_SPOKEN_CHARS:
        return f"speaks at most {MAX_SPOKEN_CHARS} characters at once"
    return None


def recording_refusal(body: Recording) -> str | None:
    """Return why the sandbox cannot write this down, or None; what is in the file is only known once it is read."""
    return "does not translate" if body.is_translation else None


def chat_request(body: Chat) -> dict[str, Any]:
    """Return what of a chat the sandbox looks at."""
    return {
        "messages": [{"role": message.role, "parts": _parts(message)} for message in body.messages],
        "tools": [
            {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
            for tool in body.tools
        ],
        "tool_choice": asdict(body.tool_choice) if body.tool_choice else None,
        "parallel_tool_calls": body.parallel_tool_calls,
        "format": _format(body),
        "stop": body.stop,
        "max_output_tokens": body.max_output_tokens,
        "n": body.n,
    }


def embeddings_request(body: Embeddings) -> dict[str, Any]:
    return {"inputs": body.inputs, "dimensions": body.dimensions}


def speech_request(body: Speech, target: Target) -> dict[str, Any]:
    return {
        "text": body.text,
        "voice": target.voice_for(body.voice),
        "format": body.format,
        "speed": body.speed,
        "sample_rate_hz": body.sample_rate_hz,
    }


def recording_form(body: Recording, described: Mapping[str, Any]) -> Form:
    return Form((("request", written(described).decode()),), (("file", body.audio),))


def written(described: Mapping[str, Any]) -> bytes:
    """Return a request as JSON. Raises UnsupportedByTarget for what JSON cannot hold, or not so deep."""
    try:
        return dumps(described)
    except TypeError as error:
        raise UnsupportedByTarget(f"the request cannot be written as JSON for the sandbox: {error}") from error


def _format(body: Chat) -> dict[str, Any] | None:
    wanted = body.output_format
    if wanted is None:
        return None
    return {"kind": wanted.kind, "schema": None if wanted.schema is None else dict(wanted.schema)}


def _parts(message: Message) -> list[dict[str, Any]]:
    return [_part(part) for part in message.parts]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text():
            return {"kind": "text", "text": part.text}
        case Thinking():
            return {"kind": "thinking", "text": part.text}
        case ToolUse():
            return {"kind": "tool_use", "text": part.name + part.arguments}
        case ToolResult():
            return {"kind": "tool_result", "text": _joined(part.parts), "media": _attachments(part.parts)}
        case _:
            return {"kind": "media", "media": 1}


def _joined(parts: Sequence[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


def _attachments(parts: Sequence[Part]) -> int:
    return sum(not isinstance(part, Text) for part in parts)
