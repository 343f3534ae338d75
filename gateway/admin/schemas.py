"""What the admin API takes and answers, as JSON Schemas by name: checked by on the way in, published in OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config.quantities import UNITS as LIMIT_UNITS
from gateway.stores.ledger import DIMENSIONS
from gateway.stores.ledger.entries import UNITS

Schema = dict[str, Any]

OPERATIONS = [
    "chat",
    "embeddings",
    "speech",
    "transcription",
    "realtime",
    "tokens",
    "proxy",
]  # as a declared key's `operations`
MAX_SCOPES = 100  # patterns in one part: each is tried for a call

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
COUNT_OR_NULL: Schema = {"type": ["integer", "null"]}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
OBJECT: Schema = {"type": "object"}


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def exactly(properties: Mapping[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """Return the schema of an object with these fields and no other."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}


ROLE: Schema = {"enum": ["user", "operator", "admin"]}
STATE: Schema = {"enum": ["enabled", "draining", "disabled"]}
NAME: Schema = {"type": "string", "maxLength": 128, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\\n)"}
TENANT: Schema = {"type": "string", "maxLength": 128, "pattern": "^(?:[A-Za-z0-9][A-Za-z0-9._-]*|\\*)$(?!\\n)"}
_EXPIRY: Schema = {
    "type": ["string", "null"],
    "maxLength": 64,
    "description": "A date, at whose beginning in UTC the key ends, or a time with its zone; null: never.",
    "examples": ["2027-01-31", "2027-01-31T18:00:00Z"],
}
_PATTERNS: Schema = {
    "type": "array",
    "maxItems": MAX_SCOPES,
    "items": {"type": "string", "minLength": 1, "maxLength": 200},
}
SCOPES: Schema = {
    "type": "object",
    "description": "What the key is for; a part that is left out, or empty, means everything.",
    "additionalProperties": False,
    "properties": {
        "routes": _PATTERNS,
        "operations": {"type": "array", "maxItems": len(OPERATIONS), "items": {"enum": OPERATIONS}},
        "models": _PATTERNS,
        "providers": _PATTERNS,
    },
}
_TEXTS: Schema = {
    "type": ["string", "array"],
    "minItems": 1,
    "maxItems": 10,
    "items": {"type": "string", "maxLength": 64},
    "examples": ["60/minute", ["60/minute", "1000/day"]],
}
LIMITS: Schema = {
    "type": "object",
    "description": "What the key may use, as in routes.yaml; {}: no limits of its own.",
    "additionalProperties": False,
    "properties": {
        **{name: _TEXTS for name, _, _ in LIMIT_UNITS},
        "concurrent": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        "budget": {**_TEXTS, "examples": ["5 USD/day"]},
        "alert_percents": {
            "type": "array",
            "maxItems": 20,
            "items": {"type": "integer", "minimum": 1, "maximum": 100},
        },
        "while_away": {"enum": ["closed", "local_share", "open"]},
    },
}
TAGS: Schema = {
    "type": "object",
    "description": "Words of yours, kept with each of the key's requests; {}: none.",
    "additionalProperties": {"type": "string"},
    "examples": [{"team": "voice"}],
}

_CHANGEABLE: dict[str, Schema] = {
    "name": NAME,
    "scopes": SCOPES,
    "expires_at": _EXPIRY,
    "limits": LIMITS,
    "tags": TAGS,
}

NEW_KEY = exactly(
    {**_CHANGEABLE, "tenant": TENANT, "role": ROLE},
    optional=("tenant", "role", "scopes", "expires_at", "limits", "tags"),
)
KEY_CHANGE = {**exactly(_CHANGEABLE, optional=tuple(_CHANGEABLE)), "minProperties": 1}
STATE_CHANGE = exactly({"state": STATE})

BREAKER_RESET = exactly({"target": {"type": "string", "minLength": 1, "maxLength": 260, "examples": ["vendor/model"]}})

BY: Schema = {"enum": list(DIMENSIONS), "default": "key", "description": "One row for each."}
SINCE: Schema = {
    "type": "string",
    "maxLength": 10,
    "description": "From this day on, in UTC; 7d: the last seven days. Left out: from the beginning.",
    "examples": ["2026-11-25", "7d"],
}
LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100, "description": "How many at most."}
AFTER: Schema = {"type": "string", "maxLength": 128, "description": "The `next` of the answer before."}
KEY_NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 128,
    "description": "The id of a key, or the name of one of routes.yaml, whose state is to be told.",
}

CACHE_KEY: Schema = {
    "type": "string",
    "pattern": "^[0-9a-f]{64}$(?!\\n)",
    "description": "What answers carry as `x-gateway-cache-key`.",
}
CACHE_TENANT: Schema = {"type": "string", "maxLength": 128, "description": "Only what this tenant was answered."}
CACHE_ROUTE: Schema = {
    "type": "string",
    "maxLength": 512,
    "description": "Only what this route answered: its method and path, as `x-gateway-route` has them.",
    "examples": ["POST /v1/chat/completions"],
}

_KEY_FACTS: dict[str, Schema] = {
    "id": TEXT,
    "name": TEXT,
    "tenant": TEXT,
    "role": ROLE,
    "state": {"enum": ["valid", "expired", "revoked"]},
    "scopes": SCOPES,
    "limits": LIMITS,
    "tags": TAGS,
    "created_at": TEXT,
    "expires_at": TEXT_OR_NULL,
    "revoked_at": TEXT_OR_NULL,
}
_SUMS = ("requests", "errors", "unpriced", "estimated", "cost_nano_usd", *UNITS)
_REQUEST_TEXTS = ("request_id", "started_at", "key", "tenant", "route", "operation", "requested_model", "provider")

_STORE = exactly(dict.fromkeys(("entries", "size_bytes", "max_bytes", "evictions", "hits"), COUNT))
LEVEL: Schema = {"enum": ["debug", "info", "warning", "error"]}
LEVEL_CHANGE = exactly({"level": {"enum": [*LEVEL["enum"], None], "description": "null: what the configuration says."}})

QUESTION = exactly(
    {
        "method": {"enum": ["GET", "POST"]},
        "path": {**TEXT, "maxLength": 2_000, "pattern": "^/"},
        "body": {**OBJECT, "description": "As a client sends it; beside a recording, the fields of its form."},
        "headers": {**OBJECT, "additionalProperties": {**TEXT, "maxLength": 2_000}},
        "key": {**KEY_NAME, "description": "Whose key comes with it: an id, or a name of routes.yaml. Left out: none."},
        "seconds": {**NUMBER, "exclusiveMinimum": 0, "maximum": 3_600, "description": "How long the recording is."},
    },
    optional=("body", "headers", "key", "seconds"),
)

COMPONENTS: Mapping[str, Schema] = {
    "Error": exactly(
        {
            "error": exactly(
                {"message": TEXT, "type": TEXT, "param": TEXT_OR_NULL, "code": TEXT, "request_id": TEXT},
            )
        }
    ),
    "NewKey": NEW_KEY,
    "KeyChange": KEY_CHANGE,
    "StateChange": STATE_CHANGE,
    "BreakerReset": BREAKER_RESET,
    "Question": QUESTION,
    "Explanation": OBJECT,
    "LogLevelChange": LEVEL_CHANGE,
    "LogLevel": exactly({"level": LEVEL, "configured": LEVEL}),
    "Key": exactly(_KEY_FACTS),
    "KeyWithSecret": exactly({**_KEY_FACTS, "key": {**TEXT, "description": "The secret, shown this once."}}),
    "Keys": exactly({"keys": listed(ref("Key")), "next": TEXT_OR_NULL}),
    "Usage": exactly(
        {
            "by": TEXT,
            "since": TEXT_OR_NULL,
            "usage": listed(exactly({"name": TEXT, **dict.fromkeys(_SUMS, NUMBER), "cost_usd": TEXT})),
        }
    ),
    "Requests": exactly(
        {
            "requests": listed(
                exactly(
                    {
                        **dict.fromkeys((*_REQUEST_TEXTS, "model", "state", "outcome", "cache"), TEXT),
                        "status": COUNT,
                        **dict.fromkeys(UNITS, NUMBER),
                        "reserved_nano_usd": COUNT,
                        "cost_nano_usd": {"type": ["integer", "null"]},
                        "cost_usd": TEXT_OR_NULL,
                        "is_estimated": FLAG,
                        "first_content_ms": NUMBER_OR_NULL,
                        "total_ms": NUMBER,
                        "attempts": listed(OBJECT),
                        "tags": OBJECT,
                    }
                )
            )
        }
    ),
    "Provider": exactly(
        {
            "name": TEXT,
            "state": STATE,
            "is_configured": FLAG,
            "off_reason": TEXT_OR_NULL,
            "is_standby": FLAG,
            "base_url": TEXT,
            "models": listed(
                exactly(
                    {
                        "name": TEXT,
                        "operation": TEXT,
                        "in_flight": {"type": ["integer", "null"]},
                        "first_content_s": {"type": ["number", "null"]},
                    }
                )
            ),
        }
    ),
    "Providers": exactly({"providers": listed(ref("Provider"))}),
    "Breaker": exactly(
        {
            "target": TEXT,
            "state": {"enum": ["closed", "returning", "half_open", "open"]},
            "since_s": {**NUMBER, "description": "For so long it has been in this state."},
            "retry_in_s": {**NUMBER_OR_NULL, "description": "What is left of its ejection; null: it is not ejected."},
            "last_error": TEXT_OR_NULL,
            "last_error_s": {**NUMBER_OR_NULL, "description": "So long ago."},
            "is_told": {**FLAG, "description": "Whether its vendor said when it is to be asked again."},
            "share": {**NUMBER, "description": "Of the calls, from 0 to 1, that it takes now."},
            "ejections": {**COUNT, "description": "In a row, without a whole return in between."},
            "failures_in_a_row": COUNT,
            "succeeded": {**COUNT, "description": "Within the policy's window_s."},
            "failed": {**COUNT, "description": "Within the policy's window_s."},
            "in_flight": COUNT,
            "first_content_s": {**NUMBER_OR_NULL, "description": "A moving average."},
            "policy": OBJECT,
        }
    ),
    "Breakers": exactly({"breakers": listed(ref("Breaker"))}),
    "Config": exactly(
        {
            "generation": TEXT,
            "files": listed(TEXT),
            **dict.fromkeys(("server", "keys", "stores", "telemetry", "providers", "voices"), OBJECT),
            "models": listed(OBJECT),
            "limits": listed(OBJECT),
            "webhook": TEXT_OR_NULL,
            "routes": listed(OBJECT),
        }
    ),
    "Rollback": exactly(
        {"generation": {**TEXT, "maxLength": 64, "description": "One of the history. Left out: the one before."}},
        optional=("generation",),
    ),
    "Outcome": exactly(
        {
            "is_sound": {**FLAG, "description": "Whether it was applied, or of a comparison: could be."},
            "generation": TEXT,
            "changes": listed(TEXT),
            "problems": listed(exactly({"file": TEXT, "line": COUNT, "column": COUNT, "message": TEXT})),
        }
    ),
    "History": exactly(
        {
            "history": listed(
                exactly(
                    {
                        "generation": TEXT,
                        "applied_at": TEXT,
                        "how": {"enum": ["start", "reload", "rollback"]},
                        "changes": listed(TEXT),
                        "is_current": FLAG,
                    }
                )
            )
        }
    ),
    "Status": exactly(
        {
            "pid": COUNT,
            "url": TEXT,
            "generation": TEXT,
            "started_at": TEXT,
            "in_flight": COUNT,
            "is_draining": FLAG,
        }
    ),
    "Cache": exactly(
        {
            "memory": _STORE,
            "disk": {"anyOf": [_STORE, {"type": "null"}]},
            "redis": {
                "anyOf": [exactly({"is_here": FLAG, "hits": COUNT, "failures": COUNT}), {"type": "null"}],
            },
        }
    ),
    "Purged": exactly({"memory": COUNT, "disk": COUNT_OR_NULL, "redis": COUNT_OR_NULL}),
    "Limits": exactly(
        {
            "key": TEXT_OR_NULL,
            "is_shared": FLAG,
            "limits": listed(
                exactly(
                    {
                        "limit": TEXT,
                        "routes": listed(TEXT),
                        "per": listed(TEXT),
                        "only": OBJECT,
                        "subject": TEXT_OR_NULL,
                        "meters": listed(
                            exactly(
                                {
                                    "unit": TEXT,
                                    "window_s": {"type": ["integer", "null"]},
                                    "period": TEXT_OR_NULL,
                                    "limit": {"type": ["integer", "string"]},
                                    "left": {"type": ["integer", "string", "null"]},
                                    "resets_in_s": NUMBER_OR_NULL,
                                }
                            )
                        ),
                    }
                )
            ),
            "concurrent": listed(
                exactly(
                    {
                        "limit": TEXT,
                        **dict.fromkeys(("running", "limit_now"), COUNT),
                        "min": {"type": ["integer", "null"], "description": "null: the limit does not adapt."},
                        **dict.fromkeys(("max", "waiting", "queue"), COUNT),
                        "max_wait_s": NUMBER,
                        "refused": exactly(dict.fromkeys(("full", "displaced", "too_long", "deadline"), COUNT)),
                    }
                )
            ),
        }
    ),
}
