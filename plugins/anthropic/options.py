"""What an operator may say of the provider and of each model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gateway.types import Target

OLD, NEW = "2023-06-01", "2026-10-21"

OPTIONS_SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "version": {
                "description": "The API's version, sent as `anthropic-version`. A client that speaks this format "
                "itself chooses its own. 2026-10-21 takes no temperature, top_p and top_k.",
                "enum": [NEW, OLD],
                "default": NEW,
            },
            "auth": {
                "description": "Which header carries the key: `x-api-key` or `Authorization: Bearer`.",
                "enum": ["x-api-key", "bearer"],
                "default": "x-api-key",
            },
        },
    }
)
MODEL_OPTIONS_SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "reasoning": {
                "description": "How the model is told to think: by output_config.effort, by a budget of thinking "
                "tokens (models before effort), or not at all.",
                "enum": ["effort", "budget", "none"],
                "default": "effort",
            },
            "sampling": {
                "description": "Takes temperature, top_p and top_k, where the API's version has them.",
                "type": "boolean",
                "default": True,
            },
            "prefill": {
                "description": "Continues a chat that ends with the assistant's message: models before 4.6.",
                "type": "boolean",
                "default": False,
            },
            "system_turns": {
                "description": "Takes system messages in the middle of a chat, where the API's version has them; "
                "without, they join those at its beginning.",
                "type": "boolean",
                "default": True,
            },
        },
    }
)


def version(target: Target) -> str:
    """Return the API's version that requests to this target are written in."""
    return str(target.provider.options.get("version", NEW))


def takes_sampling(target: Target) -> bool:
    return version(target) == OLD and bool(target.model.options.get("sampling", True))


def takes_system_turns(target: Target) -> bool:
    return version(target) != OLD and bool(target.model.options.get("system_turns", True))


def continues_assistant(target: Target) -> bool:
    return bool(target.model.options.get("prefill", False))


def reasoning(target: Target) -> str:
    """Return `effort`, `budget` or `none`."""
    return str(target.model.options.get("reasoning", "effort"))
