"""The gateway before simulated speech vendors, the official client before it, and ffprobe as an independent ear."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from tests import harness
from tests.vendors import deepgram, elevenlabs, google_tts, openai, polly
from tests.vendors.openai.models import ALL_VOICES
from tests.vendors.server import VendorServer

PLUGINS = Path(__file__).parents[2] / "plugins"
OPENAI_VOICES = sorted(ALL_VOICES)
TEXT = "Hello, this is a short sentence to be spoken."
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
# What ffprobe calls the container and the codec of each of OpenAI's formats.
KINDS = {
    "mp3": ("mp3", "mp3"),
    "opus": ("ogg", "opus"),
    "aac": ("aac", "aac"),
    "flac": ("flac", "flac"),
    "wav": ("wav", "pcm_s16le"),
    "pcm": ("s16le", "pcm_s16le"),
}
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm;rate=24000",
}

# Each provider's row, without its address; `local` needs none.
ROWS: Mapping[str, str] = {
    "openai": f"""
    plugin: openai
    credentials: {{api_key: {openai.API_KEY}}}
    models:
      tts-1: {{operation: speech, refuses: [instructions], price: {{usd_per_mchar: 15}}, max_chars: 4096}}
      gpt-4o-mini-tts: {{operation: speech, max_chars: 4096}}""",
    "google-tts": f"""
    plugin: google_tts
    credentials: {{api_key: {google_tts.API_KEY}}}
    models:
      chirp3-hd: {{operation: speech, price: {{usd_per_mchar: 30}}, max_bytes: 5000}}
      neural2: {{operation: speech, price: {{usd_per_mchar: 16}}, max_bytes: 5000}}""",
    "polly": f"""
    plugin: polly
    options: {{region: {polly.REGION}}}
    credentials: {{access_key_id: {polly.ACCESS_KEY_ID}, secret_access_key: {polly.SECRET_ACCESS_KEY}}}
    models:
      standard: {{operation: speech, price: {{usd_per_mchar: 4}}, max_chars: 3000}}
      neural: {{operation: speech, price: {{usd_per_mchar: 16}}, max_chars: 3000}}
      long-form: {{operation: speech, price: {{usd_per_mchar: 100}}, max_chars: 3000}}
      generative: {{operation: speech, price: {{usd_per_mchar: 30}}, max_chars: 3000}}""",
    "deepgram": f"""
    plugin: deepgram
    credentials: {{api_key: {deepgram.API_KEY}}}
    models:
      aura-2: {{operation: speech, price: {{usd_per_mchar: 30}}, max_chars: 2000}}
      aura: {{operation: speech, price: {{usd_per_mchar: 15}}, max_chars: 2000}}""",
    "elevenlabs": f"""
    plugin: elevenlabs
    credentials: {{api_key: {elevenlabs.API_KEY}}}
    models:
      eleven_multilingual_v2: {{operation: speech, price: {{usd_per_mchar: 120}}, max_chars: 10000}}
      eleven_flash_v2_5: {{operation: speech, price: {{usd_per_mchar: 120}}, max_chars: 40000}}""",
    "local-tts": """
    plugin: local_tts
    models:
      espeak: {operation: speech, price: {usd_per_request: 0}}""",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """A gateway that speaks as the model `speak`, and the client for it."""

    gateway: harness.Inside
    client: AsyncOpenAI

    async def speak(self, text: str = TEXT, **options: Any) -> Spoken:
        """Ask for speech as the official client does, not streamed; raises its errors."""
        wish: dict[str, Any] = {"model": "speak", "voice": "nova", "input": text, "response_format": "mp3"} | options
        async with self.client.audio.speech.with_streaming_response.create(**wish) as response:
            return Spoken(await response.read(), dict(response.headers))

    async def stream(self, text: str = TEXT, **options: Any) -> list[bytes]:
        """Return the pieces in which the audio arrived."""
        wish: dict[str, Any] = {"model": "speak", "voice": "nova", "input": text, "response_format": "mp3"} | options
        async with self.client.audio.speech.with_streaming_response.create(**wish) as response:
            return [piece async for piece in response.iter_bytes()]


@dataclass(frozen=True, slots=True)
class Spoken:
    audio: bytes
    headers: Mapping[str, str]

    @property
    def by(self) -> str:
        """Return the target that answered, as the gateway's headers tell it."""
        return f"{self.headers['x-gateway-provider']}/{self.headers['x-gateway-model']}"


@dataclass(frozen=True, slots=True)
class Heard:
    """What ffprobe and ffmpeg make of audio: its container, codec, rate, channels, and its length once decoded."""

    container: str
    codec: str
    rate_hz: int
    channels: int
    seconds: float


@asynccontextmanager
async def desk(
    folder: Path,
    vendors: Mapping[str, VendorServer | None],
    targets: tuple[str, ...],
    *,
    voices: str = "{}",
    failover: str = "{attempts: 5, first_content_s: 5, backoff_s: 0.01}",
    long_text: str = "{}",
) -> AsyncIterator[Desk]:
    """Serve `targets` as the model `speak`. `vendors` provider -> its simulator, None for one on this machine."""
    rows = [
        f"  {name}:{ROWS[name]}" + (f"\n    base_url: {server.base_url}" if server is not None else "")
        for name, server in vendors.items()
    ]
    routes = f"""
version: 1
server: {{listen: "127.0.0.1:0"}}
keys: {{anonymous: loopback}}
voices: {voices}
models:
  speak: {{operation: speech, targets: [{", ".join(targets)}]}}
routes:
  - {{path: /v1/audio/speech, dialect: openai.speech, model: speak, failover: {failover}, long_text: {long_text}}}
"""
    async with harness.inside(folder, "version: 1\nproviders:\n" + "\n".join(rows), routes) as gateway:
        async with AsyncOpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0) as client:
            yield Desk(gateway, client)


def hear(audio: bytes, name: str, rate_hz: int = 24_000) -> Heard:
    """Return what the bytes are; pcm, which says nothing of itself, is read as 16 bit at `rate_hz`."""
    raw = ["-f", "s16le", "-ar", str(rate_hz), "-ac", "1"] if name == "pcm" else []
    shown = subprocess.run(
        ["ffprobe", "-v", "error", *raw, "-show_format", "-show_streams", "-of", "json", "-"],
        input=audio,
        capture_output=True,
        check=True,
    )
    assert shown.stderr == b"", shown.stderr
    facts = json.loads(shown.stdout)
    (stream,) = facts["streams"]
    decoded = subprocess.run(
        ["ffmpeg", "-v", "error", *raw, "-i", "-", "-f", "s16le", "-ac", "1", "-ar", "8000", "-"],
        input=audio,
        capture_output=True,
        check=True,
    )
    assert decoded.stderr == b"", decoded.stderr
    return Heard(
        container=facts["format"]["format_name"],
        codec=stream["codec_name"],
        rate_hz=int(stream["sample_rate"]),
        channels=stream["channels"],
        seconds=len(decoded.stdout) / 16_000,
    )


def seconds_of(pcm: bytes, rate_hz: int = 24_000) -> float:
    """Return the length of 16 bit samples."""
    return len(pcm) / 2 / rate_hz
