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
                "tokens (up to 4.5, which know no effort), or not at all.",
                "enum": ["effort", "budget", "none"],
                "default": "effort",
            },
            "thinking_off": {
                "description": "Can be told not to think. Where it cannot, the lowest effort is asked for instead.",
                "type": "boolean",
                "default": True,
            },
            "forced_tools": {
                "description": "Can be made to call a tool (tool_choice required, or one by name).",
                "type": "boolean",
                "default": True,
            },
            "sampling": {
                "description": "Takes temperature, top_p and top_k, where the API's version has them: up to 4.6.",
                "type": "boolean",
                "default": True,
            },
            "prefill": {
                "description": "Continues a chat that ends with the assistant's message: up to 4.5.",
                "type": "boolean",
                "default": False,
            },
            "system_turns": {
                "description": "Takes system messages in the middle of a chat, where the API's version has them: from "
                "4.8 on. Without, they join those at its beginning.",
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


def can_stop_thinking(target: Target) -> bool:
    return bool(target.model.options.get("thinking_off", True))


def can_force_tools(target: Target) -> bool:
    return bool(target.model.options.get("forced_tools", True))
