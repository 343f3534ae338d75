"""A line to paste for each dialect that has one: what `gateway run` prints when it serves."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_CHAT = '{"model": "MODEL", "messages": [{"role": "user", "content": "What is this gateway?"}]}'
_SPEECH = '{"model": "MODEL", "voice": "nova", "input": "The quick brown fox jumps over the lazy dog."}'

EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "openai.chat": f"curl URL -d '{_CHAT}'",
        "openai.speech": f"curl URL -o speech.mp3 -d '{_SPEECH}'",
        "openai.transcription": "curl URL -F model=MODEL -F file=@speech.mp3",
    }
)


def example(dialect: str, url: str, model: str) -> str | None:
    """Return the line for a route at `url` and a model's name, None for a dialect that has none."""
    line = EXAMPLES.get(dialect)
    return line.replace("URL", url).replace("MODEL", model) if line is not None else None
