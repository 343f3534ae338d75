"""The least that a dialect takes beside a model: what is asked about where nobody says what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TURN = {"role": "user", "content": "hello"}
_TEXT = {"parts": [{"text": "hello"}]}

SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "openai.chat": {"messages": [_TURN]},
    "openai.responses": {"input": "hello"},
    "openai.completions": {"prompt": "hello"},
    "openai.embeddings": {"input": "hello"},
    "openai.speech": {"input": "hello", "voice": "nova"},
    "anthropic.messages": {"messages": [_TURN], "max_tokens": 100},
    "anthropic.count_tokens": {"messages": [_TURN]},
    "gemini.generate": {"contents": [{"role": "user", **_TEXT}]},
    "gemini.stream": {"contents": [{"role": "user", **_TEXT}]},
    "gemini.embed": {"content": _TEXT},
    "deepgram.speak": {"text": "hello"},
    "google.synthesize": {
        "input": {"text": "hello"},
        "voice": {"languageCode": "en-US"},
        "audioConfig": {"audioEncoding": "MP3"},
    },
    "polly.speech": {"Text": "hello", "OutputFormat": "mp3", "VoiceId": "nova"},
    "native.generate": {"prompt": "hello"},
    "native.tts": {"text": "hello"},
}
