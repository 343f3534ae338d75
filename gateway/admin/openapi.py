"""The OpenAPI 3.1 document of all endpoints: the admin API whole, clients' endpoints by method, path and dialect.

What a client's body looks like is its dialect's, which the vendors' own pages describe. The document is public: it
says what routes.yaml serves and nothing of keys, providers or prompts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from gateway import __version__
from gateway.admin.routes import ROUTES, AdminRoute
from gateway.admin.schemas import COMPONENTS, ref
from gateway.config.model import Route
from gateway.dialects import DIALECTS

Document = dict[str, Any]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ERROR = {"description": "What is wrong, and the remedy.", "content": {"application/json": {"schema": ref("Error")}}}


def document(routes: Iterable[Route]) -> Document:
    """Return the document for these routes of a configuration."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _client_operation(route)
    for admin in ROUTES:
        paths.setdefault(admin.path, {})[admin.method.lower()] = _admin_operation(admin)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AI service gateway",
            "version": __version__,
            "description": "One endpoint for language models, speech and transcription.",
        },
        "tags": [
            {
                "name": "admin",
                "description": "Keys, usage, limits, providers, breakers and configuration. Always with a key.",
            },
            *({"name": tag} for tag in sorted({DIALECTS[route.dialect].operation for route in routes})),
        ],
        "paths": paths,
        "components": {
            "schemas": dict(COMPONENTS),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A key of this gateway."}},
        },
    }


def _admin_operation(route: AdminRoute) -> Document:
    operation: Document = {
        "operationId": route.handle.__name__,
        "tags": ["admin"],
        "summary": route.summary,
        "description": f"Takes a key of role {route.role}" + (" or higher." if route.role != "admin" else "."),
        "security": [{"key": []}],
        "parameters": [
            *_in_path(route.path),
            *(
                {"name": name, "in": "query", "required": False, "schema": schema}
                for name, schema in route.query.items()
            ),
        ],
        "responses": {
            str(route.status): {"description": "Done.", "content": {"application/json": {"schema": ref(route.answer)}}},
            "default": _ERROR,
        },
    }
    if route.body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(route.body)}}}
    return operation


def _client_operation(route: Route) -> Document:
    operation = DIALECTS[route.dialect].operation
    found: Document = {
        "operationId": operation_id(route.method, route.path),
        "tags": [operation],
        "summary": f"{operation}, in the dialect {route.dialect}",
        "x-dialect": route.dialect,
        "x-operation": operation,
        "security": [{"key": []}, {}] if route.auth == "required" else [{}],
        "parameters": _in_path(route.path),
        "responses": {"200": {"description": f"The answer, as {route.dialect} has it."}, "default": _in_dialect(route)},
    }
    if route.method in ("POST", "PUT", "PATCH"):
        kind = "multipart/form-data" if DIALECTS[route.dialect].takes_form else "application/json"
        found["requestBody"] = {"content": {kind: {"schema": {"type": "object"}}}}
    return found


def operation_id(method: str, path: str) -> str:
    """Return a name for an endpoint that no other has: what is no letter or digit is written as its code."""
    return method.lower() + re.sub(
        r"[^A-Za-z0-9]", lambda found: "_" if found[0] == "/" else f"-{ord(found[0])}-", path
    )


def _in_path(path: str) -> list[Mapping[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACEHOLDER.findall(path)
    ]


def _in_dialect(route: Route) -> Document:
    return {"description": f"An error, as {route.dialect} has it."}
