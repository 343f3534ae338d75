"""What an operator may say of Google's transcription, for a provider and for a model of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.types import Target

DEFAULT_BASE_URL = "https://speech.googleapis.com"
_LANGUAGE = {
    "type": "string",
    "pattern": "^[A-Za-z]{2,4}(-[A-Za-z0-9]{2,8})*$",
    "default": "en-US",
    "description": "The language (BCP-47) where the client names none; `auto` with models of v2 that detect it.",
}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "api": {
            "enum": ["v1", "v2"],
            "default": "v1",
            "description": "v1 takes an API key. v2 takes a project and a location, and more containers.",
        },
        "auth": {
            "enum": ["api-key", "access-token", "service-account", "metadata"],
            "description": "What is sent: credentials.api_key; credentials.access_token; a token that the service "
            "account (credentials.service_account, the JSON of its key) gets, needing the extra `google`; or one of "
            "the account under which a machine at Google runs. Left out: api-key with v1, service-account with v2.",
        },
        "project": {
            "type": "string",
            "pattern": "^[a-z0-9:.-]{0,100}$",
            "description": "The project's id, for v2; with tokens it also says who pays (x-goog-user-project).",
        },
        "location": {
            "type": "string",
            "pattern": "^[a-z0-9-]{1,40}$",
            "default": "global",
            "description": "Where v2 works: global, us, eu, europe-west4 … Any but global has a host of its own.",
        },
        "language": _LANGUAGE,
    },
}
MODEL_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "language": _LANGUAGE,
        "translates": {
            "type": "boolean",
            "default": False,
            "description": "true: this model of v2 can translate into English (chirp_2).",
        },
        "speakers": {
            "type": "boolean",
            "default": True,
            "description": "false: this model cannot tell speakers apart.",
        },
    },
}


def is_v2(target: Target) -> bool:
    return str(target.provider.options.get("api", "v1")) == "v2"


def language(target: Target) -> str:
    """Return the language of a recording whose client names none."""
    own = target.model.options.get("language", target.provider.options.get("language", "en-US"))
    return str(own)
