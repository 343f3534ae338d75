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
from gateway.live import NEUTRAL
from gateway.plugin import Inline, Worker
from gateway.types import (
    Call,
    Done,
    Event,
    Form,
    Frame,
    Heard,
    Live,
    LiveItem,
    LiveKind,
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


class LiveEar:
    """Live listening, see gateway/live.py. To the worker: A and samples, F for what came to be final."""

    dialects: Mapping[LiveKind, str] = {"listen": NEUTRAL}

    def goodbye(self, call: Call) -> Frame | None:
        return None

    def write(self, call: Call, item: LiveItem) -> bytes:
        if isinstance(item, bytes):
            return b"A" + item
        return b"F" if item == "flush" else b""

    async def read(self, call: Call, frames: AsyncIterator[Frame]) -> AsyncIterator[Event]:
        """Read the worker's lines. Raises UpstreamMalformed without the last, which has `duration_s`."""
        duration_s: float | None = None
        async for frame in frames:
            for line in frame.data.splitlines():
                heard = json.loads(line)
                if "duration_s" in heard:
                    duration_s = heard["duration_s"]
                    yield Usage(Units(audio_seconds=duration_s or 0.0))
                    continue
                words = tuple(Word(text, start_s, end_s) for text, start_s, end_s in heard["words"])
                yield Heard(
                    " ".join(word.text for word in words),
                    heard["start_s"],
                    heard["length_s"],
                    words,
                    is_final=heard["final"],
                    is_speech_end=heard["end"],
                    is_flushed=heard["flushed"],
                )
        if duration_s is None:
            raise UpstreamMalformed("the local recogniser did not say that it had finished")


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
    live = LiveEar()
    default_voices: Mapping[str, str] = {}

    def __init__(self, *, has_codecs: bool) -> None:
        self.containers = CONTAINERS if has_codecs else PLAIN_CONTAINERS

    def operations(self) -> frozenset[Operation]:
        return frozenset({"transcription"})

    def refusal(self, call: Call, target: Target) -> str | None:
        recording = call.body
        if isinstance(recording, Live):
            return _live_refusal(recording)
        if not isinstance(recording, Recording):
            return "writes down speech, and does nothing else"
        if recording.is_translation:
            return "does not translate"
        if recording.format == "diarized_json":
            return "does not tell speakers apart"
        if not _is_english(recording.language):
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
        if isinstance(recording, Live) and reason is None:
            asked = {"sample_rate_hz": recording.sample_rate_hz, "interim": recording.has_interim}
            return UpstreamRequest("GET", "local:/listen", {"x-session": json.dumps(asked).decode()})
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


def _live_refusal(live: Live) -> str | None:
    if live.kind != "listen":
        return "writes down speech, and does nothing else"
    if live.encoding != "linear16" or live.channels != 1:
        return "listens to encoding=linear16 with one channel only"
    return None if _is_english(live.language) else f"understands English only, not '{live.language}'"


def _is_english(language: str | None) -> bool:
    return not language or language.lower().replace("_", "-").partition("-")[0] in ("en", "eng")


def _max_duration_s(target: Target) -> float:
    return float(target.provider.options.get("max_duration_s", DEFAULT_MAX_DURATION_S))


async def _lines(response: UpstreamResponse) -> AsyncIterator[bytes]:
    held = b""
    async for chunk in response.chunks:
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            yield line


PLUGIN = LocalStt(has_codecs=find_spec("av") is not None)
