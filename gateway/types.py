"""The vocabulary of the gateway as values; every layer passes these along and none adds words of its own.

Imports nothing of ours. Values are frozen: `dataclasses.replace` makes a changed copy. The exceptions are `Receipt` and
`Attempt`, which gather facts while a call runs, and `Upload`, which owns a file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from gateway.plugin import Plugin

Operation = Literal[
    "chat", "embeddings", "speech", "transcription", "models", "voices", "tokens", "proxy"
]  # tokens: of a chat's input; proxy: whatever a vendor's own endpoint does
Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error"]
DropPolicy = Literal["warn", "reject"]  # a parameter that a model cannot take: leave it out and say so, or refuse
RecordingInput = Literal["file", "raw", "url"]  # a form's file, the body itself, or an address for the vendor
TranscriptFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]


class _Empty(Mapping[str, Any]):
    """No entries. Hashable, which a dataclass of Python 3.11 asks of a default, and `MappingProxyType` is not there."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0


EMPTY: Mapping[str, Any] = _Empty()

NANO_USD = 1_000_000_000  # money is integers of this many parts of a dollar, everywhere


# ---------------------------------------------------------------- what comes in at the door


@dataclass(frozen=True, slots=True)
class Client:
    """Who is calling: the name of the key, whose it is, and whether it is the anonymous caller."""

    name: str
    tenant: str
    is_anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """A request before its body is read. Header names are lower-case; a repeated header is joined by ", "."""

    id: str
    method: str
    path: str  # exactly the bytes that were matched, without the query
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    remote: str  # the peer's IP address
    params: Mapping[str, str] = EMPTY  # the path's {placeholders}
    client: Client | None = None
    raw_query: str = field(default="", repr=False)  # as it was sent, without the "?"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent, spooled: in memory while small, on disk beyond that. `file` can be read again from 0."""

    filename: str
    content_type: str
    size_bytes: int
    file: IO[bytes] = field(repr=False)

    def read(self, limit: int = -1) -> bytes:
        """Return the content from its start, at most `limit` bytes."""
        self.file.seek(0)
        return self.file.read(limit)


@dataclass(frozen=True, slots=True)
class Base64File:
    """A file to be sent as base64 between two pieces of text, which is how JSON carries a recording."""

    before: bytes = field(repr=False)
    upload: Upload
    after: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart/form-data body, in the order sent; used for what comes in and for what goes out."""

    fields: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, Upload], ...]


@dataclass(frozen=True, slots=True)
class Inbound:
    """A whole request, as a dialect decodes it. `body` is b"" where `form` is set."""

    head: Head
    body: bytes = field(repr=False)
    form: Form | None = None
    upload: Upload | None = None  # a body of whatever type, where it is passed through, or is the recording itself


# ---------------------------------------------------------------- a chat


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image by URL or as base64; exactly one of `url` and `data_b64` is set."""

    media_type: str | None = None
    data_b64: str | None = field(default=None, repr=False)
    url: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    format: str  # wav, mp3 …
    data_b64: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class File:
    """A document by base64, by URL or by the vendor's own file id; exactly one is set."""

    filename: str | None = None
    media_type: str | None = None
    data_b64: str | None = field(default=None, repr=False)
    url: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model asks for a tool. `arguments` is the JSON text as the model wrote it, which may be broken."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    tool_use_id: str
    parts: tuple[Text | Image | File, ...]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Thinking:
    """Reasoning that must come back unchanged to its own vendor. `signature` is opaque; redacted text is sealed.

    It stands right before the part that it belongs to. `vendor` is the name of the plugin that made it: no other may
    send it on.
    """

    text: str
    signature: str | None = None
    is_redacted: bool = False
    vendor: str = ""


Part = Text | Image | Audio | File | ToolUse | ToolResult | Thinking


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...]
    name: str | None = None

    @property
    def text(self) -> str:
        """All text parts, joined as they stand."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str | None
    parameters: Mapping[str, Any]  # JSON Schema
    is_strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`mode` "tool" means exactly the one called `name`."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """What shape the text must have. `schema` is set for json_schema only."""

    kind: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: Mapping[str, Any] | None = None
    description: str | None = None
    is_strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat in normal form. None means the client did not say; the vendor's default then holds."""

    messages: tuple[Message, ...]
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int = 1
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Mapping[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    output_format: OutputFormat | None = None
    reasoning_effort: str | None = None  # none minimal low medium high xhigh max
    thinking_budget_tokens: int | None = None
    user: str | None = None
    wants_usage: bool = True  # False: the client streams and did not ask for usage
    extra: Mapping[str, Any] = EMPTY  # the client's fields that have no place here, under their names in its dialect
    only_verbatim: tuple[str, ...] = ()  # fields whose meaning a translation would lose: it serves no such chat


# ---------------------------------------------------------------- embeddings, speech, recordings


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


Body = Chat | Embeddings | Speech | Recording | Catalog | VoiceCatalog | Passage


@dataclass(frozen=True, slots=True)
class Ask:
    """What a dialect read from a request. `model` and `provider` are "" where the client named none."""

    model: str
    body: Body
    stream: bool = False
    provider: str = ""  # the one that has to serve this
    values: Mapping[str, Any] = EMPTY  # what a prompt is filled with


# ---------------------------------------------------------------- who can serve


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars for so many units; the large unit keeps list prices whole. None: not said, which is not free."""

    input_per_mtok: int | None = None
    cached_input_per_mtok: int | None = None
    cache_write_per_mtok: int | None = None
    output_per_mtok: int | None = None
    per_mchar: int | None = None
    per_audio_minute: int | None = None
    per_request: int | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    connect_s: float = 5.0
    first_byte_s: float = 30.0
    idle_s: float = 60.0
    total_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Model:
    """One row of a provider's `models`: what the vendor's model can do and what it costs."""

    name: str
    operation: Operation
    price: Price | None = None
    formats: frozenset[str] = frozenset()  # of audio that speech can produce; empty: not restricted
    containers: frozenset[str] = frozenset()  # of audio that transcription takes; empty: not restricted
    max_chars: int | None = None  # of a text to be spoken
    max_bytes: int | None = None  # the same in UTF-8, where a vendor counts those
    max_upload_bytes: int | None = None
    max_audio_s: float | None = None  # of a recording to be written down
    convert: bool | None = None  # audio this cannot make in the format asked for is converted; None: the provider's
    max_output_tokens: int | None = None
    context_tokens: int | None = None  # of input and output together
    modalities: frozenset[str] = frozenset()  # of text image audio file, as input; empty: not restricted
    refuses: frozenset[str] = frozenset()  # parameters of a chat, under the names of `Chat`
    refuses_while_reasoning: frozenset[str] = frozenset()  # those refused unless the reasoning effort is none
    default_reasoning_effort: str = "none"  # the vendor's, where the client asks for none in particular
    drop: DropPolicy | None = None  # None: the provider's
    description: str | None = None
    options: Mapping[str, Any] = EMPTY  # the plugin's own


@dataclass(frozen=True, slots=True)
class Provider:
    """A row of providers.yaml, ready for use. `off_reason` is None where it can serve."""

    name: str
    plugin: Plugin
    base_url: str
    credentials: Mapping[str, str] = field(default=EMPTY, repr=False)
    headers: Mapping[str, str] = field(default=EMPTY, repr=False)
    timeouts: Timeouts = Timeouts()
    models: Mapping[str, Model] = EMPTY
    options: Mapping[str, Any] = EMPTY  # the plugin's own keys, checked by its options_schema
    off_reason: str | None = None
    is_standby: bool = False  # serves a model only where no other provider of it is on
    drop: DropPolicy = "warn"
    convert: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A provider and one of its models. `voices` maps logical names to the vendor's."""

    provider: Provider
    model: Model
    voices: Mapping[str, str] = EMPTY

    @property
    def name(self) -> str:
        return f"{self.provider.name}/{self.model.name}"

    def voice_for(self, voice: str) -> str | None:
        """Return the vendor's name of a logical voice, or None where this target has none for it."""
        return self.voices.get(voice)


# ---------------------------------------------------------------- a call and its receipt


@dataclass(frozen=True, slots=True)
class Units:
    """What is paid for. `input_tokens` counts every prompt token; the cached and written ones are part of it."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0  # part of output_tokens
    characters: int = 0
    audio_seconds: float = 0.0


@dataclass(slots=True)
class Attempt:
    """One try at one target."""

    target: str
    outcome: str = "open"  # ok, or the error's code
    status: int | None = None
    started_s: float = 0.0  # monotonic
    first_content_s: float | None = None  # monotonic
    ended_s: float | None = None  # monotonic
    units: Units = Units()
    is_estimated: bool = False
    cost_nano_usd: int | None = None  # None: the model has no price


@dataclass(slots=True)
class Receipt:
    """The facts about one call, gathered as they happen; headers, logs, metrics and the ledger are written from it."""

    id: str
    started_s: float  # monotonic
    generation: str = ""
    route: str = ""
    operation: str = ""
    dialect: str = ""
    client: str = ""
    tenant: str = ""
    model: str = ""  # as the client named it
    attempts: list[Attempt] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # (target, why it could not serve this call)
    cache: str = "off"  # off bypass miss hit
    cost_nano_usd: int | None = None
    headers: dict[str, str] = field(default_factory=dict)  # further answer headers, set by middlewares

    @property
    def last(self) -> Attempt | None:
        """The newest attempt: the one that answered, where anything did."""
        return self.attempts[-1] if self.attempts else None


@dataclass(frozen=True, slots=True)
class Call:
    """The normalised request."""

    id: str
    operation: Operation
    dialect: str
    model: str
    body: Body
    head: Head
    receipt: Receipt
    stream: bool = False
    deadline_s: float = float("inf")  # monotonic
    raw: bytes | None = field(default=None, repr=False)  # the body as received; None where a form was sent
    targets: tuple[Target, ...] = ()  # what the model resolved to, in the operator's order
    target: Target | None = None  # the one of this attempt
    provider: str = ""  # the only one that may serve this; "": any
    values: Mapping[str, Any] = field(default=EMPTY, repr=False)  # what the route's prompt is filled with
    is_verbatim: bool = False  # this attempt forwards the client's own bytes

    @property
    def client(self) -> Client:
        """Who calls. Raises RuntimeError before auth has said so: a route without auth is a fault of ours."""
        if self.head.client is None:
            raise RuntimeError("auth has not run")
        return self.head.client


# ---------------------------------------------------------------- what comes back


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


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Bytes in the client's own dialect, to be passed on untouched. `content_type` comes with the first of a reply."""

    data: bytes = field(repr=False)
    is_content: bool = True
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used so far; the last one of an answer counts. Estimated: the output may be more than it says."""

    units: Units
    is_estimated: bool = False


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
    | Usage
    | Done
)

Closer = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A stream of events and what must be closed; whoever opens something adds its closer here, before the first await.

    The server calls every closer, newest first, always.
    """

    events: AsyncIterator[Event]
    closers: tuple[Closer, ...] = ()


Handler = Callable[[Call], Awaitable[Reply]]
Middleware = Callable[[Call, Handler], Awaitable[Reply]]


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


# ---------------------------------------------------------------- what goes out


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request to a vendor. `url` is absolute and already percent-encoded; nothing rewrites it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | Form = field(default=b"", repr=False)
    upload: Upload | Base64File | None = None  # what is sent instead of `body`, where that may be too large for memory


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """A vendor's answer: header names lower-case, the body as chunks. `close` is idempotent and stops the vendor."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    chunks: AsyncIterator[bytes] = field(repr=False)
    close: Closer = field(repr=False)
