"""Client dialects: one file each, found by the name that routes.yaml uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Protocol

from gateway.dialects.anthropic_count_tokens import AnthropicCountTokens
from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.anthropic_models import AnthropicModels
from gateway.dialects.deepgram_listen import DeepgramListen
from gateway.dialects.deepgram_listen_live import DeepgramListenLive
from gateway.dialects.deepgram_models import DeepgramModels
from gateway.dialects.deepgram_speak import DeepgramSpeak
from gateway.dialects.deepgram_speak_live import DeepgramSpeakLive
from gateway.dialects.elevenlabs_stt import ElevenLabsStt
from gateway.dialects.elevenlabs_tts import ElevenLabsTts
from gateway.dialects.elevenlabs_voices import ElevenLabsVoices
from gateway.dialects.gemini_count_tokens import GeminiCountTokens
from gateway.dialects.gemini_embed import GeminiEmbed
from gateway.dialects.gemini_generate import GeminiGenerate, GeminiStream
from gateway.dialects.gemini_models import GeminiModels
from gateway.dialects.google_recognize import GoogleRecognize
from gateway.dialects.google_synthesize import GoogleSynthesize
from gateway.dialects.google_voices import GoogleVoices
from gateway.dialects.native_llm import NativeGenerate
from gateway.dialects.native_stt import NativeStt
from gateway.dialects.native_tts import NativeTts
from gateway.dialects.native_voices import NativeVoices, OpenAIVoices
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_completions import OpenAICompletions
from gateway.dialects.openai_embeddings import OpenAIEmbeddings
from gateway.dialects.openai_models import OpenAIModels
from gateway.dialects.openai_realtime import OpenAIRealtime
from gateway.dialects.openai_responses import OpenAIResponses
from gateway.dialects.openai_speech import OpenAISpeech
from gateway.dialects.openai_transcription import OpenAITranscription, OpenAITranslation
from gateway.dialects.pipeline import PipelineDialect
from gateway.dialects.polly_speech import PollySpeech
from gateway.dialects.polly_voices import PollyVoices
from gateway.dialects.prompt import PromptDialect
from gateway.dialects.proxy import Proxy
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered


class Dialect(Protocol):
    """One client wire format for one operation."""

    name: str
    operation: Operation
    takes_form: bool  # the body is multipart/form-data instead of JSON
    # Optional: `indifferent`, names of fields that decide nothing of an answer; `mode_fields`, of those that say only
    # how it is sent, where normal events carry all of it; `takes_upload: bool`, the body may be anything and is
    # spooled; `bind(route) -> Dialect`, each route has a dialect of its own; `own_fields`, those in `extra` that the
    # dialect sees to, so that the others are told as dropped; `inputs`, how recordings come in this format whatever the
    # route says; `signed_service`, requests may be signed, for a service of that name; `error_head(error, request_id)
    # -> (status, headers)`, of an answer that is an error, where the vendor's clients go by others than ours. A
    # dialect of live audio is a `LiveDialect` (live.py) as well.

    def decode(self, inbound: Inbound) -> Ask:
        """Read a request. Raises InvalidRequest naming the field."""
        ...

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        """Render the answer. May read events before it returns; what they raise passes through."""
        ...

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        """Return the error as a body, or, where an event stream has `started`, as an event of it."""
        ...


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        dialect.name: dialect
        for dialect in (
            OpenAIChat(),
            OpenAIResponses(),
            OpenAICompletions(),
            OpenAIEmbeddings(),
            OpenAISpeech(),
            OpenAITranscription(),
            OpenAITranslation(),
            OpenAIModels(),
            OpenAIVoices(),
            NativeGenerate(),
            NativeTts(),
            NativeStt(),
            NativeVoices(),
            PromptDialect(),
            PipelineDialect(),
            Proxy(),
            AnthropicMessages(),
            AnthropicCountTokens(),
            AnthropicModels(),
            GeminiGenerate(),
            GeminiStream(),
            GeminiEmbed(),
            GeminiModels(),
            GeminiCountTokens(),
            DeepgramListen(),
            DeepgramSpeak(),
            DeepgramModels(),
            ElevenLabsTts(),
            ElevenLabsStt(),
            ElevenLabsVoices(),
            GoogleSynthesize(),
            GoogleVoices(),
            GoogleRecognize(),
            PollySpeech(),
            PollyVoices(),
            DeepgramListenLive(),
            DeepgramSpeakLive(),
            OpenAIRealtime(),
        )
    }
)
