"""OpenTelemetry's names for generative AI, in one table: what they are now, and what they were.

https://opentelemetry.io/docs/specs/semconv/gen-ai/, version 1.41 and before. The old column is what instruments of up
to 1.36 say (`gen_ai.system`), with the names for tokens that 1.27 replaced. Facts that the conventions have no name for
are told under `gateway.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from gateway.types import Provider

Conventions = Literal["latest", "legacy", "both"]

# What is told -> its name now, and its name before.
NAMES: Mapping[str, tuple[str, str]] = {
    "operation": ("gen_ai.operation.name", "gen_ai.operation.name"),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model": ("gen_ai.request.model", "gen_ai.request.model"),
    "output": ("gen_ai.output.type", "gen_ai.output.type"),
    "first_content_s": ("gen_ai.response.time_to_first_chunk", "gen_ai.response.time_to_first_chunk"),
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cached_input_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read.input_tokens"),
    "cache_write_tokens": ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation.input_tokens"),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning.output_tokens"),
    "characters": ("gateway.usage.characters", "gateway.usage.characters"),
    "audio_seconds": ("gateway.usage.audio_seconds", "gateway.usage.audio_seconds"),
    "cost_usd": ("gateway.cost_usd", "gateway.cost_usd"),
}

# An operation of ours -> `gen_ai.operation.name`. The conventions name the first two; they have no word for speech.
OPERATIONS: Mapping[str, str] = {
    "chat": "chat",
    "embeddings": "embeddings",
    "speech": "text_to_speech",
    "transcription": "speech_to_text",
    "realtime": "realtime",
    "tokens": "count_tokens",
    "proxy": "pass_through",
    "pipeline": "pipeline",
    "models": "list_models",
    "voices": "list_voices",
}

# An operation of ours -> `gen_ai.output.type`, where it has one.
OUTPUTS: Mapping[str, str] = {"chat": "text", "speech": "speech", "transcription": "text", "realtime": "speech"}


def system_of(provider: Provider) -> str:
    """Return `gen_ai.provider.name`: what the plugin's `system: str` says, else the provider's own name."""
    return str(getattr(provider.plugin, "system", provider.name))


def named(facts: Mapping[str, Any], conventions: Conventions) -> dict[str, Any]:
    """Return the facts under the names of the conventions chosen; None and a usage of nothing are left out."""
    return {
        name: value for fact, value in facts.items() if value not in (None, 0, "") for name in _names(fact, conventions)
    }


def _names(fact: str, conventions: Conventions) -> Iterator[str]:
    latest, legacy = NAMES[fact]
    if conventions != "legacy":
        yield latest
    if conventions == "legacy" or (conventions == "both" and legacy != latest):
        yield legacy
