"""Speech recognition on this machine: pocketsphinx with its en-us model, in subprocesses, without a key or a network.

English only, and honest about it: clear, close speech of short sentences comes back with about one word in seven wrong,
noise, accents and telephones far worse, synthetic voices mostly wrong. It is there so that the whole path works on a
machine with nothing else; for real work configure a vendor. What runs in the subprocess is _local_stt_worker.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gateway import json
from gateway.errors import GatewayError, InvalidRequest, UpstreamMalformed, UpstreamUnavailable
from gateway.plugin import Inline, Worker
from gateway.types import (
    Call,
    Done,
    Event,
    Form,
    Operation,
    Recording,
    Segment,
    Target,
    Transcript,
    Units,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    Word,
)

DESCRIPTION = "pocketsphinx, English only, demo quality: about one word in seven wrong on clear speech, more otherwise"
HINT = "pip install 'ai-service-gateway[local]'"
DEFAULT_MAX_DURATION_S = 600  # two to six minutes of one core; beyond it the model's mistakes are all one would get
PLAIN_CONTAINERS = frozenset({"wav"})
CONTAINERS = frozenset({"wav", "mp3", "flac", "ogg", "webm", "mp4", "aac"})


class LocalStt:
    """See gateway/plugin.py. `has_codecs`: whether PyAV is there."""

    options_schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "workers": {
                "type": "integer",
                "minimum": 1,
                "maximum": 64,
                "default": 1,
                "description": "Subprocesses, each of which hears one recording at a time; 150 MB of memory each",
            },
            "max_duration_s": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 7200,
                "default": DEFAULT_MAX_DURATION_S,
                "description": "Longest recording in seconds; a longer one is refused",
            },
        },
        "additionalProperties": False,
    }
    credentials: tuple[str, ...] = ()
    default_base_url = "local:"
    backend: Inline | Worker | None = Worker(
        str(Path(__file__).with_name("_local_stt_worker.py")), ("pocketsphinx",), HINT
    )
    wire: Mapping[Operation, str] = {}
    default_voices: Mapping[str, str] = {}

    def __init__(self, *, has_codecs: bool) -> None:
        self.containers = CONTAINERS if has_codecs else PLAIN_CONTAINERS

    def operations(self) -> frozenset[Operation]:
        return frozenset({"transcription"})

    def refusal(self, call: Call, target: Target) -> str | None:
        recording = call.body
        if not isinstance(recording, Recording):
            return "writes down speech, and does nothing else"
        if recording.is_translation:
            return "does not translate"
        if recording.format == "diarized_json":
            return "does not tell speakers apart"
        if recording.language and recording.language.lower().replace("_", "-").partition("-")[0] not in ("en", "eng"):
            return f"understands English only, not '{recording.language}'"
        if recording.container not in self.containers:
            return f"needs PyAV for {recording.container} ({HINT}); without it takes wav"
        if recording.duration_s is not None and recording.duration_s > _max_duration_s(target):
            return f"takes {_max_duration_s(target):g} s (option max_duration_s), not {recording.duration_s:.0f} s"
        return None

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        """Translate for _local_stt_worker.work. Raises InvalidRequest where `refusal` would have said why."""
        recording = call.body
        reason = self.refusal(call, target)
        if reason is not None or not isinstance(recording, Recording):
            raise InvalidRequest(f"{target.name} {reason}", param="file")
        form = Form((("max_duration_s", str(_max_duration_s(target))),), (("file", recording.audio),))
        return UpstreamRequest("POST", "local:/transcribe", {}, form)

    async def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        """Gather the utterances; the line with `duration_s` is the end mark. Raises UpstreamMalformed without it."""
        segments: list[Segment] = []
        words: list[Word] = []
        duration_s: float | None = None
        async for line in _lines(response):
            heard = json.loads(line)
            if "duration_s" in heard:
                duration_s = heard["duration_s"]
                continue
            spoken = [Word(text, start_s, end_s) for text, start_s, end_s in heard["words"]]
            words += spoken
            segments.append(Segment(" ".join(word.text for word in spoken), spoken[0].start_s, spoken[-1].end_s))
        if duration_s is None:
            raise UpstreamMalformed("the local recogniser did not say that it had finished")
        text = " ".join(segment.text for segment in segments)
        yield Transcript(text, "en", duration_s, tuple(segments), tuple(words))
        yield Usage(Units(audio_seconds=duration_s))
        yield Done()

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """The worker's error frame, as gateway/upstream/workers.py writes it."""
        error = json.loads(body)["error"]
        if status < 500:
            return InvalidRequest(error["message"], param=error["param"])
        return UpstreamUnavailable(f"the local recogniser failed: {error['message']}")

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        return request


def _max_duration_s(target: Target) -> float:
    return float(target.provider.options.get("max_duration_s", DEFAULT_MAX_DURATION_S))


async def _lines(response: UpstreamResponse) -> AsyncIterator[bytes]:
    held = b""
    async for chunk in response.chunks:
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            yield line


PLUGIN = LocalStt(has_codecs=find_spec("av") is not None)
