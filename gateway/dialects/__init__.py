"""Client dialects: one file each, found by the name that routes.yaml uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Protocol

from gateway.dialects.anthropic_count_tokens import AnthropicCountTokens
from gateway.dialects.anthropic_messages import AnthropicMessages
from gateway.dialects.anthropic_models import AnthropicModels
from gateway.dialects.gemini_count_tokens import GeminiCountTokens
from gateway.dialects.gemini_embed import GeminiEmbed
from gateway.dialects.gemini_generate import GeminiGenerate, GeminiStream
from gateway.dialects.gemini_models import GeminiModels
from gateway.dialects.native_llm import NativeGenerate
from gateway.dialects.native_stt import NativeStt
from gateway.dialects.native_tts import NativeTts
from gateway.dialects.native_voices import NativeVoices, OpenAIVoices
from gateway.dialects.openai_chat import OpenAIChat
from gateway.dialects.openai_completions import OpenAICompletions
from gateway.dialects.openai_embeddings import OpenAIEmbeddings
from gateway.dialects.openai_models import OpenAIModels
from gateway.dialects.openai_responses import OpenAIResponses
from gateway.dialects.openai_speech import OpenAISpeech
from gateway.dialects.openai_transcription import OpenAITranscription, OpenAITranslation
from gateway.dialects.prompt import PromptDialect
from gateway.dialects.proxy import Proxy
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered


class Dialect(Protocol):
    """One client wire format for one operation."""

    name: str
    operation: Operation
    takes_form: bool  # the body is multipart/form-data instead of JSON
    # Optional: `takes_upload: bool`, the body may be anything and is spooled; `bind(route) -> Dialect`, each route has
    # a dialect of its own.

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
            Proxy(),
            AnthropicMessages(),
            AnthropicCountTokens(),
            AnthropicModels(),
            GeminiGenerate(),
            GeminiStream(),
            GeminiEmbed(),
            GeminiModels(),
            GeminiCountTokens(),
        )
    }
)
