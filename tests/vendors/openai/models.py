"""The models this fake OpenAI serves and what each of them accepts: a table, to be corrected as facts come in.

Sources: openai 3.54.0 docstrings and vendors.md 1.1-1.6 (2026-11-23). UNV marks what was not checked live.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tests.vendors.faults import split_model
from tests.vendors.openai.errors import Refusal

Operation = Literal["chat", "completions", "embeddings", "speech", "transcription"]
CREATED_AT = 1_790_000_000  # one fixed instant, so that answers are the same on every run
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
WHISPER_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
# UNV: the tts-1 family has no ballad, verse, marin and cedar.
TTS_1_VOICES = ("alloy", "ash", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer")
ALL_VOICES = (*TTS_1_VOICES, "ballad", "verse", "marin", "cedar")


@dataclass(frozen=True, slots=True)
class ModelRule:
    """What one model accepts; fields of other operations stay empty."""

    id: str
    operation: Operation
    shutdown_date: str | None = None
    efforts: tuple[str, ...] = ()  # chat: reasoning efforts; empty for a model that does not reason
    default_effort: str = "none"
    has_tools_with_effort: bool = True  # chat: whether function tools go together with an effort above none
    dimensions: int = 0  # embeddings: the native length
    can_shorten: bool = False  # embeddings: whether `dimensions` may be given
    voices: tuple[str, ...] = ()
    is_steerable: bool = False  # speech: instructions and stream_format=sse
    transcript_formats: tuple[str, ...] = ()
    is_billed_in_tokens: bool = False  # transcription: usage in tokens, else in seconds
    can_stream: bool = True  # transcription: whisper-1 ignores `stream`

    def as_json(self) -> dict[str, Any]:
        """Return the model as `GET /models/{id}` does."""
        body = {"id": self.id, "object": "model", "created": CREATED_AT, "owned_by": "openai"}
        return body if self.shutdown_date is None else body | {"shutdown_date": self.shutdown_date}


def _chat(name: str, efforts: tuple[str, ...] = (), default: str = "none", **rules: Any) -> ModelRule:
    return ModelRule(name, "chat", efforts=efforts, default_effort=default, **rules)


def _speech(name: str, voices: tuple[str, ...], *, is_steerable: bool) -> ModelRule:
    return ModelRule(name, "speech", "2027-01-06", voices=voices, is_steerable=is_steerable)


def _transcription(name: str, formats: tuple[str, ...], **rules: Any) -> ModelRule:
    return ModelRule(name, "transcription", "2027-02-26", transcript_formats=formats, **rules)


RULES: tuple[ModelRule, ...] = (
    _chat("gpt-6-astra", EFFORTS[1:], "medium"),  # has no effort none
    _chat("gpt-6.1-sol", EFFORTS[1:], "medium"),  # has no effort none
    _chat("gpt-6.1-terra", EFFORTS, "medium"),
    _chat("gpt-6-luna", EFFORTS, "medium"),
    _chat("gpt-5.6-luna", EFFORTS, "medium", has_tools_with_effort=False),
    _chat("gpt-5.5", EFFORTS, "none"),
    _chat("gpt-5.4", EFFORTS, "none"),
    _chat("gpt-5.4-mini", EFFORTS, "none"),
    _chat("gpt-4.1"),
    _chat("gpt-4o", shutdown_date="2027-01-14"),
    _chat("gpt-4o-mini", shutdown_date="2027-01-14"),
    ModelRule("gpt-3.5-turbo-instruct", "completions"),
    ModelRule("text-embedding-3-small", "embeddings", dimensions=1536, can_shorten=True),
    ModelRule("text-embedding-3-large", "embeddings", dimensions=3072, can_shorten=True),
    ModelRule("text-embedding-ada-002", "embeddings", dimensions=1536),
    _speech("tts-1", TTS_1_VOICES, is_steerable=False),
    _speech("tts-1-hd", TTS_1_VOICES, is_steerable=False),
    _speech("gpt-4o-mini-tts", ALL_VOICES, is_steerable=True),
    _speech("gpt-4o-mini-tts-2025-12-15", ALL_VOICES, is_steerable=True),
    _transcription("whisper-1", WHISPER_FORMATS, can_stream=False),
    _transcription("gpt-4o-transcribe", ("json", "text"), is_billed_in_tokens=True),
    _transcription("gpt-4o-mini-transcribe", ("json", "text"), is_billed_in_tokens=True),
    _transcription("gpt-4o-mini-transcribe-2025-12-15", ("json", "text"), is_billed_in_tokens=True),
    _transcription("gpt-4o-transcribe-diarize", ("json", "text", "diarized_json")),
    ModelRule("gpt-transcribe", "transcription", transcript_formats=("json", "text")),
)
BY_ID = {rule.id: rule for rule in RULES}


def find_model(name: Any) -> ModelRule:
    """Return a model's rule, the fault suffix of its name left aside; refuse unknown names with 404."""
    if not isinstance(name, str) or not name:
        raise Refusal("you must provide a model parameter")
    rule = BY_ID.get(split_model(name)[0])
    if rule is None:
        message = f"The model '{name}' does not exist or you do not have access to it."
        raise Refusal(message, None, "model_not_found", 404)
    return rule


def model_for(operation: Operation, name: Any) -> ModelRule:
    """Return the rule of a model that does `operation`; refuse models of other kinds."""
    rule = find_model(name)
    if rule.operation == operation:
        return rule
    if operation == "chat":
        message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint."
        raise Refusal(message, "model", None, 404)
    raise Refusal(f"The model '{name}' is not supported with this endpoint.", "model", "invalid_model", 403)
