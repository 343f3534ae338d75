"""What comes back: the events of an answer, the reply that carries them, and its rendered form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.types.calls import Call, Units
from gateway.types.live import Frame
from gateway.types.values import quick
from gateway.types.words import EMPTY, FinishReason, Operation


@quick
@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str
    index: int = 0  # of the choice


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """A piece of a Thinking part; see there. `is_new` begins another part."""

    text: str = ""
    signature: str | None = None
    index: int = 0
    is_redacted: bool = False
    vendor: str = ""
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """A piece of a tool call. The first piece of each `position` carries `id` and `name`."""

    position: int  # of the tool call within the message
    arguments: str = ""
    id: str | None = None
    name: str | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class Vector:
    index: int
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a stream of audio bytes is."""

    name: str  # mp3 opus aac flac wav pcm
    content_type: str
    sample_rate_hz: int | None = None


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Bytes of audio as they are to be heard; the first chunk of a reply carries `format`."""

    data: bytes = field(repr=False)
    format: AudioFormat | None = None


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start_s: float
    end_s: float
    speaker: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    text: str
    start_s: float
    end_s: float
    speaker: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole transcription, from which every text format is rendered."""

    text: str
    language: str | None = None  # BCP-47
    duration_s: float | None = None
    segments: tuple[Segment, ...] = ()
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One line of a model list."""

    id: str
    operation: Operation
    owned_by: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    models: tuple[ModelCard, ...]


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How many tokens a chat's input has."""

    input_tokens: int
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class VoiceFact:
    """What is known of a vendor's voice. A plugin tells by `voice_facts: Mapping[str, VoiceFact]`, if it does."""

    language: str | None = None  # BCP-47
    gender: Literal["female", "male", "neutral"] | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class VoiceCard:
    """One voice that a client may name: a logical one, or a vendor's own, which has one provider only."""

    id: str
    fact: VoiceFact
    providers: Mapping[str, str]  # provider -> its own name of this voice
    is_logical: bool


@dataclass(frozen=True, slots=True)
class VoiceListing:
    voices: tuple[VoiceCard, ...]


@dataclass(frozen=True, slots=True)
class Passed:
    """The head of a vendor's answer that is passed through; its body follows as `Verbatim`."""

    status: int
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of a prompt: data of the shape it declares, and how it came to be."""

    value: Any
    is_repaired: bool = False
    is_fallback: bool = False
    faults: tuple[str, ...] = ()  # of the answer that was not taken
    pieces: int = 0  # into which a long input was condensed


@quick
@dataclass(frozen=True, slots=True)
class Verbatim:
    """Bytes in the client's own dialect, to be passed on untouched. `content_type` comes with the first of a reply."""

    data: bytes = field(repr=False)
    is_content: bool = True
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A live session is connected to whoever serves it; the first event of its reply."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in a stretch of live audio, as far as it is known. Times are seconds from the session's start."""

    text: str
    start_s: float
    duration_s: float
    words: tuple[Word, ...] = ()
    is_final: bool = True  # it will not change any more
    is_speech_end: bool = False  # the speaker has paused
    is_flushed: bool = False  # it is final because the client asked for that


@dataclass(frozen=True, slots=True)
class Told:
    """Something else that happened in a live session."""

    name: Literal["ready", "flushed", "cleared", "responded"]
    text: str = field(default="", repr=False)


@quick
@dataclass(frozen=True, slots=True)
class Usage:
    """What was used so far; the last one of an answer counts. Estimated: the output may be more than it says."""

    units: Units
    is_estimated: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Done:
    """The vendor said that it has finished. A reply that ends without it was cut."""

    reason: FinishReason = "stop"
    index: int = 0  # of the choice


Event = (
    TextDelta
    | ThinkingDelta
    | ToolDelta
    | Vector
    | AudioChunk
    | Transcript
    | Listing
    | VoiceListing
    | TokenCount
    | Passed
    | Filled
    | Verbatim
    | Opened
    | Heard
    | Told
    | Frame
    | Usage
    | Done
)

Closer = Callable[[], Awaitable[None]]


@quick
@dataclass(frozen=True, slots=True)
class Reply:
    """A stream of events and what must be closed; whoever opens something adds its closer here, before the first await.

    The server calls every closer, newest first, always.
    """

    events: AsyncIterator[Event]
    closers: tuple[Closer, ...] = ()


Handler = Callable[[Call], Awaitable[Reply]]
Middleware = Callable[[Call, Handler], Awaitable[Reply]]
Facts = dict[str, Any]  # what the links of a chain tell of a call that is explained and not made; JSON


@quick
@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer in the client's dialect. `body` is bytes where it is complete, else chunks as they come.

    `keep_alive` is what an event stream sends while it waits: a comment, which every reader passes over.
    """

    content_type: str
    body: bytes | AsyncIterator[bytes] = field(repr=False)
    status: int = 200
    headers: Mapping[str, str] = EMPTY
    keep_alive: bytes = b": keep-alive\n\n"
