"""What else a client may ask for, and what a dialect reads from a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.types.chat import Chat
from gateway.types.inbound import Upload
from gateway.types.live import Live
from gateway.types.values import quick
from gateway.types.words import EMPTY, TranscriptFormat


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Texts, or lists of token ids, to embed. `encoding` is what the client wants to read."""

    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    encoding: Literal["float", "base64"] = "float"
    user: str | None = None
    extra: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Speech:
    """Text to be spoken. `voice` is a logical name; `Target.voice_for` gives the vendor's."""

    text: str
    voice: str
    format: str = "mp3"  # mp3 opus aac flac wav pcm
    speed: float = 1.0
    instructions: str | None = None
    language: str | None = None  # BCP-47
    sample_rate_hz: int | None = None
    is_ssml: bool = False
    streams_as: Literal["audio", "sse"] = "audio"
    extra: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Sound:
    """What a file's head says of what is in its container; None where it cannot be told without decoding."""

    codec: str | None = None  # pcm mulaw alaw float opus vorbis flac speex mp3 aac alac
    sample_rate_hz: int | None = None
    channels: int | None = None
    bits_per_sample: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """Speech to be written down. `duration_s` is probed from the file, None where that is not possible."""

    audio: Upload  # of 0 bytes where `url` says from where the vendor shall fetch it
    container: str  # what the bytes are, not what the name says: wav mp3 flac ogg webm mp4; "" of a URL
    duration_s: float | None = None
    language: str | None = None
    prompt: str | None = None
    format: TranscriptFormat = "json"
    temperature: float | None = None
    granularities: frozenset[Literal["word", "segment"]] = frozenset()
    is_translation: bool = False  # into English
    sound: Sound = Sound()
    url: str | None = None  # handed to a vendor that fetches recordings itself; the gateway fetches nothing
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # the form's text fields, as sent
    extra: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Catalog:
    """The client asks which models there are, or for the one called `id`."""

    id: str | None = None


@dataclass(frozen=True, slots=True)
class VoiceCatalog:
    """The client asks which voices there are, of one model or in one language where it says so."""

    model: str = ""
    language: str | None = None  # BCP-47; "en" takes in "en-GB"


@dataclass(frozen=True, slots=True)
class Passage:
    """A request to a vendor's own endpoint, passed through. `path` has no leading slash and is what was authorised."""

    method: str
    provider: str
    path: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default=EMPTY, repr=False)
    upload: Upload | None = None


Body = Chat | Embeddings | Speech | Recording | Catalog | VoiceCatalog | Passage | Live


@quick
@dataclass(frozen=True, slots=True)
class Ask:
    """What a dialect read from a request. `model` and `provider` are "" where the client named none."""

    model: str
    body: Body
    stream: bool = False
    provider: str = ""  # the one that has to serve this
    # Not None: where routes.yaml does not name `model`, the route's own stands in, and this field is told as dropped.
    wish: str | None = None
    values: Mapping[str, Any] = EMPTY  # what a prompt is filled with
