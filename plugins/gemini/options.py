"""What providers.yaml may say of a Gemini provider and of its models."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

VERSIONS = ("v1", "v1beta", "v1alpha")

OPTIONS_SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "api_version": {
                "description": "The version of the API in the path. Left out: the client's own where it speaks this "
                "same format, else v1beta.",
                "enum": list(VERSIONS),
            }
        },
    }
)

MODEL_OPTIONS_SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "thinking_levels": {
                "description": "The levels of thinking that the model takes, from Gemini 3 on; an effort that it does "
                "not have becomes the next one up.",
                "type": "array",
                "items": {"enum": ["minimal", "low", "medium", "high", "xhigh"]},
                "minItems": 1,
                "default": ["low", "medium", "high"],
            },
            "thinking_budget": {
                "description": "The least and the most tokens of thinking that a model before Gemini 3 takes.",
                "type": "array",
                "items": {"type": "integer", "minimum": 0},
                "minItems": 2,
                "maxItems": 2,
                "default": [0, 24576],
            },
        },
    }
)
