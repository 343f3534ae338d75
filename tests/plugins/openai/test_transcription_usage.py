"""A transcription is counted as its model is billed: by tokens, those of audio apart, or by time."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.types import Units, Usage
from tests.plugins.openai.answers import read, transcription


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"type": "tokens", "input_tokens": 14, "output_tokens": 3}, Usage(Units(14, output_tokens=3))),
        (
            {"type": "tokens", "input_tokens": 14, "input_token_details": {"audio_tokens": 9}, "output_tokens": 3},
            Usage(Units(14, output_tokens=3, input_audio_tokens=9)),
        ),
        ({"type": "duration", "seconds": 9}, Usage(Units(audio_seconds=9.0))),
        (None, Usage(Units(audio_seconds=7.5), is_estimated=True)),
    ],
)
async def test_a_transcription_is_counted_as_the_model_is_billed(usage: Any, expected: Usage) -> None:
    answer = {"text": "a"} | ({"usage": usage} if usage else {})
    assert expected in await read(transcription(duration_s=7.5), orjson.dumps(answer))
