"""What an operator may say of a vendor that speaks OpenAI's format with an accent; a model's own options win."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from gateway.types import Call, Model, Target

Api = Literal["chat", "responses"]

_API = {
    "description": "Which endpoint serves chats: /chat/completions, /responses, or both, and then each client's own: "
    "a client of another format is served by /chat/completions.",
    "enum": ["chat", "responses", "both"],
    "default": "chat",
}
_MAX_TOKENS_FIELD = {
    "description": "The name under which this vendor takes the limit of output tokens; where it is given, a client's "
    "other name is changed to it. Left out: max_completion_tokens, and a client's own name passes.",
    "enum": ["max_completion_tokens", "max_tokens"],
}
_TRANSCRIPT_FORMATS = {
    "description": "The formats in which transcription can be answered. Left out: not restricted.",
    "type": "array",
    "uniqueItems": True,
    "items": {"enum": ["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]},
}

MODEL_OPTIONS_SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "api": _API,
            "max_tokens_field": _MAX_TOKENS_FIELD,
            "translates": {
                "description": "Whether this model writes down in English what is said in another language "
                "(/audio/translations).",
                "type": "boolean",
                "default": False,
            },
            "transcript_formats": _TRANSCRIPT_FORMATS,
            "speech_usage": {
                "description": "Whether this speech model is billed by tokens, which the vendor reports in its stream "
                "of events alone (`stream_format: sse`): speech is then asked for so, and accounted exactly.",
                "type": "boolean",
                "default": False,
            },
        },
    }
)
OPTIONS_SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "auth": {
                "description": "Which header carries the key: `Authorization: Bearer`, `api-key` (Azure), or none: "
                "no key is needed then, and the provider is on as soon as its base_url is not empty.",
                "enum": ["bearer", "api-key", "none"],
                "default": "bearer",
            },
            "organization": {"description": "Sent as `OpenAI-Organization`.", "type": "string"},
            "project": {"description": "Sent as `OpenAI-Project`.", "type": "string"},
            "query": {
                "description": "Query parameters of every request, such as Azure's dated api-version.",
                "type": "object",
                "additionalProperties": {"type": "string", "maxLength": 256},
            },
            "prefix": {
                "description": "Put between base_url and the path; {model} stands for the model's name, as in Azure's "
                "dated surface: /deployments/{model}.",
                "type": "string",
                "pattern": "^(/([A-Za-z0-9._~-]|\\{model\\})+)*$(?!\n)",
                "x-hint": "a path such as /deployments/{model}",
            },
            "api": _API,
            "stream_usage": {
                "description": "Ask for usage in streams where the client did not, so that they are accounted "
                "exactly; the extra chunk is kept from the client. false for a vendor that refuses `stream_options`, "
                "which is then taken out of what a client sends.",
                "type": "boolean",
                "default": True,
            },
            "done_mark": {
                "description": "Whether a stream ends with `data: [DONE]`. false: it is complete once every choice "
                "has its finish_reason.",
                "type": "boolean",
                "default": True,
            },
            "max_tokens_field": _MAX_TOKENS_FIELD,
            "seed_field": {
                "description": "The name under which this vendor takes the seed.",
                "enum": ["seed", "random_seed"],
                "default": "seed",
            },
            "developer_role": {
                "description": "How this vendor calls the role developer; many know `system` only.",
                "enum": ["developer", "system"],
                "default": "developer",
            },
            "max_stop": {
                "description": "Most stop strings that this vendor takes.",
                "type": "integer",
                "minimum": 1,
                "default": 4,
            },
        },
    }
)


def option(target: Target, name: str, default: Any = None) -> Any:
    """Return the model's own option, else the provider's, else `default`."""
    own = target.model.options.get(name)
    return own if own is not None else target.provider.options.get(name, default)


def api_for(call: Call, target: Target) -> Api:
    """Return which endpoint serves a chat."""
    api = target.model.options.get("api") or target.provider.options.get("api", "chat")
    if api == "both":
        return "responses" if call.dialect == "openai.responses" else "chat"
    return "responses" if api == "responses" else "chat"


def is_reasoning(model: Model, effort: str | None) -> bool:
    """Say whether the model will reason, as its row knows."""
    return (effort or model.default_reasoning_effort) != "none"
