"""Every vendor of transcription with every container and every form of answer; every voice in every format, as it comes
and converted: through the real gateway, by the official client, each byte stream decoded by ffprobe and ffmpeg.

What does not pass is declared in tests/voice_table.py with its reason, and nothing else may fail. From its tables
docs/compatibility-voice.md is written; a test holds the two together.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, UnprocessableEntityError

from gateway.types import AudioFormat
from plugins.sandbox.speaking import speak
from tests import harness
from tests.plugins.spoken import CONTENT_TYPES, FORMATS, KINDS, ROWS, Desk, desk, hear
from tests.vendors.server import VendorServer
from tests.vendors.voices import Said, speech
from tests.voice_table import (
    CONTAINERS,
    DOCUMENT,
    LISTENERS,
    NOT_SPOKEN,
    REFUSED,
    RENDERERS,
    SAID,
    SANDBOX_VOICE,
    SIMULATORS,
    SPEAKERS,
    page,
)

REFUSALS = (BadRequestError, UnprocessableEntityError)
WAYS = ("plain", "streamed", "sse")


# ---------------------------------------------------------------- recordings


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """Return the sandbox's speech, which carries its text, in every container."""
    parts = speak(SAID, "tone-208", 1.0, AudioFormat("wav", "audio/wav", 24_000))
    return _in_containers(b"".join(data for _, data in parts), tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def voiced(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """Return the same as a voice speaks it, for who really recognises speech."""
    return _in_containers(speech(Said(SAID, "nova", "wav", 24_000)), tmp_path_factory.mktemp("voices"))


def _in_containers(wav: bytes, folder: Path) -> Mapping[str, bytes]:
    (folder / "said.wav").write_bytes(wav)
    made = {"wav": wav}
    for name, options in CONTAINERS.items():
        if name != "wav":
            command = ["ffmpeg", "-v", "error", "-i", str(folder / "said.wav"), *options, str(folder / f"said.{name}")]
            subprocess.run(command, check=True)
            made[name] = (folder / f"said.{name}").read_bytes()
    return made


@asynccontextmanager
async def listener(folder: Path, target: str) -> AsyncIterator[tuple[AsyncOpenAI, VendorServer | None]]:
    """Serve one target as `listen`, its vendor simulated."""
    provider = target.partition("/")[0]
    async with AsyncExitStack() as stack:
        kind = SIMULATORS.get(provider)
        vendor = await stack.enter_async_context(kind()) if kind is not None else None
        address = f"\n    base_url: {vendor.base_url}" if vendor is not None else ""
        providers = f"version: 1\nproviders:\n  {provider}:{LISTENERS[target]}{address}\n"
        routes = f"""
version: 1
server: {{listen: "127.0.0.1:0"}}
keys: {{anonymous: loopback}}
models: {{listen: {{operation: transcription, targets: [{target}]}}}}
defaults: {{long_recordings: none}} # shown is what is taken as it is
routes:
  - {{path: /v1/audio/transcriptions, dialect: openai.transcription, model: listen}}
  - {{path: /v1/audio/translations, dialect: openai.translation, model: listen}}
"""
        gateway = await stack.enter_async_context(harness.inside(folder, providers, routes))
        client = AsyncOpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0)
        yield await stack.enter_async_context(client), vendor


async def written(client: AsyncOpenAI, renderer: str, audio: bytes, container: str) -> str:
    """Return the words of an answer, after its form was checked. Raises BadRequestError."""
    file = (f"said.{container}", audio)
    if renderer == "translation":
        translated: Any = await client.audio.translations.create(model="listen", file=file, response_format="json")
        return str(translated.text)
    if renderer == "stream":
        return await _streamed(client, file)
    options: dict[str, Any] = {"response_format": renderer}
    if renderer == "words":
        options = {"response_format": "verbose_json", "timestamp_granularities": ["word"]}
    answer: Any = await client.audio.transcriptions.create(model="listen", file=file, **options)
    return str(CHECKS[renderer](answer))


async def _streamed(client: AsyncOpenAI, file: tuple[str, bytes]) -> str:
    stream: Any = await client.audio.transcriptions.create(model="listen", file=file, stream=True)
    if not hasattr(stream, "__aiter__"):
        return str(stream.text)
    events = [event async for event in stream]
    if not events:
        return ""  # whisper-1 ignores `stream`, and the client finds no event in its JSON
    assert events[-1].type == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    return str(events[-1].text)


def _cues(text: str, pattern: str) -> str:
    cues = re.findall(pattern + r"\n(.+)\n", text)
    ends_s = [_seconds(end) for _, end, _ in cues]
    assert cues, text
    assert all(_seconds(start) <= _seconds(end) for start, end, _ in cues)
    assert ends_s == sorted(ends_s)
    assert ends_s[-1] <= 6.0
    return " ".join(words for _, _, words in cues)


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _srt(text: str) -> str:
    return _cues(text, r"\d+\n(\d\d:\d\d:\d\d,\d{3}) --> (\d\d:\d\d:\d\d,\d{3})")


def _vtt(text: str) -> str:
    assert text.startswith("WEBVTT\n\n")
    return _cues(text, r"(\d\d:\d\d:\d\d\.\d{3}) --> (\d\d:\d\d:\d\d\.\d{3})")


def _verbose(answer: Any) -> str:
    assert 3.5 < float(answer.duration) < 4.0
    assert answer.language in ("english", "unknown")
    assert all(segment.start <= segment.end for segment in answer.segments)
    assert " ".join(segment.text.strip() for segment in answer.segments) == answer.text.strip()
    return str(answer.text)


def _words(answer: Any) -> str:
    starts = [word.start for word in answer.words]
    assert starts == sorted(starts)
    assert answer.segments is None
    return " ".join(word.word for word in answer.words) if answer.words else str(answer.text)


def _diarized(answer: Any) -> str:
    assert all(segment.speaker for segment in answer.segments)
    assert " ".join(segment.text.strip() for segment in answer.segments).split() == answer.text.split()
    return str(answer.text)


CHECKS: Mapping[str, Any] = {
    "json": lambda answer: answer.text,
    "text": str,
    "srt": _srt,
    "vtt": _vtt,
    "verbose_json": _verbose,
    "words": _words,
    "diarized_json": _diarized,
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the SDK marks translations so
@pytest.mark.parametrize("target", LISTENERS)
async def test_every_recording_comes_back_in_every_form(
    target: str, recordings: Mapping[str, bytes], voiced: Mapping[str, bytes], tmp_path: Path
) -> None:
    async with listener(tmp_path, target) as (client, vendor):
        for container, audio in (voiced if target.startswith("local") else recordings).items():
            said: dict[str, str] = {}
            for renderer in RENDERERS:
                if target.startswith("local") and container not in ("wav", "mp3") and renderer != "json":
                    continue  # half a second each; what renders does not know of containers
                reasons = [REFUSED[target, what] for what in (container, renderer) if (target, what) in REFUSED]
                if reasons:
                    with pytest.raises(
                        (BadRequestError, UnprocessableEntityError), match="|".join(map(re.escape, reasons))
                    ):
                        await written(client, renderer, audio, container)
                    continue
                said[renderer] = await written(client, renderer, audio, container)
            texts = {name: text.split() for name, text in said.items() if text}
            assert len({tuple(text) for text in texts.values()}) <= 1, (container, texts)
            if container in ("wav", "flac") and vendor is not None and "json" in said and "openai" not in target:
                assert said["json"] == SAID
        assert vendor is None or vendor.refused == []


# ---------------------------------------------------------------- voices


async def spoken(front: Desk, name: str, way: str) -> tuple[bytes, Mapping[str, str]]:
    """Return the audio and the answer's headers. Raises BadRequestError."""
    if way == "streamed":
        wish: dict[str, Any] = {"model": "speak", "voice": "nova", "input": SAID, "response_format": name}
        async with front.client.audio.speech.with_streaming_response.create(**wish) as response:
            return b"".join([piece async for piece in response.iter_bytes()]), dict(response.headers)
    if way == "plain":
        heard = await front.speak(SAID, response_format=name)
        return heard.audio, heard.headers
    return await _from_events(front, name)


async def _from_events(front: Desk, name: str) -> tuple[bytes, Mapping[str, str]]:
    wish = {"model": "speak", "voice": "nova", "input": SAID, "response_format": name, "stream_format": "sse"}
    answer = await front.client.post("/audio/speech", body=wish, cast_to=str)
    events = [json.loads(line[6:]) for line in str(answer).splitlines() if line.startswith("data: {")]
    assert events[-1]["type"] == "speech.audio.done"
    return b"".join(base64.b64decode(event["audio"]) for event in events[:-1]), {}


@pytest.mark.slow
@pytest.mark.parametrize("is_converted", [False, True], ids=["as-it-comes", "converted"])
@pytest.mark.parametrize("target", SPEAKERS)
async def test_every_voice_speaks_every_format(
    target: str, is_converted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = target.partition("/")[0]
    row = ROWS.get(provider, SANDBOX_VOICE) + ("\n    convert: true" if is_converted else "")
    monkeypatch.setitem(ROWS, provider, row)
    async with AsyncExitStack() as stack:
        kind = SIMULATORS.get(provider)
        vendor = await stack.enter_async_context(kind()) if kind is not None else None
        front = await stack.enter_async_context(desk(tmp_path, {provider: vendor}, (target,)))
        for name in FORMATS:
            reason = NOT_SPOKEN.get((target, name))
            for way in WAYS:
                if reason is not None and not is_converted:
                    with pytest.raises(BadRequestError, match=re.escape(reason)):
                        await spoken(front, name, way)
                    continue
                audio, headers = await spoken(front, name, way)
                heard = hear(audio, name)
                assert (heard.container, heard.codec, heard.channels) == (*KINDS[name], 1), (name, way)
                assert 0.8 < heard.seconds < 6.0, (name, way)
                if headers:
                    assert headers["content-type"] == CONTENT_TYPES[name]
                    assert ("x-gateway-converted" in headers) == (reason is not None)
                if reason is not None and name != "opus":
                    assert heard.rate_hz == 24_000
        assert vendor is None or vendor.refused == []


def test_the_page_says_what_the_tables_say() -> None:
    assert DOCUMENT.read_text() == page(), "run python -m tests.voice_table"
